#!/usr/bin/env python3
"""Measures the time from a fresh host to a server that is ACTIVE, and each service's share of time and memory.

Run as root: `bench/control_plane.py [--release bookworm] [--rounds N] [--keep]`. It makes a fresh host, runs
the commands of the documentation (`./grove site -i inventory/openstack`, then the clients' commands), runs the site
again, asks for the status, deploys nova with a changed option, restarts the host, and prints tables. It downloads the
wheels anew.

With `--deployed HOST` it measures a host that an earlier call has kept, from the second run on, and removes no host.

Nothing else should run on the machine. Where that cannot be, the processor's seconds of a command say more than its
duration; the tables have both, and the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from fresh_host import FRONT, HOST, fresh, on

SITE = f"{FRONT} ./grove site -i inventory/openstack -e uv_cache=/var/cache/uv-bench"
STATUS = f"{FRONT} ./grove status -i inventory/openstack"
CHANGED = {"nova_config": {"api": {"max_limit": 999}}}
DEPLOY = f"{SITE.replace(' site ', ' deploy ')} -e app=nova -e '{json.dumps(CHANGED)}'"
# What Ansible needs for a play without tasks, and for a task that calls a module of the host.
ALONE = f"{FRONT} .venv/bin/ansible-playbook -i inventory/openstack /root/{{}}.yml"
PLAYS = {
    "nothing": [{"hosts": "wsgi", "gather_facts": False, "tasks": []}],
    "call": [{"hosts": "wsgi", "gather_facts": False, "tasks": [{"ansible.builtin.command": "/bin/true"}]}],
}
JSON = "ANSIBLE_STDOUT_CALLBACK=ansible.posix.json"
CLOUD = """set -e
. /etc/openstack/openrc
openstack flavor create --ram 64 --disk 1 --vcpus 1 tiny
head -c 65536 /dev/urandom >/run/disk.raw
openstack image create --public --disk-format raw --file /run/disk.raw plain
openstack network create net
openstack subnet create --network net --subnet-range 192.0.2.0/24 sub
"""
SERVER = f"""{CLOUD}
openstack server create --wait --flavor tiny --image plain --network net first -f value -c status
"""
# A host that something else has deployed has no flavor yet.
CLOUD_ONCE = f". /etc/openstack/openrc; openstack flavor show tiny >/dev/null 2>&1 || {{ {CLOUD} }}"
ACCOUNTS = {"mysql": "MariaDB", "rabbitmq": "RabbitMQ", "memcache": "memcached", "root": "Apache, systemd, journal"}


class Figures(dict[str, list[float]]):
    """The values of each figure, one for each round."""

    def add(self, name: str, value: float) -> None:
        """Add the value of a round."""
        self.setdefault(name, []).append(value)

    def table(self) -> str:
        """Return the figures as a table."""
        rows = [
            f"| {name} | {statistics.median(values):.1f} | {', '.join(f'{value:.1f}' for value in values)} |"
            for name, values in self.items()
        ]
        return "\n".join(["| what | median | each |", "|---|---|---|", *rows])


def shares(printed: str) -> dict[str, float]:
    """Return the seconds that the steps of each application took on the host: build, hooks and switch.

    ``printed`` is the output of Ansible's JSON callback. There are three more rows: the agents, which start together;
    the first play, which starts the database, the message bus and the cache; and the rest of the run.
    """
    ran = json.loads(printed[printed.index("{") :])
    # A play without hosts, as those of a fleet, has no end.
    plays = [play for play in ran["plays"] if "end" in play["play"]["duration"]]
    servers_seconds, total_seconds = duration(plays[0]), sum(map(duration, plays))
    seconds_of: dict[str, float] = {}
    results = [result for play in ran["plays"] for task in play["tasks"] for result in task["hosts"].values()]
    for item in (item for result in results for item in result.get("results", [])):
        seconds = item.get("seconds")
        if isinstance(item.get("item"), str) and seconds:
            total = sum(seconds.values()) if isinstance(seconds, dict) else float(seconds)
            seconds_of[item["item"]] = seconds_of.get(item["item"], 0.0) + total
    seconds_of["agents"] = sum(float(result["seconds"]) for result in results if "restarted" in result)
    remaining = total_seconds - servers_seconds - sum(seconds_of.values())
    seconds_of["MariaDB, RabbitMQ, memcached"] = servers_seconds
    return {**seconds_of, "packages, mod_wsgi, Apache, clients, Ansible": remaining}


def timed(host: str, command: str) -> tuple[float, float, str]:
    """Run a command on a host; return its duration, the processor's seconds of its processes, and what it printed."""
    seconds, printed = on(host, f"{command}; status=$?; times; exit $status")
    # The last line of "times" is about the processes that have ended, with the minutes and seconds of user and system.
    parts = re.findall(r"(\d+)m([\d.]+)s", printed.splitlines()[-1])
    return seconds, sum(60 * int(minutes) + float(rest) for minutes, rest in parts), printed


def duration(play: dict[str, Any]) -> float:
    """Return the seconds of a play."""
    moments = [datetime.fromisoformat(play["play"]["duration"][key]) for key in ("start", "end")]
    return (moments[1] - moments[0]).total_seconds()


def memory(host: str) -> dict[str, float]:
    """Return the megabytes (Pss) of each account's processes. Processes that share a page each count a part of it."""
    # Read from outside: root of a container may not read the memory of other accounts' processes.
    listed = subprocess.run(["podman", "top", host, "user", "hpid"], capture_output=True, text=True, check=True)
    megabytes: dict[str, float] = {}
    for row in listed.stdout.splitlines()[1:]:
        account, pid = row.split()
        try:
            text = Path("/proc", pid, "smaps_rollup").read_text()
        except OSError:
            continue
        pss = re.search(r"(?m)^Pss:\s+(\d+) kB", text)
        megabytes[account] = megabytes.get(account, 0.0) + (int(pss.group(1)) / 1000 if pss else 0.0)
    return megabytes


def first_run(host: str, figures: Figures) -> dict[str, float]:
    """Deploy the control plane on a fresh host, and start a server; return each service's seconds of the deployment."""
    site, printed = on(host, SITE.replace("./grove", f"{JSON} ./grove"))
    server, output = on(host, SERVER)
    assert output.split()[-1] == "ACTIVE", output
    figures.add("fresh host to ACTIVE server, s", site + server)
    figures.add("of that, ./grove site", site)
    figures.add("of that, the clients' commands", server)
    return shares(printed)


def later_runs(host: str, figures: Figures) -> dict[str, float]:
    """Measure what follows a deployment; return the megabytes of each account's processes before that."""
    used = memory(host)
    figures.add("memory of the whole, MB", sum(used.values()))
    for name, plays in PLAYS.items():
        on(host, f"printf %s '{json.dumps(plays)}' >/root/{name}.yml")
    commands = {
        "second run": SITE,
        "status": STATUS,
        "deploy of nova with a changed option": DEPLOY,
        "Ansible alone, a play without tasks": ALONE.format("nothing"),
        "Ansible alone, a play with one call of a module": ALONE.format("call"),
    }
    # The first calls read their files from the disk.
    for name in PLAYS:
        on(host, ALONE.format(name))
    on(host, STATUS)
    for name, command in commands.items():
        seconds, processor, printed = timed(host, command)
        if command == SITE:
            for key, count in re.findall(r"(ok|changed|skipped)=(\d+)", printed):
                figures.add(f"second run, tasks {key}", int(count))
        figures.add(f"{name}, s", seconds)
        figures.add(f"{name}, s of the processor", processor)
    return used


def restart(host: str, figures: Figures) -> None:
    """Restart the host, and measure the time from its start to a server that is ACTIVE."""
    on(host, CLOUD_ONCE)
    subprocess.run([HOST, "restart", "--no-wait", host], check=True, stdout=subprocess.DEVNULL)
    program = Path(__file__).with_name("first_server.py").read_text()
    command = ["podman", "exec", "-i", host, "sh", "-c", ". /etc/openstack/openrc; exec python3 -"]
    measured = subprocess.run(command, input=program, capture_output=True, text=True, check=False)
    if measured.returncode:
        raise SystemExit(f"{host}: first_server.py\n{measured.stderr[-3000:]}")
    names = {"token": "the first token", "accepted": "the first accepted server", "active": "the first ACTIVE server"}
    for name, seconds in json.loads(measured.stdout).items():
        figures.add(f"host's start to {names[name]}, s", seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="do not remove the last host")
    parser.add_argument("--deployed", metavar="HOST", help="measure this host, which --keep has left")
    options = parser.parse_args()
    figures = Figures()
    seconds_of: dict[str, float] = {}
    for _ in range(options.rounds):
        host = options.deployed or fresh("grove-bench-openstack", options.release)
        if options.deployed:
            # The last measurement has changed an option of nova.
            on(host, SITE)
        else:
            seconds_of = first_run(host, figures)
        used = later_runs(host, figures)
        restart(host, figures)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{options.release}, {os.cpu_count()} cores, {options.rounds} rounds, load at the end {load}\n")
    print(figures.table())
    if seconds_of:
        print("\n| application | build, hooks and switch, s | share of ./grove site |\n|---|---|---|")
        for name, seconds in sorted(seconds_of.items(), key=lambda pair: -pair[1]):
            print(f"| {name} | {seconds:.1f} | {seconds / figures['of that, ./grove site'][-1]:.0%} |")
    print("\n| account | memory, MB (Pss) |\n|---|---|")
    for name, size in sorted(used.items(), key=lambda pair: -pair[1]):
        print(f"| {ACCOUNTS.get(name, name)} | {size:.0f} |")
    if not options.keep and not options.deployed:
        subprocess.run([HOST, "destroy", host], check=True)


if __name__ == "__main__":
    main()
