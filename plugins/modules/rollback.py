"""Put an earlier release of an application live again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: An earlier release is live again
description:
  - Hands the traffic to the release that was live before, or to the named one. Nothing is built; what is needed stands
    on the host. Its agents follow. A canary is withdrawn instead.
  - Refuses to go back behind a contract, which may have removed what the earlier release needs.
options:
  release:
    description: The release's id. Without it, the one that was live before.
    type: str
  cross_contract:
    description: Go back behind a contract.
    type: bool
    default: false
extends_documentation_fragment: grove.wsgi.app
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Go back
  grove.wsgi.rollback:
    app: bookstore
"""

RETURN = r"""
release:
  description: The release that is live now.
  type: str
  returned: success
seconds:
  description: Duration of each step, and of all up to the first answer of the front (C(live)).
  type: dict
  returned: success
restarted:
  description: The agents that were restarted in that release.
  type: list
  elements: str
  returned: success
summary:
  description: One line for a person.
  type: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching.rollback import Rollback


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "base": {"type": "path", "default": "/srv/wsgi"},
            "release": {"type": "str"},
            "cross_contract": {"type": "bool", "default": False},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params = module.params
    rollback = Rollback(
        base=Path(params["base"]),
        name=params["app"],
        release=params["release"] or None,
        cross_contract=params["cross_contract"],
        run=Run.of(params["run"]),
        dry=module.check_mode,
    )
    run_module(module, rollback.carry_out)


if __name__ == "__main__":
    main()
