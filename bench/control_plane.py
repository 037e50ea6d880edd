#!/usr/bin/env python3
"""Measures the time from a fresh host to a server that is ACTIVE, and each service's share of time and memory.

Run as root: `bench/control_plane.py [--release bookworm] [--rounds N] [--keep]`. It makes a fresh host, runs
the commands of the documentation (`./grove site -i inventory/openstack`, then the clients' commands), runs the site
again, asks for the status, deploys nova with a changed option, and prints tables. It downloads the wheels anew. Nothing
else should run on the machine.
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
SERVER = """set -e
. /etc/openstack/openrc
openstack flavor create --ram 64 --disk 1 --vcpus 1 tiny
head -c 65536 /dev/urandom >/run/disk.raw
openstack image create --public --disk-format raw --file /run/disk.raw plain
openstack network create net
openstack subnet create --network net --subnet-range 192.0.2.0/24 sub
openstack server create --wait --flavor tiny --image plain --network net first -f value -c status
"""
ACCOUNTS = {"mysql": "MariaDB", "rabbitmq": "RabbitMQ", "memcache": "memcached", "root": "Apache, systemd, journal"}


def shares(printed: str) -> dict[str, float]:
    """Return the seconds that the steps of each application took on the host: build, hooks and switch.

    ``printed`` is the output of Ansible's JSON callback. There are three more rows: the agents, which start together;
    the first play, which starts the database, the message bus and the cache; and the rest of the run.
    """
    ran = json.loads(printed[printed.index("{") :])
    servers_seconds, total_seconds = duration(ran["plays"][0]), sum(duration(play) for play in ran["plays"])
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="do not remove the last host")
    options = parser.parse_args()
    figures: dict[str, list[float]] = {}
    for number in range(options.rounds):
        host = fresh("grove-bench-openstack", options.release)
        site, printed = on(host, SITE.replace("./grove", f"{JSON} ./grove"))
        server, output = on(host, SERVER)
        assert output.split()[-1] == "ACTIVE", output
        used = memory(host)
        second_seconds, second = on(host, SITE)
        recap = {key: int(number) for key, number in re.findall(r"(ok|changed|skipped)=(\d+)", second)}
        for name, plays in PLAYS.items():
            on(host, f"printf %s '{json.dumps(plays)}' >/root/{name}.yml")
            on(host, ALONE.format(name))
        alone, call = (on(host, ALONE.format(name))[0] for name in PLAYS)
        on(host, STATUS)
        figures.setdefault("fresh host to ACTIVE server, s", []).append(site + server)
        figures.setdefault("of that, ./grove site", []).append(site)
        figures.setdefault("of that, the clients' commands", []).append(server)
        figures.setdefault("second run, s", []).append(second_seconds)
        for key, number in recap.items():
            figures.setdefault(f"second run, tasks {key}", []).append(number)
        figures.setdefault("status, s", []).append(on(host, STATUS)[0])
        figures.setdefault("deploy of nova with a changed option, s", []).append(on(host, DEPLOY)[0])
        figures.setdefault("Ansible alone, a play without tasks, s", []).append(alone)
        figures.setdefault("Ansible alone, a play with one call of a module, s", []).append(call)
        figures.setdefault("memory of the whole, MB", []).append(sum(used.values()))
        if number == options.rounds - 1:
            seconds_of = shares(printed)
    print(f"{options.release}, {os.cpu_count()} cores, {options.rounds} rounds\n")
    print("| what | median | each |\n|---|---|---|")
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.1f} | {', '.join(f'{value:.1f}' for value in values)} |")
    print("\n| application | build, hooks and switch, s | share of ./grove site |\n|---|---|---|")
    for name, seconds in sorted(seconds_of.items(), key=lambda pair: -pair[1]):
        print(f"| {name} | {seconds:.1f} | {seconds / figures['of that, ./grove site'][-1]:.0%} |")
    print("\n| account | memory, MB (Pss) |\n|---|---|")
    for name, size in sorted(used.items(), key=lambda pair: -pair[1]):
        print(f"| {ACCOUNTS.get(name, name)} | {size:.0f} |")
    if not options.keep:
        subprocess.run([HOST, "destroy", host], check=True)


if __name__ == "__main__":
    main()
