"""The settings of the program, and its limits."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATUS_SECONDS = 2.0
"""Until Apache has to answer with its status. Prometheus gives a scrape 10 seconds by default."""
CLIENT_SECONDS = 5.0
"""Until a client has to send its request, and to take a part of the answer."""
FRESH_INTERVALS = 3
"""A process that has sent nothing for so many intervals is silent: the number of its busy threads is not known."""
DATAGRAM_BYTES = 65536


@dataclass(frozen=True)
class Settings:
    """Where the program listens and what it reads.

    ``base`` is the folder with the folders of applications.
    ``door`` is the address of the door ``status.door``, and ``credential`` the file with the header that opens the
    door. ``requests`` is the file with the counters of requests. mod_wsgi sends its datagrams to the socket
    ``telemetry``, each ``interval`` seconds; they are passed on to the socket ``live``, if its name is not empty.
    ``workers`` and ``connections`` are what Apache is allowed.
    """

    address: str
    port: int
    base: Path
    pid_file: Path
    program: str
    requests: Path
    telemetry: Path
    interval: int
    door: str
    credential: Path
    workers: int
    connections: int
    live: str = ""


def read(path: Path) -> Settings:
    """Return the settings in a file of JSON. Raises ValueError, and OSError."""
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    fields = {field.name: field.type for field in dataclasses.fields(Settings)}
    if not isinstance(content, dict) or not set(content) <= set(fields):
        raise ValueError(f"{path} has to be an object with the keys {', '.join(fields)}")
    values: dict[str, Any] = {name: Path(each) if fields[name] == "Path" else each for name, each in content.items()}
    return Settings(**values)
