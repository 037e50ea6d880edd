"""Run a hook of a release, if it is due."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hook
short_description: A release's prepare, migrate, contract or after hook has been run
description:
  - A release that was not healthy when it was built is tried again after its migration.
  - Runs the hook as the application's account in the release's environment, unless the application's history says that
    it was done for this release, or the release has none.
extends_documentation_fragment: grove.wsgi.record
options:
  what:
    description: Which hook.
    type: str
    choices: [prepare, migrate, contract, after]
    required: true
  lines:
    description: The names by which a host remembers the command lines of C(prepare).
    type: list
    elements: str
    default: []
  done_by:
    description: The host that has run it for all; here it is only noted.
    type: str
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

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Step, deployment_step
from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import account_of
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.release import hooks, prepared

ARGUMENTS: dict[str, dict[str, Any]] = {
    "record": {"type": "dict", "required": True},
    "release": {"type": "str", "required": True},
    "what": {"type": "str", "required": True, "choices": ["prepare", "migrate", "contract", "after"]},
    "lines": {"type": "list", "elements": "str", "default": []},
    "done_by": {"type": "str"},
    "run": {"type": "dict"},
}


def run_hook(params: dict[str, Any], *, dry: bool) -> dict[str, Any]:
    """Run the hook if it is due; return the module's result. Raises StepError."""
    record, release, what = params["record"], params["release"], params["what"]
    folder = AppFolder(record["name"], Path(record["folder"]))
    step = Step(folder, Run.of(params["run"]), what, release, failed="failed", dry=dry)
    with deployment_step(step):
        step.aftermath = lambda: hooks.aftermath(folder, release, what)
        if what == "prepare":
            # Also in check mode, which builds no release.
            due = bool(set(params["lines"]) - prepared.read(folder).keys())
        else:
            due = folder.describe(release) is not None and hooks.is_due(folder, release, what)
        result: dict[str, Any] = {"changed": due, "due": due}
        if due:
            result["diff"] = {"before": "", "after": f"{what} of release {release}\n"}
        if dry:
            return result
        if due and params["done_by"]:
            hooks.note(folder, release, what, by=params["done_by"])
        elif due:
            result |= hooks.run(folder, release, what, account_of(record["account"]))
        if what == "migrate" or (what == "prepare" and not hooks.lines_of(folder, release, "migrate")):
            hooks.try_after_migration(folder, release, account_of(record["account"]))
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: run_hook(module.params, dry=module.check_mode))


if __name__ == "__main__":
    main()
