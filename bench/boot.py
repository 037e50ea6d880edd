#!/usr/bin/env python3
"""Measures how long a host with three applications takes to answer after a start of Apache, and the first requests.

Run as root: `bench/boot.py [--rounds N] [--release bookworm]`. It makes a fresh host, and deploys the records of the
local inventory with one process each, so that the first request after a start is the first request of a process. In
each round, it stops Apache, starts it, and asks all applications every 5 ms until they have answered. It then waits
until Apache has done nothing for some seconds, and sends twenty requests, one after the other, to each application.
The program prints medians. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from typing import Any

import yaml
from fresh_host import CHECKOUT, FRONT, HOST, REPOSITORY, fresh, on

# Paths that the applications answer with 200.
TARGETS = {8080: "/", 8081: "/", 8082: "/shop/"}
REQUESTS = 20
# Runs on the host: prints the seconds until each application has answered, and the milliseconds of the requests.
ROUND = f"""
import http.client, json, subprocess, threading, time
targets = {TARGETS!r}

def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status

def wait(port, path):
    while True:
        try:
            if ask(port, path) == 200:
                answered[port] = time.monotonic() - begun
                return
        except OSError:
            pass
        time.sleep(0.005)

answered, requests = {{}}, {{}}
subprocess.run(["systemctl", "stop", "apache2"], check=True)
begun = time.monotonic()
threads = [threading.Thread(target=wait, args=one) for one in targets.items()]
for thread in threads:
    thread.start()
subprocess.run(["systemctl", "start", "apache2"], check=True)
for thread in threads:
    thread.join()
subprocess.run(["systemctl", "restart", "apache2"], check=True)
time.sleep(4)
for port, path in targets.items():
    requests[port] = []
    for _ in range({REQUESTS}):
        sent = time.perf_counter()
        assert ask(port, path) == 200
        requests[port].append((time.perf_counter() - sent) * 1000)
print(json.dumps([answered, requests]))
"""


def records() -> list[dict[str, Any]]:
    """Return the records of the local inventory, with one process each."""
    text = (REPOSITORY / "inventory" / "local" / "group_vars" / "all" / "main.yml").read_text()
    apps: list[dict[str, Any]] = yaml.safe_load(text)["wsgi_apps"]
    return [{**app, "processes": 1} for app in apps]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    options = parser.parse_args()
    host = fresh("grove-bench-boot", options.release)
    (variables := REPOSITORY / ".cache" / "boot.json").write_text(
        json.dumps({"wsgi_apps": records(), "wsgi_services": []})
    )
    subprocess.run(["podman", "cp", variables, f"{host}:{CHECKOUT}/boot.json"], check=True)
    on(host, f"{FRONT} ./grove site -e @boot.json")
    (script := REPOSITORY / ".cache" / "boot_round.py").write_text(ROUND)
    subprocess.run(["podman", "cp", script, f"{host}:/root/boot_round.py"], check=True)
    rounds = [json.loads(on(host, "python3 /root/boot_round.py")[1]) for _ in range(options.rounds)]
    subprocess.run([HOST, "destroy", host], check=True)
    last = [max(answered.values()) for answered, _ in rounds]
    print(
        f"all applications have answered: {statistics.median(last):.2f} s ({', '.join(f'{one:.2f}' for one in last)})"
    )
    print("\n| port | first request, ms | second | tenth | first / tenth |\n" + "|---" * 5 + "|")
    for port in TARGETS:
        series = [requests[str(port)] for _, requests in rounds]
        first, second, tenth = (statistics.median(one[place] for one in series) for place in (0, 1, 9))
        print(f"| {port} | {first:.2f} | {second:.2f} | {tenth:.2f} | {first / tenth:.2f} |")


if __name__ == "__main__":
    main()
