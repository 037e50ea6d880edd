"""The deployment step ``switch`` of applications whose release is live already: they answer, and hooks that are due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import deployment, lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import StepError
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.release import hooks
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.handover import Handover


def verify(handovers: Sequence[Handover], switched: Collection[str]) -> dict[str, Any]:
    """Carry out the handovers of applications that are not in ``switched``; return the module's result.

    Every application is verified, whatever happens to others. Raises StepError with the messages of all that failed.
    """
    outcomes: dict[str, dict[str, Any]] = {}
    problems = []
    for handover in handovers:
        name = str(handover.record["name"])
        if name in switched:
            continue
        try:
            outcomes[name] = handover.carry_out()
        except StepError as error:
            problems.append(str(error))
    if problems:
        raise StepError("\n".join(problems))
    changed = {name: outcome for name, outcome in outcomes.items() if outcome["changed"]}
    return {
        "changed": bool(changed),
        "summaries": {name: outcome["summary"] for name, outcome in outcomes.items()},
        "after": after_due(handovers, switched),
        "diff": [outcome["diff"] for outcome in changed.values()],
    }


def after_due(handovers: Sequence[Handover], switched: Collection[str]) -> list[str]:
    """Return the names of the applications whose hook ``after`` is due; the run has switched those in ``switched``."""
    return [str(one.record["name"]) for one in handovers if _is_after_due(one, switched)]


def end_deployment(end: Mapping[str, Any], due: Collection[str], run: lease.Run | None, *, dry: bool) -> bool:
    """End the deployment of a run, unless one of its steps follows; return whether it was ended.

    ``end`` has the names ``apps``, the folder ``base`` above theirs, and in ``after`` the names of those with a hook of
    this name; it is empty where further steps follow. ``due`` are the applications whose hook is due.
    """
    if not end or {*due} & {*end["after"]}:
        return False
    folders = [AppFolder(name, Path(end["base"], name)) for name in end["apps"]]
    deployment.end(folders, run, dry=dry)
    return True


def _is_after_due(handover: Handover, switched: Collection[str]) -> bool:
    folder = app_file.app_of(handover.record, handover.apache).folder
    try:
        if handover.record["name"] in switched and not hooks.follows_migrations(folder, handover.release):
            return True
        return folder.describe(handover.release) is not None and hooks.is_due(folder, handover.release, "after")
    except (OperatorError, OSError):
        # The step itself reports what is wrong, and notes it in the application's history.
        return True
