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
# The first process of a host without systemd only reaps children, and a policy forbids packages to start
# services.
PLAIN_INIT = ("python3", "-c", "import signal as s; s.signal(s.SIGCHLD, s.SIG_IGN)\nwhile True: s.pause()")
MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")
POLICY = "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d"


def create(
    name: str,
    release: str,
    *,
    systemd: bool = True,
    mounts: bool = False,
    network: bool = False,
    shared: str = "",
    owner: str = "",
) -> str:
    """Start a fresh host, wait until it has booted, and return its address. An older host of that name is removed.

    mounts: the host may mount, as a machine may, so that systemd gives units their own view of the files.
    network: the host may change its addresses, and send packets of any kind.
    shared: a folder that is the same on all hosts that name it, FOLDER:MOUNTED, as one of a file server would be.
    owner: the clone that the host belongs to; when that folder no longer exists, a later call may remove the host.
    Raises HostError.
    """
    _check(name)
    machine.require_tools()
    source = image.ensure(release)
    _remove_orphans()
    destroy(name)
    folder = machine.folder(name)
    archives, wheels = folder / f"apt-{release}", machine.cache() / f"uv-{release}"
    archives.mkdir(parents=True)
    wheels.mkdir(exist_ok=True)
    _link_packages(machine.cache() / archives.name, archives)
    volumes = [f"{archives}:/var/cache/apt/archives", f"{wheels}:/var/cache/grove/uv"]
    if bundle := machine.certificates():
        volumes.append(f"{bundle}:{BUNDLE}:ro")
    if shared:
        Path(shared.partition(":")[0]).mkdir(parents=True, exist_ok=True)
        volumes.append(shared)
    machine.podman(
        *("run", "--detach", "--name", name, "--hostname", name),
        *("--label", "grove.host=yes", "--label", f"grove.owner={owner}"),
        *(f"--volume={volume}" for volume in volumes),
        # A handover of Apache sets this where it may; a container may not.
        *(("--sysctl=net.ipv4.tcp_migrate_req=1",) if MIGRATE.exists() else ()),
        # SYS_PTRACE: root enters the view of a unit.
        *(("--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE", "--security-opt=unmask=ALL") if mounts else ()),
        *(("--cap-add=NET_ADMIN", "--cap-add=NET_RAW") if network else ()),
        *(("--systemd=always", source) if systemd else ("--systemd=false", source, *PLAIN_INIT)),
    )
    machine.note_pid_file(name)
    if systemd:
        _wait_until_booted(name)
    else:
        machine.podman("exec", name, "sh", "-c", POLICY)
    return machine.address(name)


def restart(name: str, *, wait: bool = True) -> str:
    """Shut the host down, start it, wait until it has booted, and return its address, which may be another one.

    wait: without it, the host still boots when this returns.
    The processes of a host without systemd end, and nothing starts them. Raises HostError.
    """
    _check(name)
    machine.require_tools()
    systemd = machine.podman("inspect", "--format", "{{.Config.SystemdMode}}", name).strip() == "true"
    # systemd gives a service 90 seconds to end, and then those that it needs. podman alone would kill all after 10.
    with machine.commands_continue(name):
        machine.podman("stop", f"--time={200 if systemd else 0}", name, timeout=260)
    machine.podman("start", name)
    machine.note_pid_file(name)
    if systemd and wait:
        # The agents of a control plane may need more than a minute for their start.
        _wait_until_booted(name, 300)
    return machine.address(name)


def start(name: str, address: str) -> None:
    """Start a host that has stopped, or is stopping, at its former address. Raises HostError."""
    _check(name)
    # What podman does after the end of a host gives the address back. Without its network, it would keep the address.
    machine.podman("wait", "--condition=stopped", name)
    machine.podman("container", "cleanup", name)
    # podman would give it another address. An attempt that found the address in use has left the host no network.
    with contextlib.suppress(machine.HostError):
        machine.podman("network", "disconnect", "podman", name)
    machine.podman("network", "connect", "--ip", address, "podman", name)
    machine.podman("start", name)
    machine.note_pid_file(name)


def destroy(name: str) -> None:
    """Remove the host, its volumes and its folder. Later hosts use the Debian packages that it fetched."""
    _check(name)
    machine.podman("rm", "--force", "--ignore", "--time=0", "--volumes", name)
    folder = machine.folder(name)
    for archives in folder.glob("apt-*"):
        _link_packages(archives, machine.cache() / archives.name)
    shutil.rmtree(folder, ignore_errors=True)


def _check(name: str) -> None:
    if not re.fullmatch(r"grove-[a-z0-9-]{1,57}", name):
        raise machine.HostError(f"the name of a host is grove- and lower-case letters, digits and hyphens, not {name}")


def _link_packages(source: Path, target: Path) -> None:
    # Hard links, because apt locks its folder, so that each host needs one. A package with its final name is complete.
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
    """Run the verb of the command line; exit with status 1 and one line if a host cannot be made, used or removed."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    create_options = verbs.add_parser("create", help="start a fresh host and print its address")
    create_options.add_argument("name")
    create_options.add_argument("release", choices=image.RELEASES)
    flag = argparse.BooleanOptionalAction
    create_options.add_argument("--systemd", action=flag, default=True, help="run systemd (default)")
    create_options.add_argument("--mounts", action=flag, default=False, help="let the host mount, as a machine may")
    create_options.add_argument("--network", action=flag, default=False, help="let the host change its addresses")
    create_options.add_argument("--shared", default="", help="FOLDER:MOUNTED, a folder that several hosts have")
    create_options.add_argument("--owner", default="", help="the clone that the host belongs to")
    restarted = verbs.add_parser("restart", help="shut a host down, start it and print its address")
    restarted.add_argument("name")
    restarted.add_argument("--no-wait", action="store_true", help="do not wait until it has booted")
    verbs.add_parser("destroy", help="remove a host and its files").add_argument("name")
    exec_options = verbs.add_parser("exec", help="run a command on a host")
    exec_options.add_argument("name")
    exec_options.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        match options.verb:
            case "create":
                chosen = {name: getattr(options, name) for name in ("systemd", "mounts", "network", "shared", "owner")}
                print(create(options.name, options.release, **chosen))
            case "restart":
                print(restart(options.name, wait=not options.no_wait))
            case "destroy":
                destroy(options.name)
            case "exec":
                terminal = ["--tty"] if sys.stdin.isatty() else []
                command = options.command or ["bash"]
                os.execvp("podman", ["podman", "exec", "--interactive", *terminal, options.name, *command])
    except machine.HostError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


if __name__ == "__main__":
    main()
