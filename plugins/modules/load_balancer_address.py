"""The address that load balancers share: who has it, and keepalived, which moves it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_address
short_description: keepalived moves the address that load balancers share
description:
  - Runs on a load balancer. With O(state=read), the module says whether the load balancer has the address, and whether
    it could take it. It fails where an interface for the address or for the load balancer's own one is missing.
  - With O(state=free), the module asks the network who has the address, and fails if a machine answers that is no load
    balancer of the fleet.
  - With O(state=shared), the module lets keepalived check a configuration, puts it in the place of the former one, and
    reloads or starts keepalived. The address stays where it is.
  - With O(state=left), a load balancer that has the address gives it away. If nobody takes it, the load balancer takes
    it again, and the module fails.
  - With O(state=absent), keepalived stops if Grove has written its configuration.
options:
  address:
    description: The shared address.
    type: str
    default: ""
  own:
    description: The load balancer's own address.
    type: str
    default: ""
  state:
    description: What the module does.
    type: str
    choices: [read, free, shared, left, absent]
    required: true
  content:
    description:
      - The configuration for O(state=shared). C(@interface@) and C(@address_interface@) become the names of the
        interfaces with the own and with the shared address, and C(@check@) the path of the program in O(check).
    type: str
    default: ""
  check:
    description: The program by which keepalived asks HAProxy.
    type: str
    default: ""
  hardware:
    description: The hardware addresses of the load balancers, for O(state=free).
    type: list
    elements: str
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read which load balancer has the address
  grove.wsgi.load_balancer_address:
    address: 192.0.2.9
    own: 192.0.2.10
    state: read
"""

RETURN = r"""
holds:
  description: Whether the load balancer has the address.
  type: bool
  returned: with state read
hardware:
  description: The hardware address of the interface for the address.
  type: str
  returned: with state read
well:
  description: Whether the load balancer could take the address.
  type: bool
  returned: with state read
unwell:
  description: Why it could not.
  type: str
  returned: with state read
action:
  description: C(none), C(start) or C(reload).
  type: str
  returned: with state shared
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import shared_address
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "default": ""},
            "own": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["read", "free", "shared", "left", "absent"], "required": True},
            "content": {"type": "str", "default": ""},
            "check": {"type": "str", "default": ""},
            "hardware": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    address, own, content, check = (module.params[name] for name in ("address", "own", "content", "check"))
    dry = module.check_mode

    def work() -> dict[str, Any]:
        match module.params["state"]:
            case "read":
                return shared_address.state(address, own)
            case "free":
                shared_address.check_free(address, own, module.params["hardware"])
                return {"changed": False}
            case "shared":
                return shared_address.put(content, check, address, own, dry=dry)
            case "left":
                return shared_address.give_away(address, own, dry=dry)
        return shared_address.remove(dry=dry)

    run_module(module, work)


if __name__ == "__main__":
    main()
