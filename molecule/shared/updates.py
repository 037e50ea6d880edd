"""Updates of the distribution's packages on test hosts: newer versions to upgrade to, and machines that boot again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import machine
from host import start as start_again
from served import Host

LIBRARY, LIBRARY_FILE = "libssl3", "libssl.so"
"""A package, and the beginning of the name of a library in it. Of the programs on an API host, Apache alone uses this
library. The first process uses another library of the package."""
OFFER = """
set -e
package=$1 suffix=$2 program=$3
mkdir -p "/srv/former/$package" && cd "/srv/former/$package"
[ -n "$(ls)" ] || apt-get download -qq "$package"
rm -rf "/srv/updates/$package" && mkdir -p "/srv/updates/$package" && cd "/srv/updates/$package"
dpkg-deb -R "/srv/former/$package"/*.deb tree
sed -i "s/^Version: .*/&$suffix/" tree/DEBIAN/control
[ -z "$program" ] || printf '#!/bin/sh\necho "unknown keyword" >&2\nexit 1\n' >"tree$program"
dpkg-deb -b tree update.deb >/dev/null
{ dpkg-deb -f update.deb
  echo "Filename: ./update.deb"
  echo "Size: $(stat -c %s update.deb)"
  echo "SHA256: $(sha256sum update.deb | cut -d ' ' -f 1)"; } >Packages
echo "deb [trusted=yes] file:/srv/updates/$package ./" >"/etc/apt/sources.list.d/$package.list"
"""


def offer_update(host: Host, suffix: str, package: str = LIBRARY, broken: str = "") -> None:
    """Let apt know a newer version of a package: the installed one with ``suffix`` in its version.

    broken: a program of the package that fails in this version.
    """
    host.run("bash", "-c", OFFER, "offer", package, suffix, broken)


def is_updated(host: Host, suffix: str) -> bool:
    """Return whether the newer version is installed, and no process runs with the former one."""
    version = host.run("dpkg-query", "--show", "--showformat=${Version}", LIBRARY)
    older = host.try_run("bash", "-c", f"grep -l '{LIBRARY_FILE}.*(deleted)' /proc/[0-9]*/maps")
    return version.endswith(suffix) and older.stdout == ""


def first_process(host: Host) -> str:
    """Return when the host's first process was started, which differs after a reboot."""
    return host.run("cut", "-d", " ", "-f", "22", "/proc/1/stat")


def is_off(host: Host) -> bool:
    """Return whether the host has shut down."""
    try:
        machine.enter(host.container)
    except machine.HostError:
        return True
    return False


@contextmanager
def booting_again(hosts: Sequence[Host]) -> Iterator[list[str]]:
    """Start each of the hosts that shuts down, as a machine does that reboots; yield their names in this order."""
    addresses = {host.container: host.address for host in hosts}
    order: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            for host in hosts:
                if is_off(host):
                    # podman may not have noticed yet that the host has ended.
                    with suppress(machine.HostError):
                        start_again(host.container, addresses[host.container])
                        order.append(host.name)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield order
    finally:
        done.set()
        thread.join()
