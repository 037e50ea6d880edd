"""The address that load balancers share. keepalived gives it to one of them, and moves it when that one is lost (VRRP).

The kernel's lists of addresses and of neighbours are read with iproute2, which keepalived needs, too.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import limits
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.runtime import Haproxy, RuntimeSocketError

PROGRAM = "/usr/sbin/keepalived"
UNIT = "keepalived"
FOLDER = Path("/etc/keepalived")
CONFIGURATION = FOLDER / "keepalived.conf"
CHECK = FOLDER / "grove-haproxy-answers.py"
MODE, CHECK_MODE = 0o640, 0o644
MARK = "Written by Grove."
"""Stands in the configuration of keepalived that Grove may remove."""
INTERFACE, ADDRESS_INTERFACE, CHECK_PATH = "@interface@", "@address_interface@", "@check@"
"""Stand in the text of a configuration for the interfaces with the own and with the shared address, and for CHECK."""
DISCARD = 9
"""A port at which nobody listens. A datagram to it lets the kernel ask who has the address."""
NO_NEIGHBOUR = {"FAILED", "INCOMPLETE"}

Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class SharedAddressError(OperatorError):
    """A load balancer cannot have the shared address, or keepalived does not run with its configuration."""


@dataclass(frozen=True)
class Interface:
    """An interface of this host, with its hardware address and its addresses."""

    name: str
    hardware: str
    networks: tuple[Network, ...]

    def has(self, address: str) -> bool:
        """Return whether the interface has an address."""
        return any(str(network.ip) == address for network in self.networks)


def interfaces() -> list[Interface]:
    """Return the interfaces of this host. Raises SharedAddressError where iproute2 does not answer."""
    return parse(_run("ip", "-json", "address", "show").stdout)


def parse(text: str) -> list[Interface]:
    """Return the interfaces that the output of ``ip -json address show`` has."""
    return [
        Interface(
            entry["ifname"],
            entry.get("address", ""),
            tuple(
                ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}")
                for one in entry.get("addr_info", ())
                if "local" in one
            ),
        )
        for entry in json.loads(text or "[]")
        # Some versions of iproute2 print an empty entry for what they leave out.
        if entry
    ]


def with_network(address: str, found: Iterable[Interface]) -> Interface | None:
    """Return the interface whose network has an address, of several the smallest network; None where none has it."""
    wanted = ipaddress.ip_address(address)
    fitting = [
        (network.network.prefixlen, interface.name, interface)
        for interface in found
        for network in interface.networks
        # Each address makes a network of itself, which the shared one does on the host that has it.
        if network.network.num_addresses > 1 and wanted in network.network and not network.ip.is_loopback
    ]
    return max(fitting)[2] if fitting else None


def holds(address: str, found: Iterable[Interface]) -> bool:
    """Return whether this host has an address."""
    return any(interface.has(address) for interface in found)


def places(address: str, own: str, found: Sequence[Interface]) -> tuple[Interface, Interface]:
    """Return the interface with this host's ``own`` address, and the one with the network of the shared ``address``.

    Raises SharedAddressError where there is none, or where the host has the shared address without keepalived.
    """
    interface = next((one for one in found if one.has(own)), None)
    outside = with_network(address, found)
    networks = [str(network) for one in found for network in one.networks if not network.ip.is_loopback]
    faults = []
    if interface is None:
        faults.append(
            f"variable load_balancer_host_address: found {own}, which no interface of this host has"
            f" ({', '.join(networks)}); keepalived and HAProxy send from it, so it has to be one of these"
        )
    if outside is None:
        faults.append(
            f"variable load_balancer_address: found {address}, which is in no network of this host"
            f" ({', '.join(networks)}); it has to be in a network of each load balancer"
        )
    if holds(address, found) and not _is_given(address):
        faults.append(
            f"variable load_balancer_address: found {address}, which this host has without keepalived; remove the"
            " address from the host's own network configuration, since keepalived moves it"
        )
    if interface is None or outside is None or faults:
        raise SharedAddressError("\n".join(faults))
    return interface, outside


def state(address: str, own: str) -> dict[str, Any]:
    """Return whether this host ``holds`` the address, its ``hardware`` address, and whether it is ``well``.

    A load balancer that is well could take the address; ``unwell`` says why it could not. Raises as ``places`` does.
    """
    found = interfaces()
    _, outside = places(address, own, found)
    unwell = _unwell()
    return {
        "changed": False,
        "holds": holds(address, found),
        "hardware": outside.hardware,
        "well": not unwell,
        "unwell": unwell,
    }


def check_free(address: str, own: str, known: Collection[str]) -> None:
    """Raise SharedAddressError if a machine answers for the address whose hardware address is not ``known``."""
    _, outside = places(address, own, interfaces())
    other = neighbour(address, outside.name)
    if other and other not in known:
        raise SharedAddressError(
            f"variable load_balancer_address: found {address}, which a machine with the hardware address {other} has,"
            " and no load balancer of the fleet; take the address from that machine, or choose one that no machine has"
        )


def neighbour(address: str, interface: str) -> str:
    """Return the hardware address of the machine that has an address; empty where none answers.

    Machines answer this question (ARP, neighbour discovery) whatever their firewalls drop.
    """
    # A former answer may be of a machine that is gone. There may be none, which ip says as an error.
    subprocess.run(
        ["ip", "neighbour", "delete", address, "dev", interface],
        capture_output=True,
        timeout=limits.COMMAND_SECONDS,
        check=False,
    )
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender, suppress(OSError):
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sender.sendto(b"", (address, DISCARD))
    deadline = time.monotonic() + limits.NEIGHBOUR_SECONDS
    while time.monotonic() < deadline:
        entries = json.loads(_run("ip", "-json", "neighbour", "show", address, "dev", interface).stdout or "[]")
        states = {state for entry in entries for state in entry.get("state", ())}
        if found := [entry["lladdr"] for entry in entries if "lladdr" in entry and not NO_NEIGHBOUR & states]:
            return str(found[0])
        if "FAILED" in states:
            break
        time.sleep(limits.POLL_SECONDS)
    return ""


def put(content: str, check: str, address: str, own: str, *, dry: bool) -> dict[str, Any]:
    """Let keepalived run with a configuration; return what changed.

    check: the program that asks HAProxy. A reload leaves the address where it is. Raises SharedAddressError; then
    keepalived runs as before.
    """
    interface, outside = places(address, own, interfaces())
    text = content
    for name, value in ((INTERFACE, interface.name), (ADDRESS_INTERFACE, outside.name), (CHECK_PATH, str(CHECK))):
        text = text.replace(name, value)
    former = _read(CONFIGURATION)
    written = (text, check) != (former, _read(CHECK))
    active = _systemctl("is-active", "--quiet", UNIT)
    loaded = not written and active and _has_read(CONFIGURATION)
    enabled = _systemctl("is-enabled", "--quiet", UNIT)
    result = {
        "changed": not (loaded and enabled),
        "action": "none" if loaded else "reload" if active else "start",
        "diff": {"before": former or "", "after": text, "before_header": str(CONFIGURATION)},
    }
    if dry or not result["changed"]:
        return result
    if written:
        replace_text(CHECK, check, CHECK_MODE)
        check_text(text)
        replace_text(CONFIGURATION, text, MODE)
    if not enabled:
        _must("enable", "--quiet")
    if not loaded:
        # After several failed starts, systemd refuses a further one.
        _systemctl("reset-failed", UNIT)
        _must(str(result["action"]))
    return result


def check_text(text: str) -> None:
    """Let keepalived check a configuration. Raises SharedAddressError with what it says."""
    with tempfile.NamedTemporaryFile("w", dir=FOLDER, prefix=".grove-", suffix=".conf") as file:
        file.write(text)
        file.flush()
        done = _run(PROGRAM, "--config-test", f"--use-file={file.name}")
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).replace(file.name, str(CONFIGURATION))
            raise SharedAddressError(
                f"keepalived refuses its new configuration, and runs on with the former one: {said}"
            )


def remove(*, dry: bool) -> dict[str, Any]:
    """Stop keepalived if it runs with a configuration that Grove has written; return what changed."""
    changed = MARK in (_read(CONFIGURATION) or "")
    if changed and not dry:
        _must("disable", "--now", "--quiet")
        for path in (CONFIGURATION, CHECK):
            path.unlink(missing_ok=True)
    return {"changed": changed}


def give_away(address: str, own: str, *, dry: bool) -> dict[str, Any]:
    """Stop keepalived, and wait until another load balancer has the address; return what changed.

    A load balancer without the address keeps its keepalived. Raises SharedAddressError if nobody takes the address;
    then this load balancer has it again.
    """
    found = interfaces()
    _, outside = places(address, own, found)
    if not holds(address, found):
        return {"changed": False}
    if not dry:
        # keepalived tells the others that it ends.
        _must("stop")
        deadline = time.monotonic() + limits.MOVE_SECONDS
        while not neighbour(address, outside.name):
            if time.monotonic() > deadline:
                _must("start")
                raise SharedAddressError(
                    f"no other load balancer took {address} within {limits.MOVE_SECONDS:.0f} s, and this one has it"
                    ' again; "journalctl -u keepalived" on the others says why'
                )
    return {"changed": True}


def _is_given(address: str) -> bool:
    """Return whether keepalived gives this host the address, by a configuration of Grove's."""
    text = _read(CONFIGURATION) or ""
    return MARK in text and f" {address}/" in text


def _unwell() -> str:
    """Return why this load balancer could not take the address; empty where it could."""
    if not _systemctl("is-active", "--quiet", UNIT):
        return "keepalived does not run"
    try:
        Haproxy().info()
    except RuntimeSocketError as error:
        return str(error)
    return ""


def _has_read(path: Path) -> bool:
    """Return whether keepalived was started or reloaded after a file was written."""
    # In microseconds since the boot. A reload changes the unit's state, too.
    stamp = _run("systemctl", "show", "--property=StateChangeTimestampMonotonic", "--value", UNIT).stdout.strip()
    ago = time.monotonic() - int(stamp or 0) / 1e6
    return time.time() - ago >= path.stat().st_mtime


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return None


def _systemctl(*words: str) -> bool:
    return _run("systemctl", *words).returncode == 0


def _must(*words: str) -> None:
    """Let systemd do something with keepalived, which has to run or to stop then. Raises SharedAddressError."""
    done = _run("systemctl", *words, UNIT)
    if done.returncode:
        log = _run("journalctl", f"--unit={UNIT}", "--no-pager", "--output=cat", f"--lines={limits.LOG_LINES}").stdout
        raise SharedAddressError(
            f"systemctl {words[0]} {UNIT} failed: {done.stderr.strip()}. The end of its log:\n{log.strip()}"
        )


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limits.COMMAND_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise SharedAddressError(
            f"{command[0]} is not on the load balancer, which a shared address needs; install its package"
        ) from None
