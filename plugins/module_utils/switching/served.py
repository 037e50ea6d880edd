"""What switching needs to know of an application, kept beside it on its host.

A rollback at night needs no inventory that is in order, no source folder, and no template: it reads ``app.json``, which
the last deployment has written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import (
    COLOURS,
    AppFolder,
    FolderError,
)
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.switching.traffic import App, Place

NAME = "app.json"


def app_of(record: dict[str, Any], program: str) -> App:
    """Translate the serving part of a completed record; ``program`` is Apache's name in the process table."""
    door_address, _, door_port = record["door"].rpartition(":")
    address = "127.0.0.1" if record["address"] == "*" else record["address"].strip("[]")
    return App(
        folder=AppFolder(record["name"], Path(record["folder"])),
        account=record["account"],
        processes=int(record["processes"]),
        health_path=record["health_path"],
        start_timeout=int(record["start_timeout"]),
        front=Place(address, int(record["port"]), record["server_name"] or address, record["tls"] != "off"),
        doors={colour: Place(door_address, int(door_port), record["doors"][colour]) for colour in COLOURS},
        program=program,
        idle=str(record.get("idle", "cold")),
        drain_timeout=int(record.get("drain_timeout", 60)),
    )


def note(record: dict[str, Any], program: str) -> None:
    """Write the serving part of a record beside the application, if it is not there yet."""
    path = Path(record["folder"]) / NAME
    text = json.dumps({"program": program, "record": record}, indent=1, sort_keys=True) + "\n"
    if not path.exists() or path.read_text() != text:
        replace_text(path, text, mode=0o640)


def names(base: Path) -> list[str]:
    """Return the names of the applications that were deployed below ``base``."""
    return sorted(path.parent.name for path in base.glob(f"*/{NAME}"))


def find(base: Path, name: str) -> tuple[App, dict[str, Any]]:
    """Return the application of that name, and the serving part of its record.

    Raises FolderError, with the names that there are, when it was not deployed on this host.
    """
    if not name or name not in names(base):
        there = ", ".join(names(base)) or "none"
        asked = f"no application {name!r} was deployed" if name else "say which application: -e app=NAME"
        raise FolderError(f"{asked}; on this host there are: {there}")
    try:
        content = json.loads((base / name / NAME).read_text())
        return app_of(content["record"], content["program"]), content["record"]
    except (OSError, ValueError, KeyError) as error:
        raise FolderError(f"{base / name / NAME} cannot be read ({error}); deploy {name} once") from error
