"""The sockets that Apache's Listen lines ask for, in every spelling that Apache knows."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterable

LINE = re.compile(r"\s*Listen\s+(?:(\S+):)?(\d+)(?:\s+\S+)?\s*", re.IGNORECASE)
Place = tuple[str, int]
"""An address and a port. In a Listen line the address may be a name, or ``*`` where the line has none."""
EVERY = "*"
EVERY_IPV4, EVERY_IPV6 = "0.0.0.0", "::"


def listen_place(line: str) -> Place | None:
    """Return address (``*`` for a port alone) and port of a Listen line; None for any other line."""
    written = _written(line)
    return (_plain(written[0]), written[1]) if written else None


def sockets_of(address: str) -> set[str]:
    """Return the addresses of the sockets that Apache opens for an address of a Listen line.

    A port alone is one socket, of IPv6 where the host has it: such a socket takes IPv4, too. A name is looked up.
    """
    if address == EVERY:
        return {EVERY_IPV6 if has_ipv6() else EVERY_IPV4}
    if _is_address(address):
        return {address}
    try:
        return {_plain(str(found[4][0])) for found in socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def is_held(place: Place, held: Collection[Place]) -> bool:
    """Return whether one of the sockets in ``held`` is what a Listen line asks for."""
    address, port = place
    # Where the sandbox of Apache's unit has no IPv6, a port alone is a socket of IPv4.
    wanted = {EVERY_IPV4, EVERY_IPV6} if address == EVERY else sockets_of(address)
    return any((each, port) in held for each in wanted)


def clashing(lines: Iterable[str], held: Collection[Place], former: Iterable[str] = ()) -> set[str]:
    """Return the Listen lines that the kernel refuses as long as Apache holds what it holds.

    former: the lines that Apache has read, where they are known. Apache takes a socket over only if the address is
    written as it was: for localhost:80 it opens another one, although it holds 127.0.0.1:80.
    """
    places = {line: place for line in lines if (place := listen_place(line))}
    wanted = {line: {(each, port) for each in sockets_of(address)} for line, (address, port) in places.items()}
    leaving = {port for address, port in held if not any((address, port) in sockets for sockets in wanted.values())}
    known = {_written(line) for line in former} - {None}
    clashes = set()
    for line, sockets in wanted.items():
        if sockets.intersection(held):
            is_new = bool(known) and _written(line) not in known
        else:
            is_new = places[line][1] in leaving
        if is_new:
            clashes.add(line)
    return clashes


def excludes(one: Place, other: Place) -> bool:
    """Return whether Apache cannot listen on both: one is every address of the port, or a name of the other perhaps."""
    if one[1] != other[1]:
        return False
    addresses = {one[0], other[0]}
    return len(addresses) == 1 or any(
        each in (EVERY, EVERY_IPV4, EVERY_IPV6) or not _is_address(each) for each in addresses
    )


def has_ipv6() -> bool:
    """Return whether a socket of IPv6 can be bound on this host; Apache asks the kernel in the same way."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((EVERY_IPV6, 0))
    except OSError:
        return False
    return True


def _written(line: str) -> Place | None:
    """Return address and port of a Listen line as they are written, without brackets."""
    match = LINE.fullmatch(line)
    return ((match.group(1) or EVERY).strip("[]"), int(match.group(2))) if match else None


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _is_address(text: str) -> bool:
    try:
        socket.inet_pton(_family(text), text)
    except (OSError, ValueError):
        return False
    return True


def _plain(text: str) -> str:
    """Return an address as the kernel writes it, without a zone; other texts as they are."""
    bare = text.partition("%")[0]
    return socket.inet_ntop(_family(bare), socket.inet_pton(_family(bare), bare)) if _is_address(bare) else text
