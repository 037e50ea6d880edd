"""Asks a server of this host for one URL by wrk, and prints what wrk says and what the host used. Needs root.

Usage: load_on_host.py URL --wait SECONDS --warm-up SECONDS --seconds SECONDS --unit UNIT... --clients N...

It needs the standard library alone. It waits until the URL is answered with 200, and fails when it is not. It prints
one object of JSON: `answer`, the text of that answer; `processes`, the numbers of the processes of the units; and
`loads`, a list with an object for each number of clients. This has `wrk`, the output of wrk; `server_cpu`, the host's
processor seconds without those of wrk; `others_cpu`, those of the machine outside of the host; `elapsed`, in seconds;
and `load`, the machine's load average of a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
LATE = 10
"""Seconds after which wrk counts a request as failed. A busy server of 2 000 clients may need some seconds for each."""
PAUSE = 0.1
WARM_UP_CLIENTS = 8


def host_cpu() -> float:
    """Return the processor seconds of all programs of this host since its start, by control groups (v1 or v2)."""
    first = GROUPS / "cpuacct" / "cpuacct.usage"
    if first.exists():
        return int(first.read_text()) / 1e9
    lines = (GROUPS / "cpu.stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("usage_usec ")) / 1e6


def machine_cpu() -> float:
    """Return the processor seconds that the machine was not idle since its start (proc(5))."""
    user, nice, system, _, _, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def processes(unit: str) -> list[int]:
    """Return the numbers of the processes of a unit of systemd."""
    command = ["systemctl", "show", "--property=ControlGroup", "--value", unit]
    group = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    [root, *_] = [folder for folder in (GROUPS / "systemd", GROUPS) if (folder / "cgroup.procs").exists()]
    return [int(line) for path in (root / group[1:]).rglob("cgroup.procs") for line in path.read_text().split()]


def wait(url: str, seconds: float) -> str:
    """Wait until the URL is answered with 200, and return the answer. Ends the program when it is not."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=seconds) as answer:
                return str(answer.read(), "utf-8")
        except OSError as error:
            if time.monotonic() > end:
                sys.exit(f"{url} is not answered with 200 after {seconds:.0f} s: {error}")
            time.sleep(PAUSE)


def children() -> float:
    """Return the processor seconds of the programs that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ask(url: str, clients: int, seconds: int) -> dict[str, object]:
    """Send requests for some seconds; return what the host used. Raises CalledProcessError."""
    command = ["wrk", "--latency", f"--timeout={LATE}s", f"--threads={min(2, clients)}", f"--connections={clients}"]
    begun, wrk, host, machine = time.monotonic(), children(), host_cpu(), machine_cpu()
    output = subprocess.run(
        [*command, f"--duration={seconds}s", url], capture_output=True, text=True, check=True
    ).stdout
    wrk, host, machine = children() - wrk, host_cpu() - host, machine_cpu() - machine
    return {
        "wrk": output,
        "server_cpu": host - wrk,
        "others_cpu": machine - host,
        "elapsed": time.monotonic() - begun,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--wait", type=float, default=60)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--unit", action="append", default=[])
    parser.add_argument("--clients", type=int, action="append", default=[])
    options = parser.parse_args()
    # wrk has a connection for each client, and systemd's limit for a command is often 1 024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    answer = wait(options.url, options.wait)
    if options.warm_up:
        ask(options.url, WARM_UP_CLIENTS, options.warm_up)
    loads = [ask(options.url, clients, options.seconds) for clients in options.clients]
    numbers = [one for unit in options.unit for one in processes(unit)]
    print(json.dumps({"answer": answer, "loads": loads, "processes": numbers}))


if __name__ == "__main__":
    main()
