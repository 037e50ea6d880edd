"""The deployment step ``build``: a release is there, and the application's folder names it."""

from __future__ import annotations

import json
import pwd
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, make_account_folder
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.app.served_folder import serve_folder
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Step, deployment_step
from ansible_collections.grove.wsgi.plugins.module_utils.release import building, publishing
from ansible_collections.grove.wsgi.plugins.module_utils.release.virtualenvs import Tools


def text_of(inputs: dict[str, Any]) -> str:
    """Return what went into a release as text for a diff."""
    return json.dumps(inputs, indent=2, sort_keys=True) + "\n"


def make_writable(account_name: str, paths: list[str], mode: int, *, dry: bool) -> bool:
    """Make folders of the account, with the permissions ``mode``; return whether that changed any."""
    try:
        account = pwd.getpwnam(account_name)
    except KeyError:
        account = None
    changes = [make_account_folder(Path(path), account, mode, dry=dry) for path in paths]
    return any(changes)


def serve_folders(account_name: str, folders: list[dict[str, str]], *, dry: bool) -> bool:
    """Let Apache read folders, each with ``state``, which it is below, and ``path``; return whether one changed."""
    try:
        account = pwd.getpwnam(account_name)
    except KeyError:
        account = None
    changes = [serve_folder(Path(one["state"]), Path(one["path"]), account, dry=dry) for one in folders]
    return any(changes)


def build(folder: AppFolder, params: dict[str, Any]) -> dict[str, float]:
    """Build the release from the payload, and note it; return the seconds of each step."""
    tools = Tools(uv=params["uv"], wheelhouse=params["wheelhouse"])
    payload, software = Path(params["payload"]), Path(params["software"]) if params["software"] else None
    seconds = building.build(folder, params["release"], params["account"], payload, tools, software)
    result = (folder.describe(params["release"]) or {}).get("before_migration")
    history.append(folder, "built", params["release"], seconds=seconds, why=result)
    return seconds


def provide_release(params: dict[str, Any], *, dry: bool) -> dict[str, Any]:
    """Build the release unless it is there, and let the application's folder name it; return the module's result.

    ``params`` are the arguments of the module ``release``. Without a payload, and in a dry run, nothing is built.
    Raises StepError.
    """
    folder, release = AppFolder(params["name"], Path(params["folder"])), params["release"]
    step = Step(folder, Run.of(params["run"]), "build", release, dry=dry)
    result: dict[str, Any] = {"changed": False, "release": release, "missing": False, "seconds": {}}
    with deployment_step(step):
        live = folder.live()
        former_release = folder.release_of(live) if live else None
        former = folder.describe(former_release) if former_release else None
        before, after = text_of(former.get("inputs", {})) if former else "", text_of(params["inputs"])
        if before != after:
            result["diff"] = {"before": before, "after": after}
        changes = [
            make_writable(params["account"], params["writable"], 0o750, dry=dry),
            make_writable(params["account"], params["private"], 0o700, dry=dry),
            serve_folders(params["account"], params["served"], dry=dry),
        ]
        if folder.describe(release) is None:
            if params["payload"] is None or dry:
                return {**result, "changed": True, "missing": True}
            result["seconds"] = build(folder, params)
            changes.append(True)
        changes += [
            publishing.point_first(folder, release, params["account"], dry=dry),
            publishing.write_scripts(folder, release, params["slot_wsgi"], params["run_script"], dry=dry),
            publishing.preload(folder, warm=params["idle"] == "warm", dry=dry),
        ]
    return {**result, "changed": any(changes)}
