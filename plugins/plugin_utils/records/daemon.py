"""The daemon processes of a record: how many, with how many threads, and their options."""

from __future__ import annotations

import difflib
import re
from typing import Any

from . import mod_wsgi_options
from .problems import Check, shown
from .settings import Settings

THREADS = {"pecan": 3, "paste": 5, "module": 5}
RANGES = {
    "processes": (1, 512),
    "threads": (1, 512),
    "start_timeout": (1, 3600),
    "max_body": (0, 1 << 40),
    "drain_timeout": (0, 3600),
    "memory_limit": (64, 1 << 20),
    "request_timeout": (0, 86400),
}
WHOLE_NUMBERS = ("-timeout", "-limit", "-backlog", "-size", "-requests")


def check_daemon(record: dict[str, Any], settings: Settings, cores: int, result: Check) -> None:
    """Complete and check processes, threads and the options of WSGIDaemonProcess."""
    if record["processes"] is None:
        record["processes"] = settings.processes or max(2, cores)
    if record["threads"] is None:
        record["threads"] = THREADS.get(record["kind"], 5)
    outside = [key for key, (low, high) in RANGES.items() if record[key] is not None and not low <= record[key] <= high]
    for key in outside:
        low, high = RANGES[key]
        result.add(record["name"], key, str(record[key]), f"it has to be from {low} to {high}")
    workers = settings.workers_per_server * (settings.servers or max(2, cores))
    slots = record["processes"] * record["threads"]
    if slots > workers and not {"processes", "threads"} & set(outside):
        found = f"{record['processes']} x {record['threads']} threads = {slots}"
        right = (
            f"the MPM has {workers} workers (MaxRequestWorkers) to feed all of them; lower processes or threads, or"
            " raise httpd_threads_per_child or httpd_server_limit"
        )
        result.add(record["name"], "processes", found, right)
    if record["memory_limit"] is not None and "memory-limit" in record["daemon_options"]:
        found = f"{record['memory_limit']}, and daemon_options.memory-limit"
        result.add(record["name"], "memory_limit", found, "both are the same limit; keep one")
    record["daemon_options"] = _options(record, settings, result)


def _options(record: dict[str, Any], settings: Settings, result: Check) -> dict[str, str]:
    known = mod_wsgi_options.known(settings.mod_wsgi)
    given = {str(option): value for option, value in record["daemon_options"].items()}
    for option, value in given.items():
        key = f"daemon_options.{option}"
        if option in mod_wsgi_options.SET_BY_GROVE:
            result.add(record["name"], key, shown(value), "Grove sets it; use the record's own keys")
        elif option not in known:
            result.add(record["name"], key, "an unknown option", _unknown_option(option, known, settings.mod_wsgi))
        elif isinstance(value, (dict, list, bool)) or not re.fullmatch(r"[^\s\"'\\]+", str(value)):
            result.add(record["name"], key, shown(value), "it has to be a single word or number")
        elif option.endswith(WHOLE_NUMBERS) and not (str(value).isascii() and str(value).isdigit()):
            result.add(record["name"], key, shown(value), "it has to be a whole number")
        elif option == "queue-timeout" and int(value) == 0:
            result.add(record["name"], key, str(value), "it has to be 1 or more, or a queue grows without end")
    # start_timeout is Grove's own limit: as startup-timeout, a changed one would need a reload.
    own = {}
    if record["memory_limit"] is not None:
        own["memory-limit"] = str(record["memory_limit"] * 2**20)
    return {
        **mod_wsgi_options.DEFAULTS,
        **own,
        **{option: str(value) for option, value in given.items()},
    }


def _unknown_option(option: str, known: frozenset[str], version: str) -> str:
    if option in mod_wsgi_options.SINCE_6:
        return f"it came with mod_wsgi 6, and the host's is {version}; remove it, or set mod_wsgi_source: pypi"
    near = difflib.get_close_matches(option, sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "see its documentation of WSGIDaemonProcess"
    return f"mod_wsgi {version} has none of that name; {hint}"
