"""The live slots of a host before and after a restart of Apache in another sandbox."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.pauses import pauses
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Answer, ask


@dataclass(frozen=True)
class Survivors:
    """The applications whose live slots answered 200 through their doors at one moment, with these slots' colours."""

    live: tuple[tuple[App, str], ...]

    @classmethod
    def below(cls, base: Path) -> Survivors:
        """Ask every application that was deployed below ``base``."""
        live = []
        for name in app_file.names(base):
            with contextlib.suppress(FolderError, OSError):
                app, _ = app_file.read(base, name)
                colour = app.folder.live()
                if colour is not None and _ask(app, colour).status == 200:
                    live.append((app, colour))
        return cls(tuple(live))

    def problems(self) -> list[str]:
        """Wait until each of them answers 200 again, for its ``start_timeout`` at most; return those that do not.

        A door that takes no connection is another Apache's concern: its address may have changed.
        """
        problems = []
        for app, colour in self.live:
            answer = Answer(0)
            for _ in pauses(app.start_timeout):
                answer = _ask(app, colour)
                if answer.status in (0, 200):
                    break
            if answer.status not in (0, 200):
                problems.append(f"record {app.folder.name}, key sandbox: {app.health_path} {answer}")
        return problems


def _ask(app: App, colour: str) -> Answer:
    return ask(app.doors[colour], app.health_path)
