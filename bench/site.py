#!/usr/bin/env python3
"""Compares a whole deployment with a plain shell script, and measures a second run and a second release.

Run as root: `bench/site.py [--rounds N] [--release bookworm]`. It makes two fresh hosts a round, runs `bench/plain.sh`
on one and `./grove site` on the other, and prints a table with medians. Each of the two goes first in every second
round. Both install the same Debian packages from the same local folder, and both download their wheels anew. Nothing
else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess

from fresh_host import BUNDLE, CHECKOUT, FRONT, HOST, fresh, on

# The records that plain.sh knows.
SITE = f"{FRONT} ./grove site -e uv_cache=/var/cache/uv-bench -e '{{\"wsgi_services\": []}}'"
PLAIN = (
    f"SSL_CERT_FILE={BUNDLE} PIP_CERT={BUNDLE} UV_CACHE_DIR=/var/cache/uv-bench sh {CHECKOUT}/bench/plain.sh {CHECKOUT}"
)
JSON = "ANSIBLE_STDOUT_CALLBACK=ansible.posix.json"
CHANGED = CHECKOUT + "/wsgi/pecan_test_project/pecan_test_project/controllers/root.py"


def disk(host: str) -> int:
    """Return the bytes of the releases and caches on disk; a file with several names counts once."""
    return int(on(host, "du -s --block-size=1 --total /srv/wsgi /var/cache/uv-bench | tail -n 1")[1].split()[0])


def second_release(host: str) -> tuple[float, float, int]:
    """Change one source file; return seconds of the build on the host, of the whole run, and bytes of new disk."""
    before = disk(host)
    on(host, f"printf '\\n# changed\\n' >>{CHANGED}")
    run_seconds, printed = on(host, SITE.replace("./grove", f"{JSON} ./grove"))
    ran = json.loads(printed[printed.index("{") :])
    tasks = [task for play in ran["plays"] for task in play["tasks"] if "Build the release" in task["task"]["name"]]
    built = [result for task in tasks for result in task["hosts"]["localhost"]["results"] if result["item"] == "test1"]
    return sum(built[0]["seconds"].values()), run_seconds, disk(host) - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    options = parser.parse_args()
    figures: dict[str, list[float]] = {}
    hosts: list[str] = []
    for number in range(options.rounds):
        times = {}
        for way in ("plain", "grove") if number % 2 == 0 else ("grove", "plain"):
            host = fresh(f"grove-bench-{way}{number}", options.release)
            hosts.append(host)
            times[way], _ = on(host, PLAIN if way == "plain" else SITE)
            if way == "grove":
                second, printed = on(host, SITE)
                changed = re.search(r"changed=(\d+)", printed)
                build, run, more = second_release(host)
                figures.setdefault("second run, s", []).append(second)
                figures.setdefault("second run, changed", []).append(float(changed.group(1)) if changed else -1)
                figures.setdefault("second release of three apps: build of one on the host, s", []).append(build)
                figures.setdefault("second release of three apps: the whole run, s", []).append(run)
                figures.setdefault("second release: new disk for each app, MB", []).append(more / 3e6)
        figures.setdefault("plain shell script, s", []).append(times["plain"])
        figures.setdefault("./grove site, s", []).append(times["grove"])
        figures.setdefault("ratio", []).append(times["grove"] / times["plain"])
    # Only now, because the removal of many files slows the file system down for minutes.
    for host in hosts:
        subprocess.run([HOST, "destroy", host], check=True)
    print(f"{options.release}, {os.cpu_count()} cores, {options.rounds} rounds\n")
    print("| what | median | each |\n|---|---|---|")
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.2f} | {', '.join(f'{value:.2f}' for value in values)} |")


if __name__ == "__main__":
    main()
