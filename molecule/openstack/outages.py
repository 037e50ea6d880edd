"""Servers and volumes that clients create while a part of the control plane is away."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
from cloud import Cloud
from served import Host, wait_for

CLIENTS = Path(__file__).with_name("outage_clients.py")
STUCK = Path(__file__).with_name("stuck_servers.py")
STOP = "/run/outage-clients-stop"
# Seconds after which nothing may be shown as being built.
SETTLED = 180
KINDS = ("server", "volume")
# Creations of each kind that say something of an outage, and seconds until they have to be acknowledged after it.
LEAST = 6
BACK = 300
QUOTAS = "--instances -1 --cores -1 --ram -1 --ports -1 --volumes -1 --gigabytes -1"


@dataclass(frozen=True)
class Clients:
    """Clients on the host that create servers and volumes. ``journal`` is their file on the host."""

    host: Host
    settings: dict[str, Any]
    journal: str

    @contextlib.contextmanager
    def creating(self) -> Iterator[None]:
        """Create while the block runs. The host may stop meanwhile."""
        self.host.run("rm", "-f", STOP)
        command = [*machine.enter(self.host.container), "python3", "-", *self._words("create", STOP)]
        with CLIENTS.open() as program, subprocess.Popen(command, stdin=program, stderr=subprocess.DEVNULL) as clients:
            try:
                yield
            finally:
                with contextlib.suppress(machine.HostError):
                    self.host.try_run("touch", STOP)
                clients.wait(timeout=120)

    def result(self, seconds: float) -> dict[str, Any]:
        """Return what was acknowledged and what exists; see outage_clients.py."""
        words = self._words("result", str(seconds))
        answer: dict[str, Any] = json.loads(self.host.run("python3", "-", *words, stdin=CLIENTS.read_text()))
        return answer

    def acknowledged(self, kind: str) -> int:
        """Return how many servers or volumes were acknowledged until now."""
        lines = map(json.loads, self.host.run("cat", self.journal).splitlines())
        return sum(line["kind"] == kind and line["status"] == 202 for line in lines)

    def _words(self, verb: str, argument: str) -> list[str]:
        return [verb, self.journal, argument, json.dumps(self.settings)]


def clients(admin: Cloud, name: str, number: int = 1) -> Clients:
    """Return clients with a journal of their own, ``number`` of each kind. What they need is made if missing."""
    if "outage" not in {one["Name"] for one in admin.show("openstack flavor list --all")}:
        admin.run("openstack flavor create --ram 64 --disk 1 --vcpus 1 outage")
        admin.run("sh -c 'head -c 65536 /dev/urandom >/run/outage.raw'")
        admin.run("openstack image create --public --disk-format raw --file /run/outage.raw outage")
        admin.run("openstack network create outage")
        admin.run("openstack subnet create --network outage --subnet-range 10.64.0.0/16 outage")
        admin.run(f"openstack quota set {QUOTAS} admin")
    token = admin.show("openstack token issue")
    return Clients(
        admin.host,
        {
            "token": token["id"],
            "flavor": admin.show("openstack flavor show outage")["id"],
            "image": admin.show("openstack image show outage")["id"],
            "network": admin.show("openstack network show outage")["id"],
            "compute": "http://127.0.0.1:8774/v2.1",
            "volume": "http://127.0.0.1:8776/v3",
            "clients": number,
        },
        f"/var/tmp/outage-{name}.jsonl",
    )


def during_outage(clients: Clients, unit: str, seconds: float, settled: float = SETTLED) -> dict[str, Any]:
    """Stop a server of the host for some seconds while clients create; return what was acknowledged and what exists.

    The clients go on for 20 seconds, and until ``LEAST`` creations of each kind were acknowledged, ``BACK`` seconds at
    most.
    The result is waited for until nothing is shown as being built, or for ``settled`` seconds.
    """
    with clients.creating():
        time.sleep(5)
        clients.host.run("systemctl", "stop", unit)
        time.sleep(seconds)
        clients.host.run("systemctl", "start", unit)
        time.sleep(20)
        # A busy machine needs longer until the server is back, and for each creation.
        wait_for(lambda: "yes" if all(clients.acknowledged(kind) >= LEAST for kind in KINDS) else "", BACK)
    return clients.result(settled)


def stuck(control: Host, servers: list[str]) -> str:
    """Return what nova's databases and the journals of its agents hold about servers; for the message of a check."""
    if not servers:
        return ""
    release = f"/srv/wsgi/nova/releases/{control.live('nova')[1]}"
    arguments = [f"{release}/etc/nova.conf", *servers]
    rows = control.try_run("/srv/wsgi/nova/run", "python", "-", *arguments, stdin=STUCK.read_text())
    pattern = "|".join(servers)
    journal = control.try_run("journalctl", "--no-pager", "--lines=60", f"--grep={pattern}", "--unit=grove-nova-*")
    agent = control.try_run("journalctl", "--no-pager", "--lines=40", "--unit=grove-nova-lost-builds")
    return "\n".join([rows.stdout, rows.stderr[-2000:], journal.stdout, agent.stdout])


def check_ends(control: Host, result: dict[str, Any]) -> None:
    """Check that everything that was acknowledged exists and has an end."""
    problems = (result["missing"], result["building"])
    assert problems == ([], []), f"{result}\n{stuck(control, [*result['missing'], *result['building']])}"


def check(control: Host, result: dict[str, Any]) -> None:
    """Check that everything that was acknowledged has an end, and that nothing else was answered but 503."""
    check_ends(control, result)
    assert (result["without_retry_after"], result["other"]) == ([], []), result
