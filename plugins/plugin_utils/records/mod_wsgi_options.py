"""The options of WSGIDaemonProcess, and the version of mod_wsgi that each came with.

Source: the option parsers in the source distributions of mod_wsgi 4.9.4, 5.0.2 and 6.1.1.
"""

from __future__ import annotations

OLDEST = (4, 9)

SINCE_OLDEST = frozenset(
    """
    application-group callable-object chroot connect-timeout cpu-priority cpu-time-limit deadlock-timeout display-name
    eviction-timeout graceful-timeout group header-buffer-size home inactivity-timeout lang listen-backlog locale
    maximum-requests memory-limit pass-authorization process-group processes python-eggs python-home python-path
    queue-timeout receive-buffer-size request-timeout response-buffer-size response-socket-timeout restart-interval
    script-group script-user send-buffer-size server-metrics shutdown-timeout socket-timeout socket-user stack-size
    startup-timeout supplementary-groups threads umask user virtual-memory-limit
    """.split()  # noqa: SIM905
)
SINCE_6 = frozenset({"interrupt-timeout", "response-flush-delay", "switch-interval"})

# Options that follow from the record itself; setting them by hand would break slots and accounts.
SET_BY_GROVE = frozenset(
    {"display-name", "group", "home", "processes", "python-home", "python-path", "threads", "user"}
)

# Bytes of a header of an answer, without the option header-buffer-size.
HEADER_BUFFER_SIZE = 32_768

DEFAULTS = {
    "lang": "C.UTF-8",
    "locale": "C.UTF-8",
    "umask": "0027",
    "listen-backlog": "500",
    "queue-timeout": "45",
    "connect-timeout": "15",
    "socket-timeout": "60",
    "deadlock-timeout": "60",
    "graceful-timeout": "15",
    "shutdown-timeout": "60",
}


def numbers(version: str) -> tuple[int, ...]:
    """Return ``6.1.1`` as ``(6, 1, 1)``; raises ValueError when it is no version."""
    return tuple(int(part) for part in version.split("."))


def known(version: str) -> frozenset[str]:
    """Return the options that the mod_wsgi of that version knows."""
    return SINCE_OLDEST | SINCE_6 if numbers(version) >= (6,) else SINCE_OLDEST
