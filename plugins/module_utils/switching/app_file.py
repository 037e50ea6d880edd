"""What switching needs to know of an application, kept beside it on its host in ``app.json``.

A rollback reads this file, which the last deployment has written. It needs no inventory that is in order, no source
folder and no template.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import default_pid_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import Apache, App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Place

NAME = "app.json"
# Where a server that listens on every address is asked.
OWN_ADDRESSES = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}


def apache(program: str, pid_file: str | None) -> Apache:
    """Return this host's Apache. Without ``pid_file`` it is where the program's distribution has it."""
    return Apache(program, Path(pid_file) if pid_file else default_pid_file(program))


def _host(address: str) -> str:
    """Return an address as a URL and the header Host have it."""
    return f"[{address}]" if ":" in address else address


def app_of(record: dict[str, Any], server: Apache) -> App:
    """Translate the serving part of a completed record. The doors' credential is this host's, if it has one already.

    A door is the front, asked for one slot. Where an older Grove has deployed last, the front does not know of doors,
    and the file has no ``health_check``: then a door is a VirtualHost of its own.
    """
    credential = credentials.read()
    address = OWN_ADDRESSES.get(record["address"], record["address"].strip("[]"))
    check = record.get("health_check")
    if check:
        headers = check["headers"]
        front = Place(
            *(address, int(record["port"]), check["host"], record["tls"] != "off"),
            credential=credential if headers else "",
            headers=headers,
        )
        doors = {colour: dataclasses.replace(front, credential=credential, slot=colour) for colour in COLOURS}
    else:
        front = Place(address, int(record["port"]), record["server_name"] or _host(address), record["tls"] != "off")
        door_address, _, door_port = record["door"].rpartition(":")
        doors = {
            colour: Place(door_address.strip("[]"), int(door_port), record["doors"][colour], credential=credential)
            for colour in COLOURS
        }
    return App(
        folder=AppFolder(record["name"], Path(record["folder"])),
        account=record["account"],
        processes=int(record["processes"]),
        health_path=record["health_path"],
        start_timeout=int(record["start_timeout"]),
        front=front,
        doors=doors,
        apache=server,
        idle=str(record.get("idle", "cold")),
        drain_timeout=int(record.get("drain_timeout", 60)),
        statuses=tuple(check["statuses"]) if check else (200,),
    )


def write(record: dict[str, Any], server: Apache) -> None:
    """Write the serving part of a record beside the application, if it is not there yet."""
    path = Path(record["folder"]) / NAME
    content = {"program": server.program, "pid_file": str(server.pid_file), "record": record}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if not path.exists() or path.read_text() != text:
        replace_text(path, text, mode=0o640)


def names(base: Path) -> list[str]:
    """Return the names of the applications that were deployed below ``base``."""
    return sorted(path.parent.name for path in base.glob(f"*/{NAME}"))


def read(base: Path, name: str) -> tuple[App, dict[str, Any]]:
    """Return the application of that name, and the serving part of its record.

    Raises FolderError, with the names that there are, when it was not deployed on this host.
    """
    if not name or name not in names(base):
        deployed = ", ".join(names(base)) or "none"
        problem = f"no application {name!r} was deployed" if name else "say which application: -e app=NAME"
        raise FolderError(f"{problem}; on this host there are: {deployed}")
    try:
        content = json.loads((base / name / NAME).read_text())
        server = apache(content["program"], content.get("pid_file"))
        return app_of(content["record"], server), content["record"]
    except (OSError, ValueError, KeyError) as error:
        raise FolderError(f"{base / name / NAME} cannot be read ({explain(error)}); deploy {name} once") from error
