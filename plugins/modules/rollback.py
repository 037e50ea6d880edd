"""Put an earlier release of an application live again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: An earlier release is live again
description:
  - Hands the traffic to the release that served before, or to the named one, and restarts its agents. Nothing is built.
    If there is a canary, it is withdrawn instead.
  - Refuses to go back behind a contract, which may have removed what the earlier release needs.
options:
  release:
    description: The release's id. By default, the release that served before.
    type: str
  cross_contract:
    description: Go back behind a contract.
    type: bool
    default: false
  begin:
    description:
      - Begin the deployment before, and end it afterwards, as M(grove.wsgi.deployment) does. In a playbook the module
        is an action, which describes the run. An application that was never deployed on the host is refused.
    type: bool
    default: false
  dead:
    description: Runs that have ended. Filled in by the action.
    type: list
    elements: dict
    default: []
extends_documentation_fragment: grove.wsgi.app
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Go back
  grove.wsgi.rollback:
    app: bookstore
    begin: true
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
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app import deployment
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
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
            "begin": {"type": "bool", "default": False},
            "dead": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    base, name = Path(params["base"]), params["app"]
    rollback = Rollback(
        base=base,
        name=name,
        release=params["release"] or None,
        cross_contract=params["cross_contract"],
        run=Run.of(params["run"]),
        dry=module.check_mode,
    )
    dead = [one for one in map(Run.of, params["dead"]) if one is not None]

    def work() -> dict[str, Any]:
        if not params["begin"]:
            return rollback.carry_out()
        folders = [AppFolder(name, base / name)]
        app_file.read(base, name)
        deployment.begin(folders, rollback.run, dead, dry=module.check_mode)
        result = rollback.carry_out()
        deployment.end(folders, rollback.run, dry=module.check_mode)
        return result

    run_module(module, work)


if __name__ == "__main__":
    main()
