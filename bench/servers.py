#!/usr/bin/env python3
"""Compares Grove with other servers of WSGI applications, on one fresh host.

Run as root: `bench/servers.py [--peers NAME,...] [--apps NAME,...] [--clients N,...] [--rounds N] [--seconds N]
[--release bookworm] [--html FILE] [--json FILE] [--keep] [--deployed HOST]`

The program makes a host, deploys the inventory `bench/served/inventory` with `./grove site`, and installs the peers.
Then it starts one server after the other, as a unit of systemd, and stops each before it starts the next. A round has
two halves: in the first, the peers serve the application as it is, in the second, with the pieces of Pecan that Grove
installs. Grove is measured in both. The next round has the opposite order. wrk sends the requests on the host, over the
loopback address. The program prints a table of ratios to Grove. The page of --html shows all figures and plots; run the
program in `.venv` for it. --json writes all measurements so far after each server. `--draw FILE` prints the table and
writes the page of such a file again.

With --keep the host stays, and --deployed measures on a host that an earlier call kept.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import server_figures as figures
import server_peers as peers
from fresh_host import CHECKOUT, FRONT, HOST, NotAnsweredError, fresh, on, send_requests
from server_figures import GROVE, Measured

sys.path.append(str(HOST.parent))

import machine

CLIENTS = (1, 8, 64, 512, 2000)
MOST_CLIENTS = 10_000
MOST_SECONDS = 60
"""Of one measurement: a shared machine has other work, too."""
WARM_UP = 2
"""Seconds of requests that nobody measures: threads, caches and the application begin."""
START = 60
"""Seconds within which a server has to answer."""
UNIT = "bench-peer"
OUTPUT = f"/var/log/{UNIT}.log"
INVENTORY = "bench/served/inventory"
PACKAGES = "apache2 wrk nginx-light postgresql gcc python3-dev"
SAMPLES = (
    '[{"counter_name": "%s", "counter_type": "gauge", "counter_unit": "percent", "counter_volume": 1.0,'
    ' "resource_id": "%s", "project_id": "p", "user_id": "u", "resource_metadata": {},'
    ' "timestamp": "2026-01-01T00:00:00"}]'
)


class Host(NamedTuple):
    """A host on which everything is installed."""

    name: str
    cores: int
    sizes: dict[str, tuple[int, int]]
    """Processes and threads of each record."""
    accounts: dict[str, set[int]]
    """For each record, the accounts of Apache and of its application."""
    debian_mod_wsgi: str
    mod_wsgi: str


def write(host: str, path: str, text: str) -> None:
    """Write a file on the host, in the place of an older one. A link leads to a file that other links may share."""
    command = ["sh", "-c", 'mkdir -p "$(dirname "$0")" && rm -f "$0" && cat >"$0"', path]
    subprocess.run([*machine.enter(host), *command], input=text, text=True, check=True)


def install(name: str) -> None:
    """Install Grove, its applications and all peers on a fresh host."""
    # The folder has Debian's defaults, which the deployment of Grove changes.
    quiet = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"
    on(name, f"{quiet} update && {quiet} install --no-install-recommends {PACKAGES} >/dev/null")
    on(name, f"systemctl disable --now --quiet nginx apache2 2>/dev/null; cp -a /etc/apache2 {peers.DEBIAN_APACHE}")
    package = f"{peers.FOLDER}/debian"
    on(name, f"rm /etc/nginx/sites-enabled/*; mkdir -p {package}")
    # A daemon process of mod_wsgi begins in the home folder of its account.
    on(name, f"useradd --system --user-group --home-dir {peers.FOLDER}/state bench")
    on(name, f"cd {package} && apt-get -qq download libapache2-mod-wsgi-py3 && dpkg -x *.deb .")
    sql = "CREATE ROLE bench LOGIN PASSWORD 'bench'", "CREATE DATABASE bench OWNER bench"
    on(name, "".join(f'runuser -u postgres -- psql -q -c "{line}" && ' for line in sql) + "true")
    on(name, f"{FRONT} ./grove site -i {INVENTORY}")
    uv = f"{FRONT} .venv/bin/uv"
    python = f"--python {peers.BIN}/python --compile-bytecode"
    locks = "-r wsgi/telemetry/requirements.lock -r bench/served/servers.lock"
    on(name, f"{uv} venv -q --python /usr/bin/python3 {peers.FOLDER}/venv")
    on(name, f"{uv} pip install -q {python} --require-hashes {locks}")
    on(name, f"{uv} pip install -q {python} --no-deps bench/served/project wsgi/telemetry")
    served = "bench/served/project/config.py bench/served/project/filters.ini"
    etc, state = f"{peers.FOLDER}/etc", f"{peers.FOLDER}/state"
    on(name, f"mkdir -p {etc} {state} {peers.FOLDER}/grove && cd {CHECKOUT} && cp {served} {etc}")
    on(name, f"cp -r {CHECKOUT}/wsgi/grove_runtime {peers.FOLDER}/grove")
    on(
        name,
        f"cp /srv/wsgi/telemetry/slots/blue/etc/api_paste.ini /srv/wsgi/telemetry/slots/blue/etc/telemetry.conf {etc}",
    )
    on(name, f"sed -i 's#^state_path = .*#state_path = {state}#' {etc}/telemetry.conf")
    for number in range(10):
        meter = f"meter.{number % 2}"
        sample = SAMPLES % (meter, f"resource-{number // 2}")
        send = f"u.urlopen(u.Request('http://127.0.0.1:9003/v2/meters/{meter}', sys.stdin.buffer.read(), h))"
        code = f"import sys, urllib.request as u; h = {{'Content-Type': 'application/json'}}; {send}"
        command = ["podman", "exec", "--interactive", name, "python3", "-c", code]
        subprocess.run(command, input=sample, text=True, check=True)
    on(name, f"systemctl stop apache2 && cp /var/lib/telemetry/telemetry.sqlite* {state}")
    on(name, f"chown -R bench: {etc} {state}")
    for record in peers.ENTRIES:
        script = on(name, f"cat /srv/wsgi/{record}/slots/blue/app.wsgi")[1]
        for pieces in ((), peers.pieces_of(script)):
            for path, text in peers.module_files(record, pieces).items():
                write(name, path, text)


def read(name: str) -> Host:
    """Return what the host has; ends the program if nothing is installed there."""
    sizes, accounts = {}, {}
    apache = {0, int(on(name, "id -u www-data")[1])}
    for record in peers.ENTRIES:
        sizes[record] = peers.size_of(on(name, f"cat /etc/apache2/sites-available/wsgi-{record}.conf")[1])
        accounts[record] = {*apache, int(on(name, f"id -u {record}")[1])}
    debian = on(name, f"find {peers.FOLDER}/debian -name 'mod_wsgi*.so*' -type f")[1].split()[0]
    location = on(name, f"{peers.BIN}/mod_wsgi-express module-location")[1].strip()
    return Host(name, int(on(name, "nproc")[1]), sizes, accounts, debian, location)


class NotServedError(Exception):
    """A server did not answer an application's request with 200."""


class Running(NamedTuple):
    """A server that has been started: whether its application has the pieces, its units of systemd, and its URL."""

    server: str
    pieces: bool
    units: list[str]
    url: str


def start(host: Host, record: str, server: str, pieces: bool) -> Running:
    """Start a server with the application of a record."""
    if server == GROVE:
        on(host.name, "systemctl start apache2")
        port = next(app.port for app in peers.APPS.values() if app.record == record)
        return Running(server, True, ["apache2.service"], f"http://127.0.0.1:{port}")
    peer = peers.PEERS[server]
    name = peers.module(record, pieces)
    setting = peers.Setting(name, *host.sizes[record], host.cores, host.debian_mod_wsgi, host.mod_wsgi)
    for path, text in peer.files(setting).items():
        write(host.name, path, text)
    properties = [
        f"RuntimeDirectory={UNIT}",
        f"KillSignal={peer.stop}",
        f"WorkingDirectory={peers.FOLDER}/apps",
        f"Environment=PYTHONPATH={peers.FOLDER}/apps",
        f"StandardOutput=append:{OUTPUT}",
        f"StandardError=append:{OUTPUT}",
        *([] if peer.root else ["User=bench", "Group=bench"]),
    ]
    command = ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}", *(f"--property={one}" for one in properties)]
    subprocess.run([*machine.enter(host.name), *command, "--", *peer.command(setting)], check=True)
    units = [f"{UNIT}.service"]
    if peer.nginx:
        write(host.name, "/etc/nginx/sites-enabled/bench", peers.nginx_site(peer.nginx))
        subprocess.run([*machine.enter(host.name), "systemctl", "start", "nginx"], check=True)
        units.append("nginx.service")
    return Running(server, pieces, units, f"http://127.0.0.1:{peers.PORT}")


def stop(host: Host) -> None:
    """Stop every server."""
    units = f"systemctl stop apache2 nginx; systemctl stop {UNIT} 2>/dev/null"
    command = f"{units}; systemctl reset-failed; rm -f {OUTPUT}"
    subprocess.run([*machine.enter(host.name), "sh", "-c", command], check=True)


def memory_of(host: str, processes: set[int], accounts: set[int]) -> list[int]:
    """Return the KiB (Pss) of each of these processes of the host. With accounts, only of their processes."""
    # Read from outside: root of a container may not read the memory of other accounts' processes.
    memory = []
    for number, outside in machine.pids(host).items():
        folder = Path("/proc", str(outside))
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if number in processes and (not accounts or folder.stat().st_uid in accounts):
                text = (folder / "smaps_rollup").read_text()
                memory += [int(kib) for kib in re.findall(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)]
    return memory


def measure(
    host: Host, running: Running, app: str, half: int, options: argparse.Namespace, answers: dict[str, str]
) -> list[Measured]:
    """Send requests with each number of clients.

    `answers` has the answer of each application so far. Raises NotServedError for no answer and for another one.
    """
    name = figures.title(running.server, running.pieces)
    url = running.url + peers.APPS[app].path
    try:
        result = send_requests(
            host.name,
            url,
            options.clients,
            seconds=options.seconds,
            warm_up=WARM_UP,
            wait=START,
            units=running.units,
        )
    except NotAnsweredError as error:
        logs = f"tail -n 40 {OUTPUT}; journalctl -n 20 --no-pager --unit=" + " --unit=".join(running.units)
        raise NotServedError(f"{name} does not serve {app}: {error}\n{on(host.name, logs + '; true')[1]}") from None
    if result["answer"] != answers.setdefault(app, result["answer"]):
        raise NotServedError(f"{name} answers {app} with {result['answer'][:200]!r}, and not {answers[app][:200]!r}")
    # Grove serves all records from one Apache. The daemon processes of others are not part of this one's memory.
    accounts = host.accounts[peers.APPS[app].record] if running.server == GROVE else set()
    memory = memory_of(host.name, set(result["processes"]), accounts)
    measured = []
    for clients, used in zip(options.clients, result["loads"], strict=True):
        load = figures.parse_wrk(used["wrk"])
        measured.append(
            Measured(
                app=app,
                server=running.server,
                pieces=running.pieces,
                clients=clients,
                half=half,
                load=load,
                cpu=figures.ratio(used["server_cpu"], load.requests),
                memory=sum(memory),
                largest=max(memory, default=0),
                others=used["others_cpu"] / used["elapsed"],
                load_average=used["load"],
            )
        )
    return measured


def measure_all(
    host: Host, options: argparse.Namespace, keep: Callable[[list[Measured]], None]
) -> tuple[list[Measured], bool]:
    """Measure all rounds, and call `keep` with what there is so far after each server.

    Return the measurements, and whether each server served each application.
    """
    done: list[Measured] = []
    complete = True
    answers: dict[str, str] = {}
    stop(host)
    for half in range(2 * options.rounds):
        for app in options.apps:
            for server in [GROVE, *options.peers][:: -1 if half // 2 % 2 else 1]:
                running = start(host, peers.APPS[app].record, server, half % 2 == 1)
                try:
                    measured = measure(host, running, app, half, options, answers)
                except NotServedError as error:
                    # The others go on: a run takes an hour.
                    print(error, file=sys.stderr)
                    complete = False
                else:
                    done += measured
                    show(measured)
                    keep(done)
                stop(host)
    return done, complete


def show(measured: Sequence[Measured]) -> None:
    """Print measurements on standard error."""
    for one in measured:
        name = figures.title(one.server, one.pieces)
        cpu = "" if one.cpu is None else f"{1e6 * one.cpu:8.0f} us of CPU"
        rate = f"{one.load.per_second:8.0f} requests/s {cpu}"
        print(
            f"{one.half // 2 + 1}: {one.app:8}{name:34}{one.clients:5} {rate} {one.load.failed or ''}", file=sys.stderr
        )


VERSIONS = {
    "Debian": "cat /etc/debian_version",
    "kernel": "uname -r",
    "processor": "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1",
    "cores": "nproc",
    "Python": "python3 -c 'import platform; print(platform.python_version())'",
    "Apache": "apache2 -v | sed -n 's#.*Apache/\\([0-9.]*\\).*#\\1#p'",
    "mod_wsgi of Debian": f"dpkg-deb -f {peers.FOLDER}/debian/*.deb Version",
    "nginx": "nginx -v 2>&1 | sed 's#.*nginx/##'",
    "PostgreSQL": "psql --version | awk '{print $3}'",
    "wrk": "dpkg-query -W -f '${Version}' wrk",
}
PYTHON_PACKAGES = ("pecan", "WebOb", "Paste", "PasteDeploy", "mod_wsgi", "gunicorn", "uWSGI", "granian")


def versions(host: str) -> dict[str, str]:
    """Return the versions of what was measured, and what the machine is."""
    code = f"import importlib.metadata as m; print(*map(m.version, {PYTHON_PACKAGES!r}), sep='\\n')"
    packages = subprocess.run(
        ["podman", "exec", host, f"{peers.BIN}/python", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    return {name: on(host, command)[1].strip() for name, command in VERSIONS.items()} | dict(
        zip(PYTHON_PACKAGES, packages, strict=True)
    )


def chosen(known: Sequence[str], kind: str) -> Callable[[str], list[str]]:
    """Return a reader of names with commas between them, each of which is known."""

    def read_names(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"no {kind} is named {unknown[0]!r}; there are {', '.join(known)}")
        if len(set(names)) < len(names):
            raise argparse.ArgumentTypeError(f"{text!r} names a {kind} twice")
        return names

    return read_names


def whole(kind: str, least: int, most: int) -> Callable[[str], int]:
    """Return a reader of a whole number in a range."""

    def read_number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{kind} are a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read_number


def new_file(text: str) -> Path:
    """Read the name of a file that can be written, before hours of measuring."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no file in a folder that exists")
    return path


def kept_host(text: str) -> str:
    """Read the name of a test host."""
    if not re.fullmatch(r"grove-[a-z0-9-]{1,57}", text, re.ASCII):
        raise argparse.ArgumentTypeError(
            f"a host is named grove- and lower-case letters, digits and hyphens, not {text!r}"
        )
    return text


def client_numbers(text: str) -> list[int]:
    """Read numbers of clients with commas between them, and return them in order."""
    numbers = [whole("clients", 1, MOST_CLIENTS)(part.strip()) for part in text.split(",")]
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text!r} names a number twice")
    return sorted(numbers)


def parser() -> argparse.ArgumentParser:
    """Return the reader of the arguments."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = list(peers.PEERS)
    reader.add_argument("--peers", type=chosen(every, "peer"), default=every, help=f"some of: {', '.join(every)}")
    apps = "; ".join(f"{name}: {app.what}" for name, app in peers.APPS.items())
    reader.add_argument("--apps", type=chosen(list(peers.APPS), "app"), default=list(peers.APPS), help=apps)
    reader.add_argument("--clients", type=client_numbers, default=list(CLIENTS), help="1,8,64,512,2000")
    reader.add_argument("--rounds", type=whole("rounds", 1, 100), default=3)
    reader.add_argument("--seconds", type=whole("seconds", 1, MOST_SECONDS), default=5, help="of each measurement")
    reader.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    reader.add_argument("--html", type=new_file, metavar="FILE", help="write a page with all figures and plots")
    reader.add_argument("--json", type=new_file, metavar="FILE", help="write all measurements")
    reader.add_argument("--keep", action="store_true", help="keep the host")
    reader.add_argument("--deployed", type=kept_host, metavar="HOST", help="measure on a host that was kept")
    reader.add_argument("--draw", type=Path, metavar="FILE", help="show what --json has written, and measure nothing")
    return reader


def report(measured: Sequence[Measured], about: dict[str, str]) -> None:
    """Print the table and what it is about."""
    loads = sorted(one.load_average for one in measured)
    others = sorted(one.others for one in measured)
    middle = len(loads) // 2
    print("; ".join(f"{name} {value}" for name, value in about.items()))
    print(f"Load average {loads[0]:.0f} to {loads[-1]:.0f}, median {loads[middle]:.0f}; other programs used", end=" ")
    print(f"{others[middle]:.1f} of {about.get('cores', '?')} cores (median of the measurements)\n")
    print(figures.table(figures.rows(measured)))


def saved_run(path: Path) -> tuple[list[Measured], dict[str, str]]:
    """Return the measurements of a file of --json, and what they are about. Ends the program for another file."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        measured, about = figures.from_json(saved["measured"]), dict(saved["about"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"--draw {path}: a file that --json has written is needed: {type(error).__name__}: {error}")
    return measured, about


def page_maker() -> ModuleType:
    """Return the module that makes the page. Ends the program without its libraries."""
    try:
        return importlib.import_module("server_page")
    except ModuleNotFoundError as error:
        sys.exit(f"--html: {error}; `.venv` has it after `./grove test unit`")


def main() -> None:
    """Measure and print. The exit status is 1 if a server did not serve an application."""
    options = parser().parse_args()
    maker = page_maker() if options.html else None
    complete = True
    if options.draw:
        measured, about = saved_run(options.draw)
    else:
        name = options.deployed or fresh("grove-servers-bench", options.release)
        if not options.deployed:
            install(name)
        host = read(name)
        about = versions(name)

        def keep(done: list[Measured]) -> None:
            if options.json:
                saved: dict[str, Any] = {"about": about, "measured": figures.to_json(done)}
                options.json.write_text(json.dumps(saved, indent=1), encoding="utf-8")

        measured, complete = measure_all(host, options, keep)
        if not options.keep and not options.deployed:
            subprocess.run([HOST, "destroy", name], check=True)
    if not measured:
        sys.exit("there are no measurements")
    report(measured, about)
    if maker:
        options.html.write_text(maker.page(figures.rows(measured), measured, about), encoding="utf-8")
    if not complete:
        sys.exit("a server did not serve an application; its messages are above")


if __name__ == "__main__":
    main()
