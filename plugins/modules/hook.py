"""Run a hook of a release, if it is due."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hook
short_description: A release's migration, contract or after hook has been run
description:
  - A release that was not well when it was built is tried again after its migration.
  - Runs the hook as the application's account in the release's environment, unless the application's history says that
    it was done for this release, or the release has none.
options:
  record:
    description: The serving part of the completed record, as M(grove.wsgi.check_records) returns it.
    type: dict
    required: true
  release:
    description: The release's id.
    type: str
    required: true
  what:
    description: Which hook.
    type: str
    choices: [migrate, contract, after]
    required: true
  done_by:
    description: The host that has run it for all; here it is only noted.
    type: str
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Migrate
  grove.wsgi.hook:
    record: "{{ record }}"
    release: 0123456789ab
    what: migrate
"""

RETURN = r"""
due:
  description: Whether the hook had to be run.
  type: bool
  returned: always
output:
  description: The last lines of what it printed.
  type: str
  returned: when it was run
"""

import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease as deployment_lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.release import hooks
from ansible_collections.grove.wsgi.plugins.module_utils.release import trial as release_trial


def state_of(folder: AppFolder, what: str, release: str) -> str:
    """Return what a failed hook has left as it was, and what not, in words for the operator."""
    live = folder.live()
    serving = folder.release_of(live) if live else None
    if what == "migrate" and serving != release:
        return (
            f"release {serving} serves on; done: release {release} is built and tried, and whatever the migration did"
            " before it failed; not done: starting the idle slot, the switch. Run again when the cause is gone"
        )
    if what == "migrate":
        return f"release {release} is the first one and was not started. Run again when the cause is gone"
    return f"release {release} is live and stays so; not done: the rest of this hook. Run again when the cause is gone"


def try_again(folder: AppFolder, release: str, account: str) -> None:
    """Try a release that was not well before its migration. Raises HookError when it still is not."""
    described = folder.describe(release) or {}
    if "trial" not in described or history.last_made_live(history.read(folder), release) is not None:
        return
    trial = release_trial.Trial(**described["trial"])
    verdict = release_trial.try_out(folder.release(release), trial, pwd.getpwnam(account))
    if not verdict.well:
        raise hooks.HookError(
            "the release does not work after its migration either: as the application's account, outside Apache, it was"
            f" loaded and asked for {trial.health}:\n{verdict.said}"
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "release": {"type": "str", "required": True},
            "what": {"type": "str", "required": True, "choices": ["migrate", "contract", "after"]},
            "done_by": {"type": "str"},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    record, release, what = (module.params[key] for key in ("record", "release", "what"))
    folder = AppFolder(record["name"], Path(record["folder"]))
    run = deployment_lease.Run.of(module.params["run"])
    result: dict[str, Any] = {"changed": False, "due": False}
    try:
        if folder.describe(release) is None or not hooks.is_due(folder, release, what):
            if what == "migrate" and not module.check_mode:
                try_again(folder, release, record["account"])
            module.exit_json(**result)
        result |= {"changed": True, "due": True, "diff": {"before": "", "after": f"{what} of release {release}\n"}}
        if not module.check_mode:
            with folder.locked():
                deployment_lease.renew(folder, run)
                if module.params["done_by"]:
                    history.append(folder, hooks.DONE[what], release, by=module.params["done_by"])
                else:
                    result |= hooks.run(folder, release, what, pwd.getpwnam(record["account"]))
                if what == "migrate":
                    try_again(folder, release, record["account"])
                deployment_lease.renew(folder, run)
    except hooks.HookError as error:
        history.note_failure(folder, "failed", release, why=f"{error}"[:2000], step=what)
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {record['name']}: {error}\n{state_of(folder, what, release)}")
    except (FolderError, OSError, KeyError) as error:
        module.fail_json(msg=f"record {record['name']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
