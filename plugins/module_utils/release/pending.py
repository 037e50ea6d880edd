"""Comparing the plan of a deployment with the host: which applications each step has work for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.release import hooks
from ansible_collections.grove.wsgi.plugins.module_utils.release.providing import provide_release


def pending(applications: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the names of the applications that the steps ``build``, ``migrate`` and ``switch`` have work for.

    ``missing`` are those whose release is not there. Each application is a dictionary with the arguments of the module
    ``release``. Nothing is changed.
    """
    work: dict[str, list[str]] = {step: [] for step in STEPS}
    for params in applications:
        folder, release = AppFolder(params["name"], Path(params["folder"])), params["release"]
        for step, is_due in STEPS.items():
            try:
                due = is_due(folder, release, params)
            except (OperatorError, OSError):
                # The step itself reports what is wrong, and notes it in the application's history.
                due = True
            if due:
                work[step].append(folder.name)
    return work


def _has_to_build(_folder: AppFolder, _release: str, params: dict[str, Any]) -> bool:
    return bool(provide_release({**params, "payload": None}, dry=True)["changed"])


def _is_missing(folder: AppFolder, release: str, _params: dict[str, Any]) -> bool:
    return folder.describe(release) is None


def _has_to_migrate(folder: AppFolder, release: str, _params: dict[str, Any]) -> bool:
    if folder.describe(release) is None:
        return True
    is_due = any(hooks.is_due(folder, release, hook) for hook in ("prepare", "migrate"))
    return is_due or hooks.awaits_trial(folder, release)


def _has_to_switch(folder: AppFolder, release: str, _params: dict[str, Any]) -> bool:
    live = folder.live()
    return live is None or folder.release_of(live) != release or folder.describe(release) is None


STEPS = {"build": _has_to_build, "missing": _is_missing, "migrate": _has_to_migrate, "switch": _has_to_switch}
