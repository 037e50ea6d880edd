"""Apache's own status, asked for through the door that only root and the account of the metrics may use."""

from __future__ import annotations

import http.client
import re
from pathlib import Path

from . import settings

HOST = "status.door"
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class StatusError(Exception):
    """Apache does not answer with its status; the message says why."""


def status(door: str, credential: Path) -> dict[str, float]:
    """Return the numbers of Apache's status by their names, such as ``BusyWorkers``. Raises StatusError."""
    address, _, port = door.rpartition(":")
    try:
        name, _, value = credential.read_text(encoding="ascii").strip().partition(": ")
        connection = http.client.HTTPConnection(address.strip("[]"), int(port), timeout=settings.STATUS_SECONDS)
        try:
            connection.request("GET", "/?auto", headers={"Host": HOST, name: value, "Connection": "close"})
            answer = connection.getresponse()
            text = answer.read(1 << 20).decode("ascii", "replace")
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise StatusError(f"{type(error).__name__}: {error}") from error
    if answer.status != 200:
        raise StatusError(f"{door} answers {answer.status} to {HOST}")
    return parse(text)


def parse(text: str) -> dict[str, float]:
    """Return the lines ``NAME: NUMBER`` of a status as a dictionary. Raises StatusError if it has no workers."""
    pairs = (line.partition(": ") for line in text.splitlines())
    numbers = {name: float(value) for name, _, value in pairs if NUMBER.fullmatch(value.strip())}
    if "BusyWorkers" not in numbers:
        raise StatusError("the answer is no status of Apache")
    return numbers
