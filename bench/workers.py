#!/usr/bin/env python3
"""Compares the throughput of the defaults (workers from memory, module for slow clients) with 2 x 64 bare workers.

Run as root: `bench/workers.py [--rounds N] [--seconds N] [--release bookworm]`. It makes one fresh host, deploys the
local inventory's records, and sets both ways up one after the other in each round. ab (Debian: apache2-utils) asks
for one page from this machine, with kept connections. It prints medians and ratios of the requests a second, and of the
processor time of the host for a request, which depends less on what else the machine does. Nothing else should run.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess

from fresh_host import CPU_TIME, FRONT, HOST, fresh, on

WAYS = {
    "2 x 64 workers, no module": '{"httpd_server_limit": 2, "httpd_threads_per_child": 64, "httpd_guard": false}',
    "the defaults": "{}",
}
RECORDS = '{"wsgi_services": [], "wsgi_app_listen_address": "*"}'
PORT = 8080
# Seconds after a start in which threads, caches and the application do things for the first time.
WARM_UP = 3


def measure(host: str, address: str, clients: int, seconds: float) -> tuple[float, float]:
    """Return the answers a second, and the host's processor time in microseconds for each; fails when one failed."""
    begun = int(on(host, CPU_TIME)[1])
    command = ["ab", "-q", "-k", "-c", str(clients), "-t", str(seconds), "-n", "10000000", f"http://{address}:{PORT}/"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [failed] = re.findall(r"Failed requests:\s+(\d+)", output)
    assert failed == "0", output
    used = int(on(host, CPU_TIME)[1]) - begun
    [answers] = re.findall(r"Complete requests:\s+(\d+)", output)
    [per_second] = re.findall(r"Requests per second:\s+([\d.]+)", output)
    return float(per_second), used / 1000 / int(answers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    options = parser.parse_args()
    host = fresh("grove-bench-workers", options.release)
    address = on(host, "hostname -I")[1].split()[0]
    figures: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(options.rounds):
        for way in list(WAYS) if number % 2 == 0 else list(WAYS)[::-1]:
            on(host, f"{FRONT} ./grove site -e '{RECORDS}' -e '{WAYS[way]}'")
            for clients in (8, 64):
                measure(host, address, clients, WARM_UP)
            for clients in (8, 64):
                figures.setdefault((way, clients), []).append(measure(host, address, clients, options.seconds))
    subprocess.run([HOST, "destroy", host], check=True)
    first = next(iter(WAYS))
    print("| way | clients | requests a second | ratio | each | us of CPU for a request | ratio |\n" + "|---" * 7 + "|")
    for (way, clients), pairs in sorted(figures.items(), key=lambda item: (item[0][1], item[0][0])):
        rate, cpu = (statistics.median(values) for values in zip(*pairs, strict=True))
        rate_before, cpu_before = (statistics.median(values) for values in zip(*figures[first, clients], strict=True))
        each = ", ".join(f"{rate:.0f}" for rate, _ in pairs)
        rates = f"{rate:.0f} | {rate / rate_before:.2f} | {each}"
        print(f"| {way} | {clients} | {rates} | {cpu:.0f} | {cpu / cpu_before:.2f} |")


if __name__ == "__main__":
    main()
