"""What a host of a cluster is, and what it sees of the other hosts."""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.host import limits
from ansible_collections.grove.wsgi.plugins.module_utils.host.unit import UnitError, run

OPEN, CLOSED, UNREACHABLE = "open", "closed", "unreachable"
"""What a connection to the cluster's port of another host shows: a member, a host without one, or nothing."""
SERIES = re.compile(r"(?:[0-9]+:)?(?P<series>[0-9]+\.[0-9]+)")


def has_address(address: str) -> bool:
    """Return whether an address is one of this host."""
    with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def seen(address: str, port: int) -> str:
    """Return OPEN, CLOSED or UNREACHABLE, as this host finds a port of another one."""
    with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
        probe.settimeout(limits.CONNECT_SECONDS)
        try:
            probe.connect((address, port))
        except ConnectionRefusedError:
            return CLOSED
        except OSError as error:
            return OPEN if error.errno == errno.EISCONN else UNREACHABLE
    return OPEN


def series(package: str) -> str:
    """Return the series of a package that is installed, or that apt would install, such as 10.11; empty if unknown."""
    installed = _output("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package)
    if installed.startswith("installed "):
        version = installed.partition(" ")[2]
    else:
        candidate = re.search(r"(?m)^  Candidate: (\S+)", _output("apt-cache", "policy", package))
        version = candidate[1] if candidate else ""
    match = SERIES.match(version)
    return match["series"] if match else ""


def system(path: Path = Path("/etc/os-release")) -> str:
    """Return the distribution with its release, such as debian 12."""
    values = dict(re.findall(r'(?m)^(ID|VERSION_ID)="?([^"\n]*)"?$', path.read_text()))
    return f"{values.get('ID', '')} {values.get('VERSION_ID', '')}".strip()


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _output(*command: str) -> str:
    try:
        return run(*command).stdout
    except UnitError:
        return ""
