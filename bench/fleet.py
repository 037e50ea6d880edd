#!/usr/bin/env python3
"""Measures what runs cost in a fleet of 1, 2, 4 and 8 API hosts behind one load balancer.

Run as root: `bench/fleet.py [--hosts 1,2,4,8] [--serial N] [--seconds N] [--release bookworm] [--json FILE]
[--logs FOLDER]`

For each number, the program makes fresh hosts with an SSH server, and runs `./grove` on this machine, which is the
controller: the first `site` with the records of inventory/cluster, the second one, and `deploy` after one source file
has changed. Fleets of one and two API hosts then get requests from the load balancer's own wrk.

All hosts share this machine's cores, so a duration says little about hosts of their own. The program therefore prints
the processor time of the controller and that of the hosts, each from control groups. Other programs hardly change it.
--serial is `load_balancer_serial`: how many API hosts change at the same time. --logs keeps the output of each run, in
which `--profile` says how long each task took.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fresh_host import CHECKOUT, CPU_TIME, HOST, REPOSITORY, on, send_requests
from server_figures import parse_wrk
from servers import chosen, new_file, whole

SIZES = ("1", "2", "4", "8")
RUNS = ("first site", "second site", "release")
ASKED = 2
"""Fleets of at most so many API hosts get requests: more share the same cores."""
CLIENTS = 32
SETTLE = 3
"""Seconds of requests before those that are measured: threads, caches and the application begin."""
GROUPS = Path("/sys/fs/cgroup")
APP = "test1"
SOURCE = "pecan_test_project/controllers/root.py"
RECORDS = "inventory/cluster/group_vars/all/main.yml"
PREPARE = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -o Dpkg::Use-Pty=0 install --yes --no-install-recommends openssh-server $PACKAGES >/dev/null
mkdir -p -m 700 /root/.ssh
"""


@dataclass(frozen=True)
class Run:
    """One run. Processor times are in seconds: of the controller, of the load balancer, and of all API hosts."""

    hosts: int
    run: str
    duration: float
    controller: float
    load_balancer: float
    api_hosts: float

    @property
    def processor(self) -> float:
        """The processor time of all machines, in seconds."""
        return self.controller + self.load_balancer + self.api_hosts


@dataclass(frozen=True)
class Requests:
    """Requests through the load balancer. Processor times are in seconds for each request."""

    hosts: int
    per_second: float
    failed: dict[str, int]
    load_balancer: float
    api_hosts: float


@dataclass
class Fleet:
    """A load balancer, and API hosts, which have the addresses of ``addresses``. ``folder`` is the inventory's."""

    load_balancer: str
    apis: list[str]
    folder: Path
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of all hosts."""
        return [self.load_balancer, *self.apis]

    def create(self, release: str) -> None:
        """Make fresh hosts that the controller reaches by SSH, and write the inventory."""
        key = self.folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        for name in self.names:
            # Debian's unit of HAProxy mounts the socket of the system's log.
            mounts = ["--mounts"] if name == self.load_balancer else []
            made = subprocess.run([HOST, "create", name, release, *mounts], check=True, capture_output=True, text=True)
            self.addresses[name] = made.stdout.strip()

        def prepare(name: str) -> None:
            packages = "wrk" if name == self.load_balancer else ""
            on(name, f"PACKAGES={packages}; {PREPARE}")
            subprocess.run(["podman", "cp", f"{key}.pub", f"{name}:/root/.ssh/authorized_keys"], check=True)
            on(name, "chown root:root /root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(prepare, self.names))
        program = f"{CHECKOUT}/bench/load_on_host.py"
        on(self.load_balancer, f"mkdir -p {Path(program).parent}")
        own = REPOSITORY / "bench" / "load_on_host.py"
        subprocess.run(["podman", "cp", str(own), f"{self.load_balancer}:{program}"], check=True)
        self._write_inventory(key)

    def _write_inventory(self, key: Path) -> None:
        def hosts(names: Sequence[str]) -> dict[str, dict[str, dict[str, str]]]:
            return {"hosts": {name: {"ansible_host": self.addresses[name]} for name in names}}

        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        access = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": options,
            # A cache of each host's own: hosts share the default one with all test hosts.
            "uv_cache": "/var/cache/uv-bench",
            "uv_ca_bundle": "/usr/local/share/grove-ca.crt",
            "uv_environment": {"UV_HTTP_RETRIES": "8"},
        }
        groups = {"load_balancers": hosts([self.load_balancer]), "wsgi": hosts(self.apis)}
        inventory = {"all": {"children": groups, "vars": access}}
        (self.folder / "hosts.yml").write_text(json.dumps(inventory, indent=1))
        project = self.folder / "project"
        shutil.copytree(REPOSITORY / "wsgi" / "pecan_test_project", project)
        variables = self.folder / "group_vars" / "all"
        variables.mkdir(parents=True)
        records = (REPOSITORY / RECORDS).read_text()
        (variables / "main.yml").write_text(re.sub("(?m)^( +source:) .*", rf"\1 {project}", records))

    def change_source(self) -> None:
        """Change one line of the application."""
        with (self.folder / "project" / SOURCE).open("a") as file:
            file.write(f"\n# changed at {time.time()}\n")

    def used(self) -> dict[str, float]:
        """Return the processor time of each host since its start, in seconds."""
        return {name: int(on(name, CPU_TIME)[1]) / 1e9 for name in self.names}

    def destroy(self) -> None:
        """Remove the hosts."""
        for name in self.names:
            subprocess.run([HOST, "destroy", name], check=True)


@contextmanager
def control_group(name: str) -> Iterator[Path]:
    """Make a control group below the caller's own, which counts processor time; remove it when it is empty."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    places = {controllers: place for _, controllers, place in lines}
    counting = next((names for names in places if "cpuacct" in names.split(",")), "")
    group = GROUPS / counting / places[counting].lstrip("/") / name
    group.mkdir(exist_ok=True)
    try:
        yield group
    finally:
        # An idle connection of SSH is kept for a minute.
        for number in (group / "cgroup.procs").read_text().split():
            os.kill(int(number), 15)
        end = time.monotonic() + 60
        while (group / "cgroup.procs").read_text() and time.monotonic() < end:
            time.sleep(0.1)
        group.rmdir()


def used_by(group: Path) -> float:
    """Return the processor time of a control group, in seconds (version 1 or 2)."""
    usage = group / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    return int(re.findall(r"(?m)^usage_usec (\d+)", (group / "cpu.stat").read_text())[0]) / 1e6


def measure(fleet: Fleet, group: Path, what: str, words: Sequence[str], options: argparse.Namespace) -> Run:
    """Run a verb of Grove on the fleet, and show its figures. Ends the program when the run fails."""
    command = ["./grove", *words, "-i", str(fleet.folder), "-e", f"load_balancer_serial={options.serial}", "--profile"]
    enter = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
    environment = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_CONTROL_PATH_DIR": str(fleet.folder / "ssh")}
    hosts, controller, begun = fleet.used(), used_by(group), time.monotonic()
    done = subprocess.run(
        ["sh", "-c", enter, str(group), *command],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    duration = time.monotonic() - begun
    if options.logs:
        name = f"{len(fleet.apis)}-{options.serial}-{what.replace(' ', '-')}.log"
        (options.logs / name).write_text(done.stdout + done.stderr)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-5000:]}\n{done.stderr[-3000:]}")
    controller = used_by(group) - controller
    after = fleet.used()
    spent = {name: after[name] - before for name, before in hosts.items()}
    load_balancer = spent.pop(fleet.load_balancer)
    run = Run(len(fleet.apis), what, duration, controller, load_balancer, sum(spent.values()))
    print(run, file=sys.stderr)
    return run


def measure_requests(fleet: Fleet, seconds: int) -> Requests:
    """Send requests from the load balancer to itself, and count the processor time of both sides."""
    url = "http://127.0.0.1:8080/"
    send_requests(fleet.load_balancer, url, [CLIENTS], seconds=SETTLE, warm_up=0, wait=60)
    before = fleet.used()
    answer = send_requests(fleet.load_balancer, url, [CLIENTS], seconds=seconds, warm_up=0, wait=60)
    after = fleet.used()
    [load] = answer["loads"]
    figures = parse_wrk(load["wrk"])
    apis = sum(after[name] - before[name] for name in fleet.apis)
    requests = max(figures.requests, 1)
    result = Requests(
        len(fleet.apis), figures.per_second, figures.failed, load["server_cpu"] / requests, apis / requests
    )
    print(result, file=sys.stderr)
    return result


def tables(runs: Sequence[Run], requests: Sequence[Requests]) -> list[str]:
    """Return the lines of both tables. Ratios are to the fleet with the fewest API hosts."""
    lines = [
        "| run | API hosts | duration, s | ratio | controller, s | ratio | API hosts together, s | for each, s |"
        " load balancer, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for what in RUNS:
        own = sorted((run for run in runs if run.run == what), key=lambda run: run.hosts)
        for run in own:
            cells = [
                what,
                str(run.hosts),
                f"{run.duration:.1f}",
                f"{run.duration / own[0].duration:.2f}",
                f"{run.controller:.1f}",
                f"{run.controller / own[0].controller:.2f}",
                f"{run.api_hosts:.1f}",
                f"{run.api_hosts / run.hosts:.1f}",
                f"{run.load_balancer:.1f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    if requests:
        lines += [
            "",
            "| API hosts | requests/s | failed | load balancer, us | API hosts, us |",
            "|---|---|---|---|---|",
        ]
    for one in requests:
        failed = ", ".join(f"{count} {kind}" for kind, count in one.failed.items() if count) or "0"
        lines.append(
            f"| {one.hosts} | {one.per_second:.0f} | {failed} | {1e6 * one.load_balancer:.0f}"
            f" | {1e6 * one.api_hosts:.0f} |"
        )
    return lines


def folder(text: str) -> Path:
    """Read the name of a folder that exists."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return Path(text).resolve()


def parser() -> argparse.ArgumentParser:
    """Return the reader of the arguments."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--hosts", type=chosen(SIZES, "size"), default=list(SIZES), help="some of: 1,2,4,8")
    reader.add_argument("--serial", type=whole("API hosts at the same time", 1, 8), default=1)
    reader.add_argument("--seconds", type=whole("seconds", 1, 60), default=10, help="of the requests")
    reader.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    reader.add_argument("--json", type=new_file, metavar="FILE", help="write all measurements")
    reader.add_argument("--logs", type=folder, metavar="FOLDER", help="keep the output of each run")
    return reader


def main() -> None:
    """Measure and print."""
    options = parser().parse_args()
    runs: list[Run] = []
    requests: list[Requests] = []
    if not (REPOSITORY / ".venv" / "complete").exists():
        sys.exit("there is no .venv, which the first run would make; make it by ./grove test unit")
    for size in sorted(map(int, options.hosts)):
        name = f"grove-bench-fleet-{size}"
        with tempfile.TemporaryDirectory() as temporary, control_group(name) as group:
            fleet = Fleet(f"{name}-lb1", [f"{name}-api{number + 1}" for number in range(size)], Path(temporary))
            try:
                fleet.create(options.release)
                runs.append(measure(fleet, group, "first site", ["site"], options))
                runs.append(measure(fleet, group, "second site", ["site"], options))
                fleet.change_source()
                runs.append(measure(fleet, group, "release", ["deploy", "-e", f"app={APP}"], options))
                if size <= ASKED:
                    requests.append(measure_requests(fleet, options.seconds))
            finally:
                fleet.destroy()
        if options.json:
            saved = {"serial": options.serial, "runs": list(map(asdict, runs)), "requests": list(map(asdict, requests))}
            options.json.write_text(json.dumps(saved, indent=1))
    print(f"{options.release}, {os.cpu_count()} cores, load_balancer_serial {options.serial}\n")
    print("\n".join(tables(runs, requests)))


if __name__ == "__main__":
    main()
