"""Asking one generation through its own door: its status, and the applications in it."""

from __future__ import annotations

import dataclasses
import http.client
import re

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.generation import limits, trees
from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import Generation, Settings
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file, health
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import Apache, App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.pauses import pauses
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import ask

STATUS_HOST = "status.door"


def busy_workers(generation: Generation) -> int | None:
    """Return how many requests a generation has, without the one that asks; None when its door gives no status."""
    connection = http.client.HTTPConnection(*generation.door, timeout=limits.STATUS_SECONDS)
    headers = {"Host": STATUS_HOST, "Connection": "close", credentials.HEADER: credentials.read()}
    try:
        connection.request("GET", "/?auto", headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    match = re.search(r"(?m)^BusyWorkers: (\d+)$", text)
    return max(0, int(match.group(1)) - 1) if match and answer.status == http.HTTPStatus.OK else None


def served(settings: Settings, generation: Generation) -> list[tuple[App, str, str]]:
    """Return the applications that are well now and that the generation has, each with its live slot and release."""
    wanted = trees.processes_of(generation)
    well = []
    for name in app_file.names(settings.base):
        if name not in wanted:
            continue
        try:
            app, _ = app_file.read(settings.base, name)
            colour = app.folder.live()
        except FolderError:
            continue
        release = app.folder.release_of(colour) if colour else None
        if colour and release and app.is_well(ask(app.doors[colour], app.health_path)):
            well.append((app, colour, release))
    return well


def problems(settings: Settings, generation: Generation, expected: list[tuple[App, str, str]]) -> list[str]:
    """Wait until all processes of the expected applications answer through the generation's door; return what fails."""
    wanted = trees.processes_of(generation)
    found = []
    for app, colour, release in expected:
        name = app.folder.name
        asked = _through(settings, generation, app, wanted[name])
        if not health.all_healthy(asked, colour, release, pauses(app.start_timeout)):
            answer = ask(asked.doors[colour], app.health_path)
            text = f"{app.health_path} {answer}" if not app.is_well(answer) else "not all of its processes answer"
            if app.is_well(answer) and answer.release != release:
                text = f"{app.health_path} is answered by release {answer.release or '(none)'}, not {release}"
            found.append(f"app {name}: {text}, {app.start_timeout} s (start_timeout) after Apache's start")
    return found


def _through(settings: Settings, generation: Generation, app: App, processes: int) -> App:
    """Return the application as it is reached in one generation."""
    _, record = app_file.read(settings.base, app.folder.name)
    address, port = generation.door
    doors = {
        colour: dataclasses.replace(
            place,
            address=address,
            port=port,
            tls=False,
            host=record["doors"][colour],
            credential=credentials.read(),
        )
        for colour, place in app.doors.items()
    }
    apache = Apache(settings.layout.program, generation.pid_file)
    return dataclasses.replace(app, doors=doors, apache=apache, processes=processes)
