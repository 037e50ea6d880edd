"""Checking the daemon processes of a record: how many, with how many threads, and their options."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from . import mod_wsgi_options
from .limits import RANGES
from .problems import Problems, shown
from .record import Record
from .settings import Settings

# Options whose names end so take a whole number.
WHOLE_NUMBERS = ("-timeout", "-limit", "-backlog", "-size", "-requests")


def check_daemon(record: Record, settings: Settings, workers: int | None, problems: Problems) -> None:
    """Check processes, threads, limits and the options of WSGIDaemonProcess.

    ``workers`` are those of the MPM, None where their number is a problem of its own.
    """
    values = {
        "processes": record.processes,
        "threads": record.threads,
        "start_timeout": record.keys.replace.start_timeout,
        "drain_timeout": record.keys.replace.drain_timeout,
        "max_body": record.keys.limits.max_body,
        "buffer_body": record.keys.limits.buffer_body,
        "buffer_answer": record.keys.limits.buffer_answer,
        "memory_limit": record.keys.limits.memory_limit,
        "request_timeout": record.keys.limits.request_timeout,
    }
    outside = [key for key, value in values.items() if value is not None and value not in RANGES[key]]
    for key in outside:
        problems.add(record.name, key, str(values[key]), f"it has to be {RANGES[key]}")
    needed = record.processes * record.threads
    if workers is not None and needed > workers and not {"processes", "threads"} & set(outside):
        actual = f"{record.processes} x {record.threads} threads = {needed}"
        remedy = (
            f"the MPM has {workers} workers (MaxRequestWorkers) to feed all of them; lower processes or threads, or"
            " raise httpd_threads_per_child or httpd_server_limit"
        )
        problems.add(record.name, "processes", actual, remedy)
    limit = record.keys.limits.memory_limit
    if limit is not None and "memory-limit" in record.keys.run.daemon_options:
        actual = f"{limit}, and daemon_options.memory-limit"
        problems.add(record.name, "memory_limit", actual, "both are the same limit; keep one")
    _check_options(record, settings, problems)


def _check_options(record: Record, settings: Settings, problems: Problems) -> None:
    known = mod_wsgi_options.known(settings.mod_wsgi)
    for name, value in record.keys.run.daemon_options.items():
        option = str(name)
        key = f"daemon_options.{option}"
        if option in mod_wsgi_options.SET_BY_GROVE:
            problems.add(record.name, key, shown(value), "Grove sets it; use the record's own keys")
        elif option not in known:
            remedy = _remedy_for_unknown(option, known, settings.mod_wsgi)
            problems.add(record.name, key, "an unknown option", remedy)
        elif isinstance(value, (Mapping, tuple, bool)) or not re.fullmatch(r"[^\s\"'\\]+", str(value)):
            problems.add(record.name, key, shown(value), "it has to be a single word or number")
        elif option.endswith(WHOLE_NUMBERS) and not (str(value).isascii() and str(value).isdigit()):
            problems.add(record.name, key, shown(value), "it has to be a whole number")
        elif option == "queue-timeout" and int(value) == 0:
            problems.add(record.name, key, str(value), "it has to be 1 or more, or a queue grows without end")


def _remedy_for_unknown(option: str, known: frozenset[str], version: str) -> str:
    if option in mod_wsgi_options.SINCE_6:
        return f"it came with mod_wsgi 6, and the host's is {version}; remove it, or set mod_wsgi_source: pypi"
    near = difflib.get_close_matches(option, sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "see its documentation of WSGIDaemonProcess"
    return f"mod_wsgi {version} has none of that name; {hint}"
