"""Let an application's agents run a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: agents
short_description: An application's agents run a release
description:
  - Writes the agents' units, and removes none.
  - Restarts the agents of a release that run another one or none, or under an older unit, and waits until each has
    stayed up.
  - When those that are restarted before the switch do not stay up, they are brought back to the live release.
options:
  record:
    description: The serving part of the completed record, as M(grove.wsgi.check_records) returns it.
    type: dict
    required: true
  release:
    description: The release's id.
    type: str
    required: true
  restart:
    description:
      - With C(before) those agents that go before the switch and have run another release, with C(after) all that do
        not run this one.
    type: str
    choices: [before, after]
    required: true
  units:
    description: The units of systemd by the agents' names, as text. They are written first.
    type: dict
    default: {}
  timeout:
    description: Seconds that all of them may take.
    type: int
    default: 120
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Replace the agents that go before the traffic
  grove.wsgi.agents:
    record: "{{ record }}"
    release: 0123456789ab
    restart: before
    units: {conductor: "{{ unit }}"}
"""

RETURN = r"""
restarted:
  description: The agents that were, or in check mode would be, restarted.
  type: list
  elements: str
  returned: success
seconds:
  description: How long that took.
  type: float
  returned: success
"""

import contextlib
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils import agents, deployment_lease, history
from ansible_collections.grove.wsgi.plugins.module_utils.app_folder import AppFolder, FolderError


def back(folder: AppFolder, names: list[str], seconds: int) -> str:
    """Bring agents back to the live release; return what became of that, in words for the operator."""
    release = agents.serving(folder)
    known = [name for name in names if release and name in agents.of_release(folder, release)]
    if not known:
        return "no earlier release has these agents; nothing was switched. Run again when the cause is gone"
    with contextlib.suppress(agents.AgentError):
        agents.bring(folder, str(release), known, seconds)
        return f"release {release} serves on, and its agents run again. Run again when the cause is gone"
    return f"release {release} serves on, but these agents do not run in it either"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "release": {"type": "str", "required": True},
            "restart": {"type": "str", "required": True, "choices": ["before", "after"]},
            "units": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 120},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params = module.params
    record, release, restart = params["record"], params["release"], params["restart"]
    folder = AppFolder(record["name"], Path(record["folder"]))
    run = deployment_lease.Run.of(params["run"])
    late: list[str] = []
    written: list[str] = []
    begun = time.monotonic()
    try:
        written = agents.write_units(folder.name, params["units"], dry=module.check_mode)
        late = agents.behind(folder, release, agents.of_release(folder, release))
        if restart == "before":
            # One that never ran replaces nothing, and may need what a first deployment makes after the switch.
            had = folder.agent_releases()
            first = agents.of_release(folder, release, "before")
            late = [name for name in late if name in first and had.get(name) not in (None, release)]
        elif module.check_mode:
            late = sorted({*late, *written})
        if late and not module.check_mode:
            with folder.locked():
                deployment_lease.renew(folder, run)
                agents.bring(folder, release, late, params["timeout"])
    except agents.AgentError as error:
        history.note_failure(folder, "failed", release, why=f"{error}"[:2000], step="agents")
        ending = f"release {release} is live and stays so. Run again when the cause is gone"
        if restart == "before":
            ending = back(folder, late, params["timeout"])
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {record['name']}: {error}\n{ending}")
    except (FolderError, OSError, ValueError) as error:
        module.fail_json(msg=f"record {record['name']}: {error}")
    after = "".join(f"{agents.unit(folder.name, name)} written\n" for name in written)
    after += "".join(f"{name}: {release}\n" for name in late)
    diff = {"before": "", "after": after} if after else {}
    seconds = round(time.monotonic() - begun, 3)
    module.exit_json(changed=bool(late or written), restarted=late, seconds=seconds, diff=diff)


if __name__ == "__main__":
    main()
