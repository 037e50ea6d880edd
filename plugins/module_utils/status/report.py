"""The state of an application on this host: slots, releases, processes, health, last events, and the disk it uses."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.agents import state as agent_state
from ansible_collections.grove.wsgi.plugins.module_utils.agents import units
from ansible_collections.grove.wsgi.plugins.module_utils.app import history, lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder, FolderError, other_than
from ansible_collections.grove.wsgi.plugins.module_utils.generation import state as generations
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent
from ansible_collections.grove.wsgi.plugins.module_utils.logs import ends, places, reading
from ansible_collections.grove.wsgi.plugins.module_utils.status import limits
from ansible_collections.grove.wsgi.plugins.module_utils.status.presence import presence
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED, REMOVED_TEXT
from ansible_collections.grove.wsgi.plugins.module_utils.switching import daemons
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import ask


def disk_used(path: Path) -> int:
    """Return the bytes of disk that a folder takes up, each file once however many names it has.

    A virtualenv of a large service has 30,000 files. du needs half of Python's time for them, in a process of its own.
    """
    # A file that goes away meanwhile is no failure.
    command = ["du", "--summarize", "--block-size=1", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    size = done.stdout.partition("\t")[0]
    return int(size) if size.isdigit() else 0


def reports(applications: Iterable[tuple[App, dict[str, Any]]], last: int = limits.EVENTS) -> list[dict[str, Any]]:
    """Return what ``report`` returns for each application and its record, in their order.

    They are looked at at the same time: most of a report is waiting for an answer, for systemd or for du.
    """
    with ThreadPoolExecutor(limits.AT_ONCE) as pool:
        return list(pool.map(lambda one: report(one[0], one[1], last), applications))


def report(app: App, record: dict[str, Any], last: int = limits.EVENTS) -> dict[str, Any]:
    """Return the application's state as plain data; ``last`` is how many events of its history are in it.

    Sizes are in bytes, times in UTC, ages in seconds. Values that cannot be told are None. ``state`` is that of
    ``presence``, and ``problem`` says what is wrong with the application. A removed application has no problem: it need
    not answer, and its address may be another one's. ``replaced`` are the files that Apache runs with although others
    were installed in their place, and ``hands_over`` is whether a reload takes those.
    """
    folder = app.folder
    events = history.read(folder)
    deployment = lease.blocking(folder, None)
    state: dict[str, Any] = {
        "app": folder.name,
        "state": presence(app),
        "url": record["url"],
        "problem": None,
        "live": None,
        "release": None,
        "canary_percent": 0.0,
        "idle_kind": app.idle,
        "slots": {},
        "releases": sorted(_releases(folder), key=lambda one: str(one["made_at"]), reverse=True),
        "previous": None,
        "agents": _agents(folder),
        "last_switch": history.last_made_live(events),
        "history": events[-last:] if last else [],
        "deployment": str(deployment) if deployment else None,
        "replaced": [],
        "hands_over": (generations.FOLDER / generations.SETTINGS).exists(),
        "ended": None,
        "disk_used": disk_used(folder.path),
    }
    if state["state"] == REMOVED:
        return {**state, "healthy": False, "health": REMOVED_TEXT}
    log = places.server_log(app.apache.program)
    lines = reading.lines(log, time.time() - limits.ENDS_SECONDS, [])
    state["ended"] = ends.by_signal(ends.ends(lines, folder.name))
    answer = ask(app.front, app.health_path, timeout=limits.REQUEST_SECONDS)
    state["healthy"], state["health"] = app.is_well(answer), str(answer)
    try:
        live = folder.live()
    except FolderError as error:
        return {**state, "problem": str(error)}
    if live is None:
        return {**state, "problem": "it was never deployed on this host"}
    try:
        pids = daemons.by_slot(app)
        stopped = parent.problem(app.apache.pid_file, app.apache.program)
        if stopped == parent.NOT_RUNNING and state["healthy"]:
            stopped += f"; another program answers at {record['url']}"
            state["healthy"], state["health"] = False, "another program answers"
        if stopped:
            state["problem"] = stopped
        elif state["healthy"] and not any(pids.values()):
            text = f"Apache has no process of {folder.name}; another application answers at {record['url']}"
            state["healthy"], state["health"], state["problem"] = False, "another application answers", text
    except SwitchError as error:
        pids, state["problem"] = {}, str(error)
    for colour in COLOURS:
        release = folder.release_of(colour)
        described = folder.describe(release) if release else None
        state["slots"][colour] = {
            "role": "live" if colour == live else "idle",
            "release": release,
            "complete": described is not None,
            "made_at": (described or {}).get("made_at"),
            "made_from": (described or {}).get("made_from"),
            "processes": [_process(pid) for pid in sorted(pids.get(colour, ()))],
        }
    serving = state["slots"][live]
    if not serving["complete"]:
        state["problem"] = f"slot {live} points to release {serving['release']}, which is not there or not complete"
    return {
        **state,
        "replaced": parent.replaced(app.apache.pid_file, app.apache.program),
        "live": live,
        "release": serving["release"],
        "made_at": serving["made_at"],
        "made_from": serving["made_from"],
        "idle_release": state["slots"][other_than(live)]["release"],
        "canary_percent": folder.canary_share(),
        "previous": history.previous(folder, events),
    }


def _releases(folder: AppFolder) -> list[dict[str, Any]]:
    if not folder.releases.is_dir():
        return []
    described = {path.name: folder.describe(path.name) for path in folder.releases.iterdir()}
    keys = ("made_at", "made_from", "before_migration")
    return [{"release": name, **{key: one.get(key) for key in keys}} for name, one in described.items() if one]


def _agents(folder: AppFolder) -> list[dict[str, Any]]:
    names = units.installed(folder.name)
    try:
        states = agent_state.states(folder.name, names)
    except units.AgentError as error:
        unknown = {"running": False, "release": None, "restarts": 0, "lease": None, "problem": str(error)}
        return [{"agent": name, **unknown} for name in names]
    return [
        {
            "agent": name,
            "running": now.active,
            "release": now.release,
            "restarts": now.restarts,
            "lease": {"word": now.lease.word, "host": now.lease.host} if now.lease else None,
            **(_process(pid) if (pid := (now.lease.pid if now.lease else 0) or now.pid) else {}),
        }
        for name, now in states.items()
    ]


def _process(pid: int) -> dict[str, Any]:
    return {
        "pid": pid,
        "age": max(0, round(time.time() - processes.start_clock(pid))),
        "memory": processes.resident(pid),
    }
