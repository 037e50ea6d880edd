"""The application of the runbook: titles in MariaDB, covers in files, and paths that have faults.

BOOKSTORE_FAULT in the environment makes a faulty release: ``start`` raises when the module is imported, ``titles``
fails at /titles, ``slow`` answers a second later. As a program, this file makes the table.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pymysql

FAULT = os.environ.get("BOOKSTORE_FAULT", "")
SEARCH_SECONDS = 4
REPORT_SECONDS = 15
THUMBNAILS = 24 << 20
kept: list[bytes] = []

if FAULT == "start" and __name__ != "__main__":
    raise RuntimeError("this release cannot start")


def query(statement: str, *values: str) -> list[str]:
    """Run a statement in a transaction of its own; return the first column of its rows."""
    connection = pymysql.connect(
        unix_socket="/run/mysqld/mysqld.sock",
        user=os.environ["BOOKSTORE_ACCOUNT"],
        password=os.environ["BOOKSTORE_PASSWORD"],
        database="bookstore",
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        connection.commit()
        return [str(row[0]) for row in cursor.fetchall()]


def answer(method: str, path: str, body: bytes) -> tuple[str, str]:
    """Return the status and the text of an answer."""
    covers = Path(os.environ["BOOKSTORE_COVERS"])
    match method, path.split("/")[1:]:
        case "GET", [""]:
            return "200 OK", f"{len(query('SELECT title FROM titles'))} titles"
        case "GET", ["titles"]:
            if FAULT == "titles":
                raise RuntimeError("this release cannot list titles")
            return "200 OK", "\n".join(query("SELECT title FROM titles ORDER BY title"))
        case "POST", ["titles"]:
            query("INSERT INTO titles (title) VALUES (%s)", body.decode())
        case "GET", ["covers", name]:
            return "200 OK", f"{(covers / name).stat().st_size} bytes"
        case "PUT", ["covers", name]:
            (covers / name).write_bytes(body)
        case "GET", ["search"]:
            time.sleep(SEARCH_SECONDS)
        case "GET", ["report"]:
            time.sleep(REPORT_SECONDS)
        case "GET", ["thumbnails"]:
            kept.append(b"x" * THUMBNAILS)
        case "GET", ["preview"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            return "404 Not Found", f"there is no {path}"
    return "200 OK", "done"


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer as ``answer`` says."""
    method = environ["REQUEST_METHOD"]
    body = environ["wsgi.input"].read() if method in ("POST", "PUT") else b""
    if FAULT == "slow":
        time.sleep(1)
    status, text = answer(method, environ["PATH_INFO"], body)
    start_response(status, [("Content-Type", "text/plain")])
    return [f"{text}\n".encode()]


if __name__ == "__main__":
    query("CREATE TABLE IF NOT EXISTS titles (title VARCHAR(200))")
