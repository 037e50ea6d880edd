"""Verify that applications serve the releases that were deployed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: served
short_description: Applications serve the releases that were deployed
description:
  - Verifies in one call the applications whose release is live already, and completes their switches if they were
    interrupted. M(grove.wsgi.switch) does the others, one after the other.
options:
  applications:
    description: Each application's C(record), as M(grove.wsgi.check_records) returns it for switching, and C(release).
    type: list
    elements: dict
    required: true
  switched:
    description: The applications that the same run has switched. They were verified then.
    type: list
    elements: str
    default: []
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
extends_documentation_fragment: grove.wsgi.handover
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Verify that the applications answer
  grove.wsgi.served:
    applications:
      - record: "{{ record }}"
        release: 0123456789ab
"""

RETURN = r"""
summaries:
  description: One line for a person for each application that was verified, by its name.
  type: dict
  returned: success
after:
  description: The applications whose hook C(after) is due. Those of C(switched) are among them, unless their
    C(after_on) is C(migration) and nothing was migrated.
  type: list
  elements: str
  returned: success
ended:
  description: Whether the deployment was ended.
  type: bool
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching.handover import ARGUMENTS, Handover
from ansible_collections.grove.wsgi.plugins.module_utils.switching.served import end_deployment, verify


def main() -> None:
    """Run the module."""
    application = {"record": {"type": "dict", "required": True}, "release": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True, "options": application},
            "switched": {"type": "list", "elements": "str", "default": []},
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    params = module.params
    handovers = [
        Handover.of(params, one["record"], one["release"], dry=module.check_mode) for one in params["applications"]
    ]

    def work() -> dict[str, Any]:
        result = verify(handovers, params["switched"])
        run = Run.of(params["run"])
        return {**result, "ended": end_deployment(params["end"], result["after"], run, dry=module.check_mode)}

    run_module(module, work)


if __name__ == "__main__":
    main()
