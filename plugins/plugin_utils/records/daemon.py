"""Checking the daemon processes of a record: how many, with how many threads, and their options."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from ..sandbox import problems_of
from . import mod_wsgi_options
from .limits import COMPARED_LENGTH, CPU_PRIORITIES, LARGEST_OPTION, PROBLEMS_SHOWN, RANGES
from .problems import Problems, shown
from .record import Record
from .settings import Settings
from .syntax import LOCALE

# Options whose names end so take a whole number.
WHOLE_NUMBERS = ("-timeout", "-limit", "-backlog", "-size", "-requests")
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
OCTAL = re.compile(r"0?[0-7]{3}")
SINGLE_WORD = re.compile(r"[!#%-&(-\[\]-~]+")


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
        "max_url": record.keys.limits.max_url,
        "max_header": record.keys.limits.max_header,
        "max_response_header": record.keys.limits.max_response_header,
        "buffer_body": record.keys.limits.buffer_body,
        "buffer_answer": record.keys.limits.buffer_answer,
        "memory_limit": record.keys.limits.memory_limit,
        "request_timeout": record.keys.limits.request_timeout,
        "max_log": record.keys.limits.max_log,
        "log_days": record.keys.limits.log_days,
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
    longest = record.keys.limits.max_response_header
    if longest != mod_wsgi_options.HEADER_BUFFER_SIZE and "header-buffer-size" in record.keys.run.daemon_options:
        actual = f"{longest}, and daemon_options.header-buffer-size"
        problems.add(record.name, "max_response_header", actual, "both are the same limit; keep one")
    _check_options(record, settings, problems)
    check_sandbox(record.name, "sandbox", record.keys.run.sandbox, problems)


def check_sandbox(record: str, key: str, written: object, problems: Problems) -> None:
    """Check the directives of systemd that stand in the dictionary ``key``."""
    if not isinstance(written, Mapping):
        problems.add(record, key, shown(written), "it has to be a dictionary of directives of systemd")
        return
    for name, value, remedy in problems_of(written):
        problems.add(record, f"{key}.{name}", shown(value), remedy)


def _check_options(record: Record, settings: Settings, problems: Problems) -> None:
    known = mod_wsgi_options.known(settings.mod_wsgi)
    for name, value in record.keys.run.daemon_options.items():
        option = str(name)
        key = f"daemon_options.{option}"
        if option in mod_wsgi_options.SET_BY_GROVE:
            problems.add(record.name, key, shown(value), "Grove sets it; use the record's own keys")
        elif option not in known:
            # Nobody reads the remedies of so many, and a comparison takes a millisecond.
            compared = option if len(problems) <= PROBLEMS_SHOWN or option in mod_wsgi_options.SINCE_6 else ""
            remedy = _remedy_for_unknown(compared, known, settings.mod_wsgi)
            problems.add(record.name, key, "an unknown option", remedy)
        elif remedy := _remedy_for_value(option, value):
            problems.add(record.name, key, shown(value), remedy)


def _remedy_for_value(option: str, value: object) -> str:
    """Return what an option takes where it takes nothing like ``value``.

    Apache splits the line at spaces, reads quotes and backslashes, and replaces ${NAME} everywhere.
    """
    text = str(value)
    number = int(text) if WHOLE_NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not SINGLE_WORD.fullmatch(text):
        return "it has to be a single word or number, without quotes, backslashes and $; put on and off in quotes"
    if option == "umask" and not (isinstance(value, str) and OCTAL.fullmatch(text)):
        return "it has to be octal digits in quotes, such as '0027'; YAML reads 0027 as the number 23"
    if option == "cpu-priority" and number not in CPU_PRIORITIES:
        return f"it has to be {CPU_PRIORITIES}"
    if option in ("lang", "locale") and not (isinstance(value, str) and LOCALE.fullmatch(text)):
        return "it has to be the name of a locale, such as C.UTF-8"
    if option.endswith(WHOLE_NUMBERS):
        least = 1 if option == "queue-timeout" else 0
        if number is None or not least <= number <= LARGEST_OPTION:
            reason = ", or a queue grows without end" if option == "queue-timeout" else ""
            return f"it has to be a whole number from {least} to {LARGEST_OPTION}{reason}"
    return ""


def _remedy_for_unknown(option: str, known: frozenset[str], version: str) -> str:
    if option in mod_wsgi_options.SINCE_6:
        return f"it came with mod_wsgi 6, and the host's is {version}; remove it, or set mod_wsgi_source: pypi"
    near = difflib.get_close_matches(option[:COMPARED_LENGTH], sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "see its documentation of WSGIDaemonProcess"
    return f"mod_wsgi {version} has none of that name; {hint}"
