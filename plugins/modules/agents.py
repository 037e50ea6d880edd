"""Let applications' agents run their releases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: agents
short_description: Applications' agents run their releases
description:
  - Writes the agents' units, and removes none.
  - Restarts the agents of a release that run another one or none, or under an older unit, those of all applications at
    once, and waits until each has stayed up.
  - When those that are restarted before the switch do not stay up, they are brought back to the live release.
options:
  applications:
    description: What is to run.
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
      - With C(before) those agents that go before the switch and have run another release, with C(after) all that do
        not run this one.
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
- name: Replace the agents that go before the traffic
  grove.wsgi.agents:
    applications:
      - record: "{{ record }}"
        release: 0123456789ab
        units: {conductor: "{{ unit }}"}
    restart: before
"""

RETURN = r"""
restarted:
  description: The agents that were, or in check mode would be, restarted, by application.
  type: dict
  returned: success
seconds:
  description: How long that took.
  type: float
  returned: success
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.agents import units as agents
from ansible_collections.grove.wsgi.plugins.module_utils.agents.units import Change
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease as deployment_lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError


def back(change: Change, seconds: int) -> str:
    """Bring agents back to the live release; return what became of that, in words for the operator."""
    release = agents.serving(change.folder)
    known = [name for name in change.names if release and name in agents.of_release(change.folder, release)]
    if not known:
        return "no earlier release has these agents; nothing was switched. Run again when the cause is gone"
    with contextlib.suppress(agents.AgentError):
        agents.bring(change.folder, str(release), known, seconds)
        return f"release {release} serves on, and its agents run again. Run again when the cause is gone"
    return f"release {release} serves on, but these agents do not run in it either"


def to_change(folder: AppFolder, release: str, restart: str) -> list[str]:
    """Return the agents that are to be restarted at this step."""
    late = agents.behind(folder, release, agents.of_release(folder, release))
    if restart == "after":
        return late
    # One that never ran replaces nothing, and may need what a first deployment makes after the switch.
    had = folder.agent_releases()
    first = agents.of_release(folder, release, "before")
    return [name for name in late if name in first and had.get(name) not in (None, release)]


def prepare(module: AnsibleModule, application: dict[str, Any]) -> tuple[Change, list[str]]:
    """Write an application's units; return what is to be restarted, and the agents whose units were written."""
    record, release = application["record"], application["release"]
    folder = AppFolder(record["name"], Path(record["folder"]))
    restart = module.params["restart"]
    try:
        written = agents.write_units(folder.name, application["units"], dry=module.check_mode)
        late = to_change(folder, release, restart)
    except (agents.AgentError, FolderError, OSError, ValueError) as error:
        module.fail_json(msg=f"record {folder.name}: {error}")
    if module.check_mode and restart == "after":
        late = sorted({*late, *written})
    return Change(folder, release, late), written


def apply(changes: list[Change], run: deployment_lease.Run | None, seconds: int) -> dict[str, str]:
    """Restart agents; return by application what is to be said of those that do not run.

    Raises FolderError when another run is at work on one of the applications.
    """
    failed = {}
    with locked(changes, run):
        for change in changes:
            try:
                agents.start(change)
            except (agents.AgentError, OSError) as error:
                failed[change.folder.name] = str(error)
    # Without the locks: whoever interrupts a run may begin another one while this waits.
    return {**agents.wait([change for change in changes if change.folder.name not in failed], seconds), **failed}


@contextlib.contextmanager
def locked(changes: list[Change], run: deployment_lease.Run | None) -> Iterator[None]:
    """Hold the locks of applications, and their notes of the run. Raises FolderError when another run is at work."""
    with contextlib.ExitStack() as locks:
        for change in changes:
            locks.enter_context(change.folder.locked())
            deployment_lease.renew(change.folder, run)
        yield


def fail(module: AnsibleModule, failed: list[tuple[Change, str]], run: deployment_lease.Run | None) -> list[str]:
    """Note what failed and bring back what can be; return what is to be said."""
    messages = []
    for change, why in failed:
        history.note_failure(change.folder, "failed", change.release, why=why[:2000], step="agents")
        ending = f"release {change.release} is live and stays so. Run again when the cause is gone"
        if module.params["restart"] == "before":
            ending = back(change, module.params["timeout"])
        messages.append(f"record {change.folder.name}: {why}\n{ending}")
    for one in module.params["applications"]:
        deployment_lease.end(AppFolder(one["record"]["name"], Path(one["record"]["folder"])), run)
    return messages


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
            "timeout": {"type": "int", "default": agents.LONGEST},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params = module.params
    run = deployment_lease.Run.of(params["run"])
    begun = time.monotonic()
    prepared = [prepare(module, one) for one in params["applications"]]
    changes = [change for change, _ in prepared if change.names]
    if changes and not module.check_mode:
        failed: list[tuple[Change, str]] = []
        try:
            complaints = apply(changes, run, params["timeout"])
            failed = [(one, complaints[one.folder.name]) for one in changes if one.folder.name in complaints]
            if failed:
                with locked([change for change, _ in failed], run):
                    module.fail_json(msg="\n".join(fail(module, failed, run)))
        except (FolderError, OSError) as error:
            said = "".join(f"record {change.folder.name}: {why}\n" for change, why in failed)
            module.fail_json(msg=f"{said}{error}")
    lines = [f"{agents.unit(change.folder.name, name)} written\n" for change, names in prepared for name in names]
    lines += [f"{change.folder.name} {name}: {change.release}\n" for change in changes for name in change.names]
    after = "".join(lines)
    module.exit_json(
        changed=bool(after),
        restarted={change.folder.name: list(change.names) for change in changes},
        seconds=round(time.monotonic() - begun, 3),
        diff={"before": "", "after": after} if after else {},
    )


if __name__ == "__main__":
    main()
