"""Beginning and ending the work of one run of Ansible on applications, and on clusters of servers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain

NAME = re.compile(r"[a-z_][a-z0-9_-]*")
"""The name of an application, as the check of records takes it. It is also the name of its folder."""


CLUSTERS = Path("/var/lib/grove/clusters")
"""On a member of a cluster, the folder with a folder for each cluster, which has the lease and nothing else."""


class BlockedError(OperatorError):
    """Other runs are at work on applications or clusters; ``result`` has them as ``held``."""

    def __init__(self, message: str, held: Iterable[lease.Run]) -> None:
        super().__init__(message)
        self.result: dict[str, Any] = {"held": [asdict(run) for run in held]}


def cluster(group: str) -> AppFolder:
    """Return the folder with the lease of the cluster that the hosts of a group make."""
    return AppFolder(group, CLUSTERS / group)


def begin(folders: Collection[AppFolder], run: lease.Run | None, dead: Collection[lease.Run], *, dry: bool) -> None:
    """Take the lease of each application or cluster; runs in ``dead`` do not block. A dry run only looks.

    Raises BlockedError when another run has one of the leases, and FolderError.
    """
    for folder in folders:
        if not NAME.fullmatch(folder.name):
            raise FolderError(
                f"{folder.name!r} is no name of an application; it has lower-case letters, digits, - and _"
            )
    blocking = {folder.name: lease.blocking(folder, run, dead) for folder in folders}
    others = {name: other for name, other in blocking.items() if other is not None}
    if others:
        lines = [
            f"{_subject(folder)}: another {'run' if _is_cluster(folder) else 'deployment'} ({others[folder.name]}) is"
            " at work on it; wait for it to end"
            for folder in folders
            if folder.name in others
        ]
        raise BlockedError("\n".join(lines), others.values())
    for folder in folders if not dry else ():
        try:
            with folder.locked():
                lease.renew(folder, run, dead)
        except OSError as error:
            raise FolderError(f"{_subject(folder)}: {explain(error)}") from error


def end(folders: Collection[AppFolder], run: lease.Run | None, *, dry: bool) -> None:
    """Give up the leases that are the run's own."""
    for folder in folders if not dry else ():
        lease.end(folder, run)


def _is_cluster(folder: AppFolder) -> bool:
    return folder.path.parent == CLUSTERS


def _subject(folder: AppFolder) -> str:
    return f"cluster of the group {folder.name}" if _is_cluster(folder) else f"record {folder.name}"
