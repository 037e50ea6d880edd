"""What happened to an application on this host: one line of JSON an event, in the order of time.

An event has ``at`` (UTC), ``what`` (see ``WHATS``), ``release``, and where they apply ``from`` (the release that was
live before), ``why``, ``seconds`` and ``by``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text

NAME = "history.jsonl"
LONGEST = 1000
KEPT = 500

MADE_LIVE = frozenset({"deployed", "switched", "rolled_back"})
# Later runs decide by these, so they outlive the rest.
DECISIVE = MADE_LIVE | {"migrated", "contracted", "after"}
WHATS = DECISIVE | {"built", "refused", "failed", "canary", "canary_withdrawn"}

Event = dict[str, Any]


def read(folder: AppFolder) -> list[Event]:
    """Return all events, the oldest first; a line that a crash has cut off is left out."""
    try:
        lines = (folder.path / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    events = []
    for line in lines:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "what" in event:
                events.append(event)
    return events


def append(folder: AppFolder, what: str, release: str, **more: Any) -> Event:
    """Note an event; it is on the disk when this returns.

    Raises OSError, as on a full disk, and ValueError for an unknown ``what``.
    """
    if what not in WHATS:
        raise ValueError(what)
    event: Event = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "what": what, "release": release}
    event |= {key: value for key, value in more.items() if value not in (None, "", {})}
    path = folder.path / NAME
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        line = json.dumps(event, ensure_ascii=False) + "\n"
        # A line that a crash has cut off would take this one with it.
        if os.fstat(handle).st_size and not path.read_bytes().endswith(b"\n"):
            line = "\n" + line
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    events = read(folder)
    if len(events) > LONGEST:
        older = [event for event in events[:-KEPT] if event["what"] in DECISIVE][-KEPT // 2 :]
        lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in [*older, *events[-KEPT:]])
        replace_text(path, lines, mode=0o640)
    return event


def note_failure(folder: AppFolder, what: str, release: str, **more: Any) -> None:
    """Note an event on the way to reporting a failure, which must not be hidden by one of writing."""
    with contextlib.suppress(OSError):
        append(folder, what, release, **more)


def last_made_live(events: Iterable[Mapping[str, Any]], release: str | None = None) -> Mapping[str, Any] | None:
    """Return the newest event that put a release (or the given one) live."""
    wanted = [event for event in events if event["what"] in MADE_LIVE and release in (None, event.get("release"))]
    return wanted[-1] if wanted else None


def has_served(folder: AppFolder, events: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a release of the application was ever verified while it had the traffic.

    The map alone does not tell: Apache needs one from the first deployment on. A host that lost its history counts as
    one that has served.
    """
    return not folder.is_unverified() or last_made_live(events) is not None


def is_migrated(events: Iterable[Mapping[str, Any]], release: str) -> bool:
    """Return whether the release's migration was run to its end."""
    return any(event["what"] == "migrated" and event.get("release") == release for event in events)


def is_contracted(events: Iterable[Mapping[str, Any]], release: str) -> bool:
    """Return whether the release's contract was run to its end."""
    return any(event["what"] == "contracted" and event.get("release") == release for event in events)


def is_after_due(events: list[Event], release: str) -> bool:
    """Return whether the release went live by a deployment, and its hook ``after`` has not been run since."""
    live = [number for number, event in enumerate(events) if event["what"] in MADE_LIVE]
    if not live or events[live[-1]].get("release") != release or events[live[-1]]["what"] == "rolled_back":
        return False
    return not any(event["what"] == "after" and event.get("release") == release for event in events[live[-1] :])


def never_good(events: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the releases that were refused when they were last tried, and have never had traffic."""
    last: dict[str, str] = {}
    served: set[str] = set()
    for event in events:
        if event["what"] in MADE_LIVE | {"canary"}:
            served |= {str(event[key]) for key in ("from", "release") if key in event}
        elif event["what"] in ("built", "refused"):
            last[str(event["release"])] = event["what"]
    return {release for release, what in last.items() if what == "refused"} - served


def contract_between(events: list[Event], target: str) -> Event | None:
    """Return the newest contract of another release that was run after ``target`` was last made live.

    What ``target`` needs may have been removed by it. None when there is none, or ``target`` was never live here.
    """
    live = [
        number
        for number, event in enumerate(events)
        if event["what"] in MADE_LIVE and target in (event.get("release"), event.get("from"))
    ]
    if not live:
        return None
    crossed = [
        event for event in events[live[-1] :] if event["what"] == "contracted" and event.get("release") != target
    ]
    return crossed[-1] if crossed else None


def previous(folder: AppFolder, events: list[Event]) -> str | None:
    """Return the release to go back to: the idle slot's if it has been live, else the newest that was and is there."""
    colour = folder.live()
    if colour is None:
        return None
    live = folder.release_of(colour)
    idle = folder.release_of("green" if colour == "blue" else "blue")
    been_live = [
        str(event[key]) for event in events if event["what"] in MADE_LIVE for key in ("from", "release") if key in event
    ]
    if idle not in (None, live) and folder.describe(str(idle)) is not None and (idle in been_live or not been_live):
        return idle
    return next(
        (release for release in reversed(been_live) if release != live and folder.describe(release) is not None), None
    )
