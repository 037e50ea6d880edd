"""Beginning and ending the deployment of applications by one run of Ansible."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain

NAME = re.compile(r"[a-z_][a-z0-9_-]*")
"""The name of an application, as the check of records takes it. It is also the name of its folder."""


class BlockedError(OperatorError):
    """Other runs are at work on applications; ``result`` has them as ``held``."""

    def __init__(self, message: str, held: Iterable[lease.Run]) -> None:
        super().__init__(message)
        self.result: dict[str, Any] = {"held": [asdict(run) for run in held]}


def begin(folders: Collection[AppFolder], run: lease.Run | None, dead: Collection[lease.Run], *, dry: bool) -> None:
    """Take the lease of each application; runs in ``dead`` do not block. A dry run only looks.

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
            f"record {name}: another deployment ({other}) is at work on it; wait for it to end"
            for name, other in others.items()
        ]
        raise BlockedError("\n".join(lines), others.values())
    for folder in folders if not dry else ():
        try:
            with folder.locked():
                lease.renew(folder, run, dead)
        except OSError as error:
            raise FolderError(f"record {folder.name}: {explain(error)}") from error


def end(folders: Collection[AppFolder], run: lease.Run | None, *, dry: bool) -> None:
    """Give up the leases that are the run's own."""
    for folder in folders if not dry else ():
        lease.end(folder, run)
