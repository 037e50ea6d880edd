#!/usr/bin/env python3
"""Make, use and remove test hosts: podman containers with a real systemd and an address of their own."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import sys
import time
from pathlib import Path

import image
import machine

BUNDLE = "/usr/local/share/grove-ca.crt"
# A host without systemd: a first process that only reaps, and Debian's way to say that packages start no service.
PLAIN_INIT = ("python3", "-c", "import signal as s; s.signal(s.SIGCHLD, s.SIG_IGN)\nwhile True: s.pause()")
POLICY = "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d"


def create(name: str, release: str, *, systemd: bool = True, owner: str = "") -> str:
    """Start a fresh host in place of an older one of that name, wait until it has booted, and return its address.

    owner: the folder that the host is for; once that is gone, any later call may remove the host.
    Raises HostError.
    """
    _check(name)
    machine.require_tools()
    source = image.ensure(release)
    _remove_orphans()
    destroy(name)
    own = _folder(name)
    archives, wheels = own / f"apt-{release}", machine.cache() / f"uv-{release}"
    archives.mkdir(parents=True)
    wheels.mkdir(exist_ok=True)
    _link_packages(machine.cache() / archives.name, archives)
    volumes = [f"{archives}:/var/cache/apt/archives", f"{wheels}:/var/cache/grove/uv"]
    if bundle := machine.certificates():
        volumes.append(f"{bundle}:{BUNDLE}:ro")
    machine.podman(
        *("run", "--detach", "--name", name, "--hostname", name),
        *("--label", "grove.host=yes", "--label", f"grove.owner={owner}"),
        *(f"--volume={volume}" for volume in volumes),
        *(("--systemd=always", source) if systemd else ("--systemd=false", source, *PLAIN_INIT)),
    )
    if systemd:
        _wait_until_booted(name)
    else:
        machine.podman("exec", name, "sh", "-c", POLICY)
    return machine.address(name)


def destroy(name: str) -> None:
    """Remove the host, its volumes and its folder; the Debian packages that it fetched are kept for later hosts."""
    _check(name)
    machine.podman("rm", "--force", "--ignore", "--time=0", "--volumes", name)
    own = _folder(name)
    for archives in own.glob("apt-*"):
        _link_packages(archives, machine.cache() / archives.name)
    shutil.rmtree(own, ignore_errors=True)


def _check(name: str) -> None:
    if not re.fullmatch(r"grove-[a-z0-9-]{1,57}", name):
        raise machine.HostError(f"the name of a host is grove- and lower-case letters, digits and hyphens, not {name}")


def _folder(name: str) -> Path:
    return machine.cache() / "hosts" / name


def _link_packages(source: Path, target: Path) -> None:
    # Hard links, because two hosts cannot share one folder: apt locks it. What is here by its final name is complete.
    target.mkdir(exist_ok=True)
    for package in source.glob("*.deb"):
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(package, target / package.name)


def _remove_orphans() -> None:
    form = '{{.Names}}|{{index .Labels "grove.owner"}}'
    for line in machine.podman("ps", "--all", "--filter", "label=grove.host=yes", "--format", form).splitlines():
        name, owner = line.split("|")
        if owner and not Path(owner).exists():
            destroy(name)


def _wait_until_booted(name: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    state = ""
    while time.monotonic() < end:
        state = machine.podman("exec", name, "sh", "-c", "systemctl is-system-running 2>&1 || true").strip()
        if state == "running":
            return
        if state == "degraded":
            failed = machine.podman("exec", name, "systemctl", "--failed", "--plain", "--no-legend").split()
            raise machine.HostError(f"{name}: started with a failed unit: {failed[0]}")
        time.sleep(0.1)
    raise machine.HostError(f"{name}: not booted in {seconds:.0f} s: {state}")


def main() -> None:
    """Do what the command line says; exit 1 with one line when a host cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("create", help="start a fresh host and print its address")
    made.add_argument("name")
    made.add_argument("release", choices=image.RELEASES)
    flag = argparse.BooleanOptionalAction
    made.add_argument("--systemd", action=flag, default=True, help="without: packages start no service either")
    made.add_argument("--owner", default="", help="the folder without which the host may be removed")
    verbs.add_parser("destroy", help="remove it with all it holds").add_argument("name")
    used = verbs.add_parser("exec", help="run a command on it")
    used.add_argument("name")
    used.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    try:
        match asked.verb:
            case "create":
                print(create(asked.name, asked.release, systemd=asked.systemd, owner=asked.owner))
            case "destroy":
                destroy(asked.name)
            case "exec":
                terminal = ["--tty"] if sys.stdin.isatty() else []
                command = asked.command or ["bash"]
                os.execvp("podman", ["podman", "exec", "--interactive", *terminal, asked.name, *command])
    except machine.HostError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


if __name__ == "__main__":
    main()
