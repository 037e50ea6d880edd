#!/usr/bin/env python3
"""From a fresh host to a server that is ACTIVE, and what each service takes of that, in time and in memory.

Run as root: `bench/control_plane.py [--release bookworm] [--rounds N] [--keep]`. It makes a fresh host, types what the
documentation says (`./grove site -i inventory/openstack`, then the clients' commands), runs the site again, and prints
tables. The wheels are downloaded anew. Nothing else should run on the machine.
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
BACKING = {"mysql": "MariaDB", "rabbitmq": "RabbitMQ", "memcache": "memcached", "root": "Apache, systemd, journal"}


def shares(printed: str) -> dict[str, float]:
    """Return the seconds that the steps of each application took on the host: build, hooks and switch.

    Agents, which start together, have a row of their own. So have the first play, with the servers that they lean on,
    and what is none of these.
    """
    told = json.loads(printed[printed.index("{") :])
    first, whole = duration(told["plays"][0]), sum(duration(play) for play in told["plays"])
    found: dict[str, float] = {}
    results = [result for play in told["plays"] for task in play["tasks"] for result in task["hosts"].values()]
    for item in (item for result in results for item in result.get("results", [])):
        took = item.get("seconds")
        if isinstance(item.get("item"), str) and took:
            spent = sum(took.values()) if isinstance(took, dict) else float(took)
            found[item["item"]] = found.get(item["item"], 0.0) + spent
    found["agents"] = sum(float(result["seconds"]) for result in results if "restarted" in result)
    rest = whole - first - sum(found.values())
    return {**found, "MariaDB, RabbitMQ, memcached": first, "packages, mod_wsgi, Apache, clients, Ansible": rest}


def duration(play: dict[str, Any]) -> float:
    """Return the seconds of a play."""
    moments = [datetime.fromisoformat(play["play"]["duration"][key]) for key in ("start", "end")]
    return (moments[1] - moments[0]).total_seconds()


def memory(host: str) -> dict[str, float]:
    """Return the megabytes of each account's processes, shared pages divided among those that share them (Pss)."""
    # From outside: root of a container may not look into other accounts' processes.
    listed = subprocess.run(["podman", "top", host, "user", "hpid"], capture_output=True, text=True, check=True)
    found: dict[str, float] = {}
    for row in listed.stdout.splitlines()[1:]:
        account, pid = row.split()
        try:
            text = Path("/proc", pid, "smaps_rollup").read_text()
        except OSError:
            continue
        pss = re.search(r"(?m)^Pss:\s+(\d+) kB", text)
        found[account] = found.get(account, 0.0) + (int(pss.group(1)) / 1000 if pss else 0.0)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the last host")
    asked = parser.parse_args()
    figures: dict[str, list[float]] = {}
    for number in range(asked.rounds):
        host = fresh("grove-bench-openstack", asked.release)
        site, printed = on(host, SITE.replace("./grove", f"{JSON} ./grove"))
        made, said = on(host, SERVER)
        assert said.split()[-1] == "ACTIVE", said
        used = memory(host)
        again, second = on(host, SITE)
        changed = re.search(r"changed=(\d+)", second)
        figures.setdefault("fresh host to ACTIVE server, s", []).append(site + made)
        figures.setdefault("of that, ./grove site", []).append(site)
        figures.setdefault("of that, the clients' commands", []).append(made)
        figures.setdefault("second run, s", []).append(again)
        figures.setdefault("second run, changed", []).append(float(changed.group(1)) if changed else -1)
        figures.setdefault("memory of the whole, MB", []).append(sum(used.values()))
        if number == asked.rounds - 1:
            spent = shares(printed)
    print(f"{asked.release}, {os.cpu_count()} cores, {asked.rounds} rounds\n\n| what | median | each |\n|---|---|---|")
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.1f} | {', '.join(f'{value:.1f}' for value in values)} |")
    print("\n| application | build, hooks and switch, s | share of ./grove site |\n|---|---|---|")
    for name, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        print(f"| {name} | {seconds:.1f} | {seconds / figures['of that, ./grove site'][-1]:.0%} |")
    print("\n| account | memory, MB (Pss) |\n|---|---|")
    for name, size in sorted(used.items(), key=lambda pair: -pair[1]):
        print(f"| {BACKING.get(name, name)} | {size:.0f} |")
    if not asked.keep:
        subprocess.run([HOST, "destroy", host], check=True)


if __name__ == "__main__":
    main()
