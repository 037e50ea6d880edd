"""The live slots of a host before and after a restart of Apache in another sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.pauses import pauses
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Answer, ask

FAILURE = 500
"""The status from which an application, or Apache in its place, says that it cannot answer."""


@dataclass(frozen=True)
class Survivors:
    """The applications whose live slots were well through their doors at one moment, with these slots' colours."""

    live: tuple[tuple[App, str], ...]

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Survivors:
        """Ask the applications with these folders; one that was not deployed yet does not count."""
        live = []
        for folder in folders:
            with contextlib.suppress(FolderError, OSError):
                app, _ = app_file.read(folder.parent, folder.name)
                colour = app.folder.live()
                if colour is not None and app.is_well(_ask(app, colour)):
                    live.append((app, colour))
        return cls(tuple(live))

    def problems(self) -> list[str]:
        """Wait until none of them fails, for its ``start_timeout`` at most; return those that do.

        A failure is a status of 500 or more. The same restart may have changed the door's address or the path.
        """
        problems = []
        for app, colour in self.live:
            answer = Answer(0)
            for _ in pauses(app.start_timeout):
                answer = _ask(app, colour)
                if answer.status < FAILURE:
                    break
            if answer.status >= FAILURE:
                problems.append(f"record {app.folder.name}, key sandbox: {app.health_path} {answer}")
        return problems


def _ask(app: App, colour: str) -> Answer:
    return ask(app.doors[colour], app.health_path)
