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

from ansible_collections.grove.wsgi.plugins.module_utils.app import limits
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, other_than
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text

NAME = "history.jsonl"

MADE_LIVE = frozenset({"deployed", "switched", "rolled_back"})
# Later runs decide by these events, which are therefore kept longer than the others.
DECISIVE = MADE_LIVE | {"migrated", "contracted", "after"}
NOT_YET_LIVE = frozenset({"built", "refused", "failed"})
WHATS = DECISIVE | NOT_YET_LIVE | {"prepared", "canary", "canary_withdrawn"}

Event = dict[str, Any]


def read(folder: AppFolder) -> list[Event]:
    """Return all events, the oldest first. A line that a crash has cut off is left out."""
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
        # Without a line end after a line that a crash has cut off, this line would be lost too.
        if os.fstat(handle).st_size and not path.read_bytes().endswith(b"\n"):
            line = "\n" + line
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    events = read(folder)
    if len(events) > limits.HISTORY_EVENTS:
        newest, older = events[-limits.HISTORY_KEPT :], events[: -limits.HISTORY_KEPT]
        decisive = [event for event in older if event["what"] in DECISIVE][-limits.HISTORY_DECISIVE_KEPT :]
        lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in [*decisive, *newest])
        replace_text(path, lines, mode=0o640)
    return event


def note_failure(folder: AppFolder, what: str, release: str, **more: Any) -> None:
    """Note an event on the way to reporting a failure; an OSError of the note must not hide that failure."""
    with contextlib.suppress(OSError):
        append(folder, what, release, **more)


def last_made_live(events: Iterable[Mapping[str, Any]], release: str | None = None) -> Mapping[str, Any] | None:
    """Return the newest event that made ``release`` (or any release) live; None when there is none."""
    made_live = [event for event in events if event["what"] in MADE_LIVE and release in (None, event.get("release"))]
    return made_live[-1] if made_live else None


def served(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the releases that were live and verified, in the order in which they became so; the last one is live.

    A release that was the first one of its application was live before it was verified. It has served if an event says
    that it was made live. It also has if an event says that the traffic was handed on from it, unless an event that is
    older says that it was built or refused: the history began before it, and would know.
    """
    releases: list[str] = []
    began_here: set[str] = set()
    for event in events:
        release, origin = event.get("release"), event.get("from")
        if event["what"] in MADE_LIVE:
            if origin and (origin in releases or origin not in began_here):
                releases.append(str(origin))
            releases.append(str(release))
        elif event["what"] in NOT_YET_LIVE:
            began_here.add(str(release))
    return releases


def has_served(events: list[Event], release: str) -> bool:
    """Return whether a release was ever live and verified.

    A history without a word of the release, and of any that served, began after its deployment: then it has.
    """
    releases = served(events)
    return release in releases or (not releases and not any(event.get("release") == release for event in events))


def serving(folder: AppFolder, events: list[Event] | None = None) -> str | None:
    """Return the release that serves: the live slot's, if it was ever verified. None before that."""
    live = folder.live()
    release = folder.release_of(live) if live else None
    events = read(folder) if events is None else events
    return release if release and has_served(events, release) else None


def is_migrated(events: Iterable[Mapping[str, Any]], release: str, migration: str | None = None) -> bool:
    """Return whether the release's migration was run to its end.

    ``migration`` is what several releases with the same migration share. Then the newest migration may be another's.
    """
    migrated = [event for event in events if event["what"] == "migrated"]
    if migration and migrated and migrated[-1].get("migration") == migration:
        return True
    return any(event.get("release") == release for event in migrated)


def is_contracted(events: Iterable[Mapping[str, Any]], release: str) -> bool:
    """Return whether the release's contract was run to its end."""
    return any(event["what"] == "contracted" and event.get("release") == release for event in events)


def is_after_due(events: list[Event], release: str, *, on_migration: bool = False) -> bool:
    """Return whether the release went live by a deployment, and its hook ``after`` has not been run since.

    With ``on_migration``, the hook is not due either if nothing has been migrated since that of any release was run.
    """
    whats = [event["what"] for event in events if event["what"] in ("migrated", "after")]
    if on_migration and whats[-1:] == ["after"]:
        return False
    live = [number for number, event in enumerate(events) if event["what"] in MADE_LIVE]
    if not live or events[live[-1]].get("release") != release or events[live[-1]]["what"] == "rolled_back":
        return False
    return not any(event["what"] == "after" and event.get("release") == release for event in events[live[-1] :])


def never_good(events: list[Event]) -> set[str]:
    """Return the releases that were refused when they were last tried, and have never had traffic."""
    last: dict[str, str] = {}
    had_traffic = set(served(events))
    for event in events:
        if event["what"] == "canary":
            had_traffic.add(str(event["release"]))
        elif event["what"] in ("built", "refused"):
            last[str(event["release"])] = event["what"]
    return {release for release, what in last.items() if what == "refused"} - had_traffic


def contract_between(events: list[Event], target: str) -> Event | None:
    """Return the newest contract of another release that was run after ``target`` was last made live.

    The contract may have removed what ``target`` needs. None when there is none, or ``target`` was never live here.
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
    """Return the release to go back to: the idle slot's if it has served, else the newest that has and is there."""
    colour = folder.live()
    if colour is None:
        return None
    live = folder.release_of(colour)
    idle = folder.release_of(other_than(colour))
    if idle not in (None, live) and folder.describe(str(idle)) is not None and has_served(events, str(idle)):
        return idle
    earlier = (release for release in reversed(served(events)) if release != live)
    return next((release for release in earlier if folder.describe(release) is not None), None)
