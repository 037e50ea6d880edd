"""The capacity of this host: what its Apache, its applications and its database server can take, and what was used."""

from __future__ import annotations

import http.client
import os
import pwd
import re
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.capacity import configuration, database, limits, usage
from ansible_collections.grove.wsgi.plugins.module_utils.generation import memory, state, trees
from ansible_collections.grove.wsgi.plugins.module_utils.host import info, processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials, parent
from ansible_collections.grove.wsgi.plugins.module_utils.logs import places, reading
from ansible_collections.grove.wsgi.plugins.module_utils.status.presence import presence
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file, daemons, draining
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError

SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
STATUS_DOOR = "status.door"


def report(base: Path, start: float) -> dict[str, Any]:
    """Return machine, Apache, applications, use and database server of this host as plain data.

    ``base`` holds the applications' folders. Access logs are read from the moment ``start`` on. Sizes are in bytes.
    """
    found = [app_file.read(base, name) for name in app_file.names(base)]
    problems: list[str] = []
    if found:
        server_now = found[0][0].apache
        problems += filter(None, [parent.problem(server_now.pid_file, server_now.program)])
    program = found[0][0].apache.program if found else ""
    sites = places.SITES.get(program, places.SITES["apache2"])
    confs = configuration.CONFS.get(program, configuration.CONFS["apache2"])
    groups = configuration.groups(configuration.texts(sites, "*wsgi-*.conf"))
    server: dict[str, Any] = dict(configuration.server(configuration.texts(confs, "zz-grove-*.conf")))
    if found:
        server |= busy(found[0][1]["door"])
        try:
            server["handover"] = handover()
        except state.GenerationError as error:
            problems.append(str(error))
    host, requests = usage.Requests(), {app.folder.name: usage.Requests() for app, _ in found}
    _read_logs([app for app, _ in found], start, host, requests, problems)
    counted = database.connections(frozenset(uid for app, _ in found if (uid := user_id(app)) is not None))
    return {
        "machine": {"cores": os.cpu_count() or 1, "memory": info.memory() << 20, "somaxconn": _somaxconn()},
        "server": server if found else None,
        "apps": [
            {
                "state": presence(app),
                **_app(app, groups.get(app.folder.name)),
                "database_connections": counted[uid] if (uid := user_id(app)) is not None else 0,
                "used": requests[app.folder.name].summary(),
            }
            for app, _ in found
        ],
        "used": host.summary(),
        "since": start,
        "database": database.server(),
        "problems": problems,
    }


def handover(folder: Path = state.FOLDER) -> dict[str, int] | None:
    """Return what a handover of Apache takes: ``processes`` of applications, and bytes ``needed`` and ``available``.

    None on a host on which Apache's changes are reloads, or Apache does not run. Raises GenerationError.
    """
    settings = state.Settings.read(folder)
    live = state.live(settings) if settings else None
    pid = live.parent() if live else None
    if live is None or pid is None:
        return None
    slots = trees.processes_of(live)
    return {
        "processes": sum(slots.values()) * len(COLOURS),
        "needed": memory.needed(pid, slots, slots),
        "available": memory.available(pid),
    }


def user_id(app: App) -> int | None:
    """Return the number of an application's account; None when there is no such account."""
    try:
        return pwd.getpwnam(app.account).pw_uid
    except KeyError:
        return None


def busy(door: str) -> dict[str, Any]:
    """Return Apache's busy and idle workers and its open connections now; None where it does not say.

    ``door`` is the address of the doors, of which one shows Apache's status to root.
    """
    address, _, port = door.rpartition(":")
    numbers: dict[str, int] = {}
    connection = http.client.HTTPConnection(address.strip("[]"), int(port), timeout=limits.STATUS_SECONDS)
    try:
        # While Apache does not run, any account may listen on the port and wait for a credential.
        if not processes.listening_users(address.strip("[]"), int(port)) - {0}:
            headers = {"Host": STATUS_DOOR, credentials.HEADER: credentials.read()}
            connection.request("GET", "/?auto", headers=headers)
            answer = connection.getresponse().read().decode(errors="replace")
            numbers = {key: int(number) for key, number in re.findall(r"(?m)^(\w+): (\d+)$", answer)}
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return {
        "busy": numbers.get("BusyWorkers"),
        "idle": numbers.get("IdleWorkers"),
        "open": numbers.get("ConnsTotal"),
    }


def _app(app: App, group: configuration.Group | None) -> dict[str, Any]:
    """Return the numbers of an application; ``processes`` and ``threads`` are None where Apache has none of it."""
    problem = None
    try:
        live = app.folder.live()
        pids = daemons.by_slot(app)
        socket = daemons.socket_of(app, live) if live else None
    except (FolderError, SwitchError) as error:
        live, pids, socket, problem = None, {}, None, str(error)
    own = sorted(pids.get(live, ())) if live else []
    others = sorted(pid for colour, those in pids.items() if colour != live for pid in those)
    return {
        "app": app.folder.name,
        "processes": group.processes if group else None,
        "threads": group.threads if group else None,
        "options": dict(group.options) if group else {},
        "running": len(own),
        "under_way": draining.in_flight(socket) if socket else None,
        "memory": sum(map(processes.resident, own)),
        "memory_peak": sum(map(processes.resident_peak, own)),
        "memory_idle": sum(map(processes.resident, others)),
        "problem": problem,
    }


def _read_logs(
    apps: list[App], start: float, host: usage.Requests, requests: dict[str, usage.Requests], problems: list[str]
) -> None:
    """Read each access log once; applications of one VirtualHost share one."""
    owners: dict[Path, str | None] = {}
    for app in apps:
        place = places.places(app.folder, app.apache.program)
        owners.setdefault(place.access, None)
        if place.is_own:
            owners[place.access] = app.folder.name
    for path, owner in owners.items():
        usage.read(reading.lines(path, start, problems), start, owner, host, requests)


def _somaxconn() -> int | None:
    try:
        return int(SOMAXCONN.read_text())
    except (OSError, ValueError):
        return None
