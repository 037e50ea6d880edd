"""Hand an application's traffic to a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch
short_description: An application's traffic is served by a release
description:
  - Starts the release in the application's idle slot, waits until each of its processes answers healthy with the
    release's id, flips the slot map, and verifies through the front. A release that fails on the way gets no traffic.
  - Without a change it verifies that the application answers.
options:
  record:
    description: The completed record, as M(grove.wsgi.check_records) returns it.
    type: dict
    required: true
  release:
    description: The release's id.
    type: str
    required: true
  keep:
    description: How many releases are kept besides those that the slots run.
    type: int
    default: 3
  program:
    description: Apache's program name in the process table.
    type: str
    default: apache2
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Hand over the traffic
  grove.wsgi.switch:
    record: "{{ record }}"
    release: 0123456789ab
"""

RETURN = r"""
live:
  description: The live slot, C(blue) or C(green).
  type: str
  returned: success
summary:
  description: One line for a person, with URL, health and release.
  type: str
  returned: success
removed:
  description: Ids of the releases that were removed because there were more than are kept.
  type: list
  elements: str
  returned: success
seconds:
  description: Duration of each step, in seconds.
  type: dict
  returned: success
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils import switching
from ansible_collections.grove.wsgi.plugins.module_utils.app_folder import COLOURS, AppFolder, FolderError


def app_of(record: dict[str, Any], program: str) -> switching.App:
    """Translate a completed record."""
    door_address, _, door_port = record["door"].rpartition(":")
    address = "127.0.0.1" if record["address"] == "*" else record["address"].strip("[]")
    return switching.App(
        folder=AppFolder(record["name"], Path(record["folder"])),
        account=record["account"],
        processes=int(record["processes"]),
        health_path=record["health_path"],
        start_timeout=int(record["start_timeout"]),
        front=switching.Place(address, int(record["port"]), record["server_name"] or address, record["tls"] != "off"),
        doors={colour: switching.Place(door_address, int(door_port), record["doors"][colour]) for colour in COLOURS},
        program=program,
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "release": {"type": "str", "required": True},
            "keep": {"type": "int", "default": 3},
            "program": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    record = module.params["record"]
    app = app_of(record, module.params["program"])
    removed: list[str] = []
    try:
        live = app.folder.live()
        before = app.folder.release_of(live) if live else None
        if module.check_mode and app.folder.describe(module.params["release"]) is None:
            outcome = switching.Outcome(True, live or COLOURS[0], {})
        else:
            with app.folder.locked():
                outcome = switching.bring_live(app, module.params["release"], dry=module.check_mode)
                if outcome.changed and not module.check_mode:
                    removed = app.folder.prune(module.params["keep"])
    except (switching.SwitchError, FolderError, OSError) as error:
        module.fail_json(msg=f"record {record['name']}: {error}")
    diff = {}
    if outcome.changed:
        diff = {"before": f"live: {before}\n" if before else "", "after": f"live: {module.params['release']}\n"}
    module.exit_json(
        changed=outcome.changed,
        live=outcome.live,
        removed=removed,
        seconds=outcome.seconds,
        summary=f"{record['name']}: {record['url']} is healthy, release {module.params['release']} in {outcome.live}",
        diff=diff,
    )


if __name__ == "__main__":
    main()
