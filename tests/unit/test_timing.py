"""What the access log learns from an application's process."""

from __future__ import annotations

import re
from typing import Any

import pytest
from grove_runtime import timing


def ask(environ: dict[str, Any], *headers: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the headers of an answer of an application that answers with ``headers``."""
    answered: list[tuple[str, str]] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(headers))
        return [b""]

    stamped: Any = timing.stamp(application, "0123456789ab")
    stamped(environ, lambda status, given, exc_info=None: answered.extend(given))
    return answered


def test_an_answer_says_release_and_times() -> None:
    times = {"mod_wsgi.queue_start": 1_800_000_000.25, "mod_wsgi.daemon_start": 1_800_000_000.75}
    [kept, own] = ask({"GROVE_REQUEST_ID": "a", **times}, ("A", "b"), ("x-grove-log", "forged"))
    assert kept == ("A", "b")
    assert own[0] == "X-Grove-Log"
    assert re.fullmatch(r"0123456789ab 500000 \d{1,6}", own[1])


def test_an_older_configuration_gets_no_header_that_would_reach_the_client() -> None:
    assert ask({}, ("A", "b")) == [("A", "b")]


@pytest.mark.parametrize(
    ("begin", "end", "waited"),
    [
        (1_800_000_000.25, 1_800_000_000.75, 0.5),
        ("1800000000250000", "1800000000750000", 0.5),
        (1_800_000_000.75, 1_800_000_000.25, 0.0),
        (0.0, 1_800_000_000.25, 0.0),
        (None, None, 0.0),
        ("", "soon", 0.0),
    ],
)
def test_the_time_in_the_queue(begin: object, end: object, waited: float) -> None:
    environ = {"mod_wsgi.queue_start": begin, "mod_wsgi.daemon_start": end}
    assert timing.queued(environ) == pytest.approx(waited, abs=1e-5)
