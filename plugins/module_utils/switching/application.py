"""What switching knows of an application."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Answer, Place


@dataclass(frozen=True)
class Apache:
    """The Apache of this host: its program's name in the process table, and the file with its parent's process id."""

    program: str
    pid_file: Path


@dataclass(frozen=True)
class App:
    """An application as switching sees it; times are in seconds.

    ``front`` is where clients reach it, and ``doors`` where each slot is reached from this host. A request for
    ``health_path`` to either is answered with one of ``statuses`` when the application is well.
    """

    folder: AppFolder
    account: str
    processes: int
    health_path: str
    start_timeout: int
    front: Place
    doors: dict[str, Place]
    apache: Apache
    idle: str = "cold"
    drain_timeout: int = 60
    statuses: tuple[int, ...] = (200,)

    def is_well(self, answer: Answer) -> bool:
        """Return whether an answer to the health request has a status of an application that is well."""
        return answer.status in self.statuses

    @property
    def expected(self) -> str:
        """The statuses as text for the operator."""
        return " or ".join(map(str, self.statuses))

    @property
    def preloads(self) -> set[str]:
        """The colours whose processes load the release when they start, live or not."""
        return set(COLOURS) if self.idle == "warm" else set()
