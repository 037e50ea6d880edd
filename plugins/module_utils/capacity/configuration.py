"""What Apache's configuration on this host allows: workers, connections, and the process groups of applications."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CONFS = {"apache2": Path("/etc/apache2/conf-available"), "httpd": Path("/etc/httpd/conf.d")}
"""By Apache's name: the folder with the snippets of Grove."""
NUMBERS = {
    "servers": "StartServers",
    "threads": "ThreadsPerChild",
    "workers": "MaxRequestWorkers",
    "factor": "AsyncRequestWorkerFactor",
    "backlog": "ListenBackLog",
    "address_connections": "GroveAddressConnections",
}
DAEMON = re.compile(r"(?m)^\s*WSGIDaemonProcess (\S+)-blue (.*)$")
QUEUE_TIMEOUT = re.compile(r"(?m)^\s*SetEnv GROVE_QUEUE_TIMEOUT (\d+)$")
"""The option that ``slot.wsgi`` keeps to instead of mod_wsgi. Each application has a file of its own."""


@dataclass(frozen=True)
class Group:
    """The process group of a slot: its processes, the threads of each, and the other options as texts."""

    processes: int
    threads: int
    options: Mapping[str, str]


def server(texts: Iterable[str]) -> dict[str, int]:
    """Return Apache's numbers by the keys of ``NUMBERS``; those that no text has are missing.

    ``connections`` is how many connections all processes hold while their workers are idle.
    """
    found: dict[str, int] = {}
    for text in texts:
        for key, directive in NUMBERS.items():
            if match := re.search(rf"(?m)^\s*{directive} +(\d+)\s*$", text):
                found[key] = int(match[1])
    if {"workers", "factor"} <= set(found):
        found["connections"] = found["workers"] * (1 + found["factor"])
    return found


def groups(texts: Iterable[str]) -> dict[str, Group]:
    """Return the process group of each application. Both slots of an application have the same numbers."""
    found = {}
    for text in texts:
        for name, rest in DAEMON.findall(text):
            options = dict(word.partition("=")[::2] for word in rest.split() if "=" in word)
            if timeout := QUEUE_TIMEOUT.search(text):
                options["queue-timeout"] = timeout[1]
            processes, threads = (
                int(options.get(key, default)) for key, default in (("processes", 1), ("threads", 15))
            )
            found[name] = Group(processes, threads, options)
    return found


def texts(folder: Path, pattern: str) -> list[str]:
    """Return the texts of the files of a folder that match a pattern, and can be read."""
    found = []
    for path in sorted(folder.glob(pattern)):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return found
