"""Let applications' agents run their releases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: agents
short_description: Applications' agents run their releases
description:
  - Writes the agents' units, and removes none.
  - Restarts the agents that do not run, that run another release, or whose unit has changed. Those of all applications
    are restarted at once. Then it waits until each has stayed up.
  - When agents that are restarted before the switch do not stay up, they are restarted in the live release.
options:
  applications:
    description: The applications and their releases.
    type: list
    elements: dict
    required: true
    suboptions:
      record:
        description: The serving part of the completed record, as M(grove.wsgi.check_records) returns it.
        type: dict
        required: true
      release:
        description: The release's id.
        type: str
        required: true
      units:
        description: The units of systemd by the agents' names, as text. They are written first.
        type: dict
        default: {}
  restart:
    description:
      - With C(before), the agents that go before the switch and have run another release. With C(after), all agents
        that do not run this release.
    type: str
    choices: [before, after]
    required: true
  timeout:
    description: Seconds that all of them may take.
    type: int
    default: 240
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Restart the agents that move before the traffic
  grove.wsgi.agents:
    applications:
      - record: "{{ record }}"
        release: 0123456789ab
        units: {conductor: "{{ unit }}"}
    restart: before
"""

RETURN = r"""
restarted:
  description: The agents that were restarted, or in check mode would be, by application.
  type: dict
  returned: success
seconds:
  description: Seconds that the restart took.
  type: float
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.agents import limits
from ansible_collections.grove.wsgi.plugins.module_utils.agents.rollout import Application, Rollout
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    application = {
        "record": {"type": "dict", "required": True},
        "release": {"type": "str", "required": True},
        "units": {"type": "dict", "default": {}},
    }
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True, "options": application},
            "restart": {"type": "str", "required": True, "choices": ["before", "after"]},
            "timeout": {"type": "int", "default": limits.RESTART_SECONDS},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params = module.params
    applications = [
        Application(AppFolder(one["record"]["name"], Path(one["record"]["folder"])), one["release"], one["units"])
        for one in params["applications"]
    ]
    rollout = Rollout(
        applications=applications,
        restart=params["restart"],
        seconds=params["timeout"],
        run=Run.of(params["run"]),
        dry=module.check_mode,
    )
    run_module(module, rollout.carry_out)


if __name__ == "__main__":
    main()
