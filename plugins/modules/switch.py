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
  percent:
    description: The share of the requests that the release gets. With less than 100 the live release stays live.
    type: int
    default: 100
  cross_contract:
    description: Accept a release from before a contract.
    type: bool
    default: false
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease as deployment_lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.switching import served as served_app
from ansible_collections.grove.wsgi.plugins.module_utils.switching import traffic as switching


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "release": {"type": "str", "required": True},
            "keep": {"type": "int", "default": 3},
            "program": {"type": "str", "default": "apache2"},
            "percent": {"type": "int", "default": 100},
            "cross_contract": {"type": "bool", "default": False},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    record = module.params["record"]
    release, percent = module.params["release"], module.params["percent"]
    app = served_app.app_of(record, module.params["program"])
    run = deployment_lease.Run.of(module.params["run"])
    removed: list[str] = []
    try:
        live = app.folder.live()
        before = app.folder.release_of(live) if live else None
        if module.check_mode and app.folder.describe(release) is None:
            outcome = switching.Outcome(True, live or COLOURS[0], {})
        else:
            with app.folder.locked():
                deployment_lease.renew(app.folder, None if module.check_mode else run)
                if not module.check_mode:
                    served_app.note(record, module.params["program"])
                outcome = switching.bring_live(
                    app,
                    release,
                    dry=module.check_mode,
                    percent=percent,
                    cross_contract=module.params["cross_contract"],
                )
                if outcome.changed and not module.check_mode:
                    removed = app.folder.prune(module.params["keep"], history.never_good(history.read(app.folder)))
                    deployment_lease.renew(app.folder, run)
    except (switching.SwitchError, FolderError, OSError) as error:
        if not module.check_mode and not isinstance(error, FolderError):
            history.note_failure(app.folder, "refused", release, why=str(error), step="switch")
        deployment_lease.end(app.folder, run)
        module.fail_json(msg=f"record {record['name']}: {error}")
    diff = {}
    if outcome.changed:
        share = "live" if percent == 100 else f"{percent} %"
        diff = {"before": f"live: {before}\n" if before else "", "after": f"{share}: {release}\n"}
    summary = f"{record['name']}: {record['url']} is healthy, release {release} in {outcome.live}"
    if outcome.percent:
        live_release = app.folder.release_of(outcome.live)
        summary = f"{record['name']}: release {live_release} in {outcome.live}, {outcome.percent:g} % to the canary"
    if outcome.left:
        summary += f"; {outcome.left} requests were left in the old slot after {app.drain_timeout} s"
    module.exit_json(
        changed=outcome.changed,
        live=outcome.live,
        removed=removed,
        seconds=outcome.seconds,
        summary=summary,
        diff=diff,
    )


if __name__ == "__main__":
    main()
