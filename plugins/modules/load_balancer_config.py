"""Let HAProxy run with a configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_config
short_description: HAProxy runs with the configuration that was written
description:
  - Lets HAProxy check a configuration, puts it in the place of the former one, and reloads HAProxy. The new process
    takes over the listening sockets, and the former one answers the requests that it has. Starts HAProxy where it does
    not run.
  - HAProxy says of itself which configuration it runs with, so an interrupted run is completed by the next one.
  - When HAProxy refuses the configuration, or does not run with it, the former one stays.
options:
  content:
    description:
      - The configuration. The word C(@digest@) in it becomes the hash of the text. Without a configuration, the module
        looks at the ports alone.
    type: str
  plan:
    description: What the configuration was made from, which is kept for M(grove.wsgi.load_balancer_servers).
    type: dict
    default: {}
  places:
    description: The addresses and ports that HAProxy listens on, each as a list of two; V(*) for every address.
    type: list
    elements: list
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Refuse ports that another program holds
  grove.wsgi.load_balancer_config:
    places: [["*", 8080]]
"""

RETURN = r"""
action:
  description: C(none) or C(load).
  type: str
  returned: with a configuration
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import configuration
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str"},
            "plan": {"type": "dict", "default": {}},
            "places": {"type": "list", "elements": "list", "default": []},
        },
        supports_check_mode=True,
    )
    content, plan = module.params["content"], module.params["plan"]

    def work() -> dict[str, Any]:
        places = [(str(address), int(port)) for address, port in module.params["places"]]
        if held := configuration.held_ports(places):
            raise configuration.ConfigurationError(
                "\n".join(["HAProxy cannot listen where the inventory says, and nothing was changed:", *held])
            )
        return configuration.put(content, plan, dry=module.check_mode) if content else {"changed": False}

    run_module(module, work)


if __name__ == "__main__":
    main()
