"""The progress of a copy from one store to another, in a file. Only one process at a time may hold it."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from telemetry.errors import TelemetryError

CREDENTIALS = re.compile(r"//[^@/]*@")
Urls = Mapping[str, str]


def without_credentials(urls: Urls) -> dict[str, str]:
    """Return URLs by purpose without their user names and passwords."""
    return {purpose: CREDENTIALS.sub("//", url) for purpose, url in urls.items()}


def file_name(source: Urls, target: Urls) -> str:
    """Return the name of the file for a copy. Each pair of source and target has another name."""
    pair = json.dumps([without_credentials(source), without_credentials(target)], sort_keys=True)
    return f"migration-{hashlib.sha256(pair.encode()).hexdigest()[:12]}.json"


class Progress:
    """How far a copy has come.

    `markers` are the places in the lists of the source, by kind of object. `alarms` and `notifications` are the ids of
    those that were copied.
    """

    def __init__(self, path: Path, source: Urls, target: Urls) -> None:
        self.path = path
        self._pair = {"source": without_credentials(source), "target": without_credentials(target)}
        self.markers: dict[str, str] = {}
        self.alarms: set[str] = set()
        self.notifications: set[str] = set()
        self.exists = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Read the file, and keep other processes from it. Raises TelemetryError if another one has it."""
        try:
            lock = open(f"{self.path}.lock", "a")  # noqa: SIM115
        except OSError as error:
            raise TelemetryError(f"The progress cannot be kept in {self.path}: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TelemetryError(f"Another process is copying: it holds {self.path}.lock") from None
            self._read()
            yield

    def _read(self) -> None:
        try:
            stored: Any = json.loads(self.path.read_text())
        except FileNotFoundError:
            return
        except ValueError as error:
            raise TelemetryError(f"{self.path} is no file with the progress of a copy: {error}") from error
        if not isinstance(stored, dict) or {key: stored.get(key) for key in self._pair} != self._pair:
            raise TelemetryError(f"{self.path} has the progress of a copy between other databases")
        self.markers, self.alarms, self.exists = dict(stored["markers"]), set(stored["alarms"]), True
        # Earlier versions copied no notifications.
        self.notifications = set(stored.get("notifications", ()))

    def save(self) -> None:
        """Write the file. After a crash, it has the old or the new content."""
        copied = {"alarms": sorted(self.alarms), "notifications": sorted(self.notifications)}
        content = {**self._pair, "markers": self.markers, **copied}
        temporary = self.path.with_name(f"{self.path.name}.new")
        with open(temporary, "w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        self.exists = True
