"""The lease of an application: a note in its folder that says which run of Ansible is at work on it.

``AppFolder.locked`` keeps other processes away while one module works. The lease keeps other runs away between the
modules of a run, and ends with the run. A run that was killed leaves its lease behind. A later run from the same
controller sees that the process is gone, and takes the lease over. A run from another controller has to wait until
the lease has not been renewed for ``LEASE_SECONDS``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import limits
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text

NAME = "deployment.json"


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook: the controller's name, its process there, when that started, and who called it."""

    controller: str
    pid: int
    started: str
    user: str

    @classmethod
    def of(cls, values: dict[str, Any] | None) -> Run | None:
        """Take a run out of a module's argument; None where there is none."""
        if not values:
            return None
        return cls(str(values["controller"]), int(values["pid"]), str(values["started"]), str(values["user"]))

    def __str__(self) -> str:
        return f"{self.user} on {self.controller}, process {self.pid}, started {self.started}"


def holder(folder: AppFolder) -> tuple[Run, float] | None:
    """Return the run at work and the time of its last sign of life (seconds since the epoch)."""
    try:
        content = json.loads((folder.path / NAME).read_text())
        run = Run.of(content["run"])
        return (run, float(content["renewed"])) if run else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_own(folder: AppFolder, run: Run | None) -> bool:
    """Return whether ``run`` has the application's lease."""
    current = holder(folder)
    return run is not None and current is not None and current[0] == run


def blocking(folder: AppFolder, run: Run | None, dead: Collection[Run] = ()) -> Run | None:
    """Return the other run that is at work on the application; None when ``run`` may go on."""
    current = holder(folder)
    if current is None:
        return None
    other, renewed = current
    expired = time.time() - renewed > limits.LEASE_SECONDS
    return None if other == run or other in dead or expired else other


def renew(folder: AppFolder, run: Run | None, dead: Collection[Run] = ()) -> None:
    """Begin or renew the note of ``run``; call it with the application's lock held.

    Nothing is written without a run. Raises FolderError when another run is at work.
    """
    other = blocking(folder, run, dead)
    if other is not None:
        text = f"another deployment ({other}) is at work on {folder.name}; wait for it to end"
        raise FolderError(text)
    if run is not None:
        content = {"run": asdict(run), "renewed": time.time()}
        replace_text(folder.path / NAME, json.dumps(content) + "\n", mode=0o600)


def end(folder: AppFolder, run: Run | None) -> None:
    """Remove the note if it is the run's own."""
    if is_own(folder, run):
        (folder.path / NAME).unlink(missing_ok=True)
