"""The generations of a host: which there are, which one is live, and which ones run.

A generation is one complete Apache with a configuration tree of its own, a copy of Apache's tree. Its number names the
tree, and in Apache's run folder the file with the parent's process id and the mark that it is leaving. The link
``live`` in the folder of the trees names the live generation and survives reboots. Apache's usual file with the
parent's process id is a link to that of the live generation, so that everybody who reads it means the live one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_link
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

FOLDER = Path("/var/lib/grove/httpd")
LOCK = Path("/run/grove/httpd-handover.lock")
SETTINGS = "settings.json"
LIVE = "live"


class GenerationError(OperatorError):
    """A generation cannot be started, or a handover was refused; the message says what stands in the way."""


@dataclass(frozen=True)
class Settings:
    """What a handover needs to know of a host.

    base: the folder of the applications. door: address and port of the doors. own_doors: two further addresses with
    ports; a generation has the doors at one of them, too, and the next generation at the other one. drain_timeout:
    seconds for which a generation that is leaving may answer requests. folder: where the trees are.
    """

    layout: Layout
    base: Path
    door: str
    own_doors: tuple[str, str]
    drain_timeout: float = 90.0
    folder: Path = FOLDER

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Settings | None:
        """Read the settings that the role has written; None where Apache's changes are reloads.

        Raises GenerationError when the file cannot be used.
        """
        path = folder / SETTINGS
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            first, second = values["own_doors"]
            return cls(
                layout=Layout.of(values["layout"]),
                base=Path(values["base"]),
                door=str(values["door"]),
                own_doors=(str(first), str(second)),
                drain_timeout=float(values["drain_timeout"]),
                folder=folder,
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"{path} cannot be read ({type(error).__name__}: {error}); ./grove site writes it again"
            raise GenerationError(problem) from error

    @property
    def run_folder(self) -> Path:
        """Where the generations' process ids and marks are."""
        return Path(self.layout.pid_file).parent


@dataclass(frozen=True)
class Generation:
    """One generation of a host, by its number."""

    settings: Settings
    number: int

    def __str__(self) -> str:
        return f"generation {self.number}"

    @property
    def tree(self) -> Path:
        """Its configuration tree."""
        return self.settings.folder / str(self.number)

    @property
    def applied(self) -> Path:
        """What was noted as written when the tree was copied (see ``httpd.loaded``)."""
        return self.settings.folder / f"{self.number}.applied.json"

    @property
    def pid_file(self) -> Path:
        return self.settings.run_folder / f"generation-{self.number}.pid"

    @property
    def leaving(self) -> Path:
        """While this file exists, every answer of the generation closes its connection."""
        return self.settings.run_folder / f"generation-{self.number}.leaving"

    @property
    def door(self) -> tuple[str, int]:
        """Address and port at which this generation alone is reached."""
        address, _, port = self.settings.own_doors[self.number % 2].rpartition(":")
        return address.strip("[]"), int(port)

    def parent(self) -> int | None:
        """Return the process id of its parent; None when it does not run."""
        pid = parent.find(self.pid_file, self.settings.layout.program)
        # A process that has ended stays in the table until its own parent has asked; it has no command line any more.
        return pid if pid is not None and processes.command_line(pid) else None


def every(settings: Settings) -> list[Generation]:
    """Return the generations that have a tree or a running parent, by number."""
    numbers = {int(path.name) for path in settings.folder.glob("[0-9]*") if path.name.isdigit()}
    for path in settings.run_folder.glob("generation-*.pid"):
        number = path.stem.partition("-")[2]
        numbers |= {int(number)} if number.isdigit() else set()
    return [Generation(settings, number) for number in sorted(numbers)]


def running(settings: Settings) -> list[Generation]:
    """Return the generations that run, by number."""
    return [one for one in every(settings) if one.parent() is not None]


def live(settings: Settings) -> Generation | None:
    """Return the generation that was made live last; None where there was none yet."""
    try:
        target = os.readlink(settings.folder / LIVE)
    except OSError:
        return None
    return Generation(settings, int(target)) if target.isdigit() else None


def make_live(generation: Generation) -> None:
    """Let the generation be the one that starts at boot, and that everybody means who looks for Apache's parent."""
    settings = generation.settings
    replace_link(settings.folder / LIVE, str(generation.number))
    show_parent(generation)


def show_parent(generation: Generation) -> None:
    """Let Apache's usual file with the parent's process id be that of this generation."""
    path = Path(generation.settings.layout.pid_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_link(path, generation.pid_file.name)


@contextlib.contextmanager
def no_handover(*, alone: bool = False, path: Path = LOCK) -> Iterator[None]:
    """Keep a handover from giving traffic to another generation meanwhile. ``alone`` is for the handover itself.

    Releases are switched in the processes of one generation. Those that leave or start keep the releases that they had.
    On a host without generations there is nothing to keep away.
    """
    if not (FOLDER / SETTINGS).exists() and not alone:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as stream:
        # Whoever can open the file can hold the lock.
        os.fchmod(stream.fileno(), 0o600)
        fcntl.flock(stream, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
