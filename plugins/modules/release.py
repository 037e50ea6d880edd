"""Build a release of an application on its host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: A release of an application is there
description:
  - A release is an immutable folder with the virtualenv, the configuration and the entry of an application. Its id is a
    hash of all that went in, so that the same inputs are the same release.
  - In a playbook this is an action; it makes the archive of the inputs on the controller and transfers it only when the
    host does not have the release yet.
  - The release is built beside the others, loaded and asked for its health path as the application's account, and only
    then published. The first release of an application is put into both of its slots; a later one is handed traffic by
    M(grove.wsgi.switch).
options:
  record:
    description: The completed record, as M(grove.wsgi.check_records) returns it. Used by the action.
    type: dict
  app_environment:
    description: Environment variables of the application. Used by the action, and never sent as an argument.
    type: dict
  app_config:
    description: The record's files that are made of sections. Used by the action, and never sent as an argument.
    type: dict
  folder:
    description: The application's folder on the host.
    type: path
  name:
    description: The application's name.
    type: str
  release:
    description: The release's id.
    type: str
  inputs:
    description: Digests of all that went into the release.
    type: dict
  slot_wsgi:
    description: Content of the script that Apache loads.
    type: str
  run_script:
    description: Content of the program that runs a command in the live release's environment.
    type: str
  account:
    description: The application's account.
    type: str
  python:
    description: The Python of the virtualenv.
    type: path
  source_kind:
    description: One of C(folder), C(wheel), C(requirement) and C(vcs).
    type: str
  requirement:
    description: What is installed where the source is a requirement or a VCS address.
    type: str
  static:
    description: Folders that Apache serves, by URL path.
    type: dict
  script_name:
    description: The URL path below which the application is mounted.
    type: str
  health:
    description: The health path below it.
    type: str
  start_timeout:
    description: Seconds that the trial may take.
    type: int
  writable:
    description: The folders of the application's account, which are made where they are not there.
    type: list
    elements: path
    default: []
  uv:
    description: Path of uv on the host. It gets the task's environment.
    type: path
  wheelhouse:
    description: A folder of wheels on the host that is used instead of an index.
    type: str
    default: ""
  migrates:
    description: Whether the record has a migration, without which the health path may not answer yet.
    type: bool
    default: false
  expanded:
    description: Files of the release's C(etc) in which placeholders stand for folders.
    type: list
    elements: str
    default: []
  idle:
    description: C(warm) when the idle slot's processes load their release as they start.
    type: str
    default: cold
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
  payload:
    description: The archive of the inputs on the host. Without it nothing is built.
    type: path
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Build the release
  grove.wsgi.release:
    record: "{{ record }}"
"""

RETURN = r"""
release:
  description: The release's id.
  type: str
  returned: always
missing:
  description: Whether the release has still to be built; it was not, because there was no payload.
  type: bool
  returned: always
seconds:
  description: Duration of each step of the build, in seconds.
  type: dict
  returned: always
"""

import json
import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app import folder as app_folder
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease as deployment_lease
from ansible_collections.grove.wsgi.plugins.module_utils.host import files
from ansible_collections.grove.wsgi.plugins.module_utils.release import building as release_build

ARGUMENTS: dict[str, dict[str, Any]] = {
    "record": {"type": "dict"},
    "app_environment": {"type": "dict", "no_log": True},
    "app_config": {"type": "dict", "no_log": True},
    "folder": {"type": "path"},
    "name": {"type": "str"},
    "release": {"type": "str"},
    "inputs": {"type": "dict"},
    "slot_wsgi": {"type": "str"},
    "run_script": {"type": "str"},
    "account": {"type": "str"},
    "python": {"type": "path"},
    "source_kind": {"type": "str"},
    "requirement": {"type": "str"},
    "static": {"type": "dict"},
    "script_name": {"type": "str"},
    "health": {"type": "str"},
    "start_timeout": {"type": "int"},
    "writable": {"type": "list", "elements": "path", "default": []},
    "uv": {"type": "path"},
    "wheelhouse": {"type": "str", "default": ""},
    "migrates": {"type": "bool", "default": False},
    "expanded": {"type": "list", "elements": "str", "default": []},
    "idle": {"type": "str", "default": "cold"},
    "run": {"type": "dict"},
    "payload": {"type": "path"},
}


def inputs_of(folder: app_folder.AppFolder, identifier: str | None) -> str:
    """Return what went into a release as text for a diff; empty where there is none."""
    described = folder.describe(identifier) if identifier else None
    return json.dumps(described.get("inputs", {}), indent=2, sort_keys=True) + "\n" if described else ""


def build(module: AnsibleModule, folder: app_folder.AppFolder) -> dict[str, float]:
    """Build the release from the payload."""
    params = module.params
    plan = release_build.Plan(
        identifier=params["release"],
        account=params["account"],
        python=params["python"],
        source_kind=params["source_kind"],
        requirement=params["requirement"] or "",
        static=params["static"] or {},
        script_name=params["script_name"],
        health=params["health"],
        start_timeout=params["start_timeout"],
        payload=Path(params["payload"]),
        migrates=params["migrates"],
        expanded=tuple(params["expanded"]),
        places=dict(zip(("state", "logs"), params["writable"], strict=False)),
    )
    tools = release_build.Tools(uv=params["uv"], wheelhouse=params["wheelhouse"])
    return release_build.build(folder, plan, tools)


def give_folders(name: str, paths: list[str], *, dry: bool) -> bool:
    """Make the folders that the account of that name may write to; return whether that changed any."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        account = None
    changes = [app_folder.make_account_folder(Path(path), account, dry=dry) for path in paths]
    return any(changes)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    folder = app_folder.AppFolder(params["name"], Path(params["folder"]))
    run = deployment_lease.Run.of(params["run"])
    result: dict[str, Any] = {"changed": False, "release": params["release"], "missing": False, "seconds": {}}
    try:
        result["changed"] = give_folders(params["account"], params["writable"], dry=module.check_mode)
        live = folder.live()
        before = inputs_of(folder, folder.release_of(live) if live else None)
        after = json.dumps(params["inputs"], indent=2, sort_keys=True) + "\n"
        if folder.describe(params["release"]) is None:
            result["changed"] = True
            if params["payload"] is None or module.check_mode:
                result["missing"] = True
                module.exit_json(**result, diff={"before": before, "after": after})
            with folder.locked():
                deployment_lease.renew(folder, run)
                result["seconds"] = build(module, folder)
                warning = (folder.describe(params["release"]) or {}).get("warning")
                history.append(folder, "built", params["release"], seconds=result["seconds"], why=warning)
                deployment_lease.renew(folder, run)
            if warning:
                module.warn(f"record {params['name']}: {warning}")
        if live is None:
            result["changed"] = True
            if not module.check_mode:
                for colour in app_folder.COLOURS:
                    folder.point(colour, params["release"])
                folder.flip(app_folder.COLOURS[0])
        for name, content, mode in (("slot.wsgi", "slot_wsgi", 0o644), ("run", "run_script", 0o755)):
            script = folder.path / name
            if not script.exists() or script.read_text() != params[content]:
                result["changed"] = True
                if not module.check_mode:
                    files.replace_text(script, params[content], mode=mode)
        preloaded = set(app_folder.COLOURS) if params["idle"] == "warm" else set()
        if folder.preloaded() != preloaded:
            result["changed"] = True
            if not module.check_mode:
                folder.set_preloaded(preloaded)
    except release_build.BuildError as error:
        history.note_failure(folder, "refused", params["release"], why=str(error)[:2000], step="build")
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {params['name']}: {error}")
    except app_folder.FolderError as error:
        module.fail_json(msg=f"record {params['name']}: {error}")
    except OSError as error:
        history.note_failure(folder, "refused", params["release"], why=str(error), step="build")
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {params['name']}: {error}")
    if before != after:
        result["diff"] = {"before": before, "after": after}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
