"""Measures on this host what each piece of Grove costs a request. Needs root, and a deployed bench/served/inventory.

Usage: own_cost_on_host.py --rounds N --seconds N --clients N

For each variant the program starts one Apache on a port of its own: a bare daemon of mod_wsgi, this host's Grove, and
Grove with one piece less. All of them run at the same time, and one at a time gets requests by wrk. Every second round
has the opposite order. So a machine with other work slows all of them, and the ratios stay. Each variant has fewer
threads of Apache than Grove's default, so that so many Apaches fit.

It prints one object of JSON: for each variant, a list with an object for each round. This has the `requests`, and the
processor seconds of the variant's processes by their kind: `httpd`, `daemon`, `log` and `other`.
"""

from __future__ import annotations

import argparse
import json
import pwd
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import server_figures as figures
import server_peers as peers

FOLDER = Path("/opt/own-cost")
RECORD = "served"
APPLICATION = Path("/srv/wsgi") / RECORD
SERVER, SITE = "conf-available/zz-grove-server.conf", f"sites-available/wsgi-{RECORD}.conf"
MPM = "conf-available/zz-grove-mpm.conf"
PORT, DOOR, FIRST_PORT = 9001, 9080, 9200
THREADS = 128
SERVES_WITHIN = 120
PIECES = ("signatures", "requests", "routing", "accept", "responses")
WITHOUT_WRAPPERS = f"""
from importlib import import_module

for name in {PIECES!r}:
    import_module("grove_runtime.pecan_" + name).install()
"""


class Edit(NamedTuple):
    """What a variant changes in one file of Apache's configuration, or in `slot.wsgi` or `app.wsgi`.

    LIVE in the text stands for the slot that gets the requests.
    """

    file: str
    pattern: str
    text: str = ""


def module(name: str, *more: Edit) -> tuple[Edit, ...]:
    """Return the edits that leave out a module of Apache."""
    return (Edit(f"mods-enabled/{name}.load", r"(?s)\A.+\Z"), *more)


QUEUE = r"(?m)^ *SetEnv GROVE_QUEUE_TIMEOUT .*$"
LOGS = tuple(Edit(file, r"(?m)^ *CustomLog .*$") for file in (SERVER, SITE))
HEADERS = tuple(Edit(file, r"(?m)^ *(Request)?Header .*$") for file in (SERVER, SITE))
VARIABLES = (Edit(SERVER, r"(?m)^ *SetEnvIf.*$"),)
CLAIMS = (Edit("slot.wsgi", r"return without_claims\(module\.application\)", "return module.application"),)
WRAPPERS = (Edit("app.wsgi", r"(?s)application = serving\.wrap.*", WITHOUT_WRAPPERS),)
GUARD = module("grove_guard")
SLOW = module(
    "reqtimeout",
    Edit("mods-enabled/reqtimeout.conf", r"(?s)\A.+\Z"),
    Edit(SERVER, r"(?m)^RequestReadTimeout .*$"),
)
MAP = (Edit(SITE, rf"\$\{{{RECORD}:live\}}", f"{RECORD}-LIVE"),)
VARIANTS: dict[str, tuple[Edit, ...]] = {
    "Grove": (),
    "with queue-timeout of mod_wsgi": (Edit(SITE, QUEUE), Edit(SITE, r"(?<= listen-backlog=500)", " queue-timeout=45")),
    "without the access log": LOGS,
    "without the rules for headers": HEADERS,
    "without variables for requests (SetEnvIf)": VARIABLES,
    "without RewriteMap": MAP,
    "without mod_grove_guard": GUARD,
    "without mod_reqtimeout": SLOW,
    "without mod_status": module("status"),
    "without the check for claims": CLAIMS,
    "without the wrappers of grove_runtime": WRAPPERS,
    "without all of these": (*LOGS, *HEADERS, *VARIABLES, *MAP, *GUARD, *SLOW, *module("status"), *CLAIMS, *WRAPPERS),
}
BARE = {"bare daemon": "", "bare daemon with queue-timeout of mod_wsgi": "queue-timeout=45"}


def live() -> str:
    """Return the slot that gets the requests: blue or green."""
    return (APPLICATION / "slot.map").read_text().split()[1].rpartition("-")[2]


def change(path: Path, pattern: str, text: str) -> None:
    """Replace what matches in a file. Raises ValueError where nothing does: Grove has changed, so this program must."""
    changed, count = re.subn(pattern, lambda match: text, path.read_text())
    if not count:
        raise ValueError(f"{path} has nothing like {pattern}")
    # A link leads to a file that the real Grove uses.
    path.unlink()
    path.write_text(changed)


def grove(edits: tuple[Edit, ...], tree: Path, port: int) -> None:
    """Make a copy of Apache's configuration with these edits, which serves the record on another port."""
    shutil.copytree("/etc/apache2", tree, symlinks=True)
    for enabled in (tree / "sites-enabled").iterdir():
        enabled.unlink()
    (tree / "sites-enabled" / "served.conf").symlink_to(tree / SITE)
    release = (APPLICATION / "slots" / live()).resolve()
    for name, source in (("slot.wsgi", APPLICATION), ("app.wsgi", release)):
        shutil.copy(source / name, tree)
    fewer_threads(tree / MPM)
    for edit in edits:
        change(tree / edit.file, edit.pattern, edit.text.replace("LIVE", live()))
    change(tree / "slot.wsgi", r"(?m)^folder = .*$", f'folder = "{APPLICATION}"')
    change(tree / "slot.wsgi", r'os\.path\.join\(release, "app\.wsgi"\)', f'"{tree}/app.wsgi"')
    change(tree / "app.wsgi", r"(?m)^RELEASE = .*$", f'RELEASE = "{release}"')
    change(tree / SITE, rf"{APPLICATION}/slot\.wsgi", f"{tree}/slot.wsgi")
    # The rules of <Directory> and <Files> that Grove has for slot.wsgi count for the copy.
    change(tree / SITE, rf'<Directory "{APPLICATION}">', f'<Directory "{tree}">')
    for file in ("ports.conf", SITE):
        text = (tree / file).read_text().replace(f":{PORT}", f":{port}").replace(f":{DOOR}", f":{port + 500}")
        (tree / file).write_text("\n".join(line for line in text.splitlines() if not re.search(r":900[23]$", line)))


def fewer_threads(path: Path) -> None:
    """Let Apache have two processes of THREADS threads."""
    change(path, r"(ThreadsPerChild|ThreadLimit) \d+", f"ThreadLimit {THREADS}\n    ThreadsPerChild {THREADS}")
    change(path, r"(MaxRequestWorkers|MaxSpareThreads) \d+", f"MaxRequestWorkers {2 * THREADS}")


def bare(options: str, tree: Path, port: int) -> None:
    """Make the configuration of a bare daemon with the record's release and all pieces of Pecan."""
    tree.mkdir()
    release = (APPLICATION / "slots" / live()).resolve()
    script = tree / "bare.wsgi"
    lines = ["import sys", f'sys.path.append("{release}/runtime")', "from pecan.deploy import deploy"]
    lines += [f'application = deploy("{release}/etc/config.py")', WITHOUT_WRAPPERS]
    script.write_text("\n".join(lines))
    processes, threads = peers.size_of((Path("/etc/apache2") / SITE).read_text())
    loaded = Path("/etc/apache2/mods-available/wsgi.load").read_text()
    [location] = re.findall(r'LoadModule wsgi_module "(.*)"', loaded)
    setting = peers.Setting("bare", processes, threads, 1, "", location)
    mpm = tree / "mpm.conf"
    shutil.copy(Path("/etc/apache2") / MPM, mpm)
    fewer_threads(mpm)
    [text] = peers.bare_files(setting).values()
    for old, new in (
        (setting.script, f"{script}"),
        (f"<Directory {peers.FOLDER}/apps>", f"<Directory {tree}>"),
        (f"{peers.FOLDER}/venv", f"{release}/venv {options}"),
        ("user=bench group=bench", f"user={RECORD} group={RECORD}"),
        (f"/etc/apache2/{MPM}", f"{mpm}"),
        (f"ServerRoot {peers.FOLDER}", f"ServerRoot {tree}"),
        (peers.RUN, f"/run/own-cost-{port}"),
        (f":{peers.PORT}", f":{port}"),
    ):
        text = text.replace(old, new)
    (tree / "apache2.conf").write_text(text)


def start(name: str, place: int) -> tuple[str, int]:
    """Start a variant; return its unit of systemd and its port."""
    port, tree = FIRST_PORT + place, FOLDER / str(place)
    if name in BARE:
        bare(BARE[name], tree, port)
    else:
        grove(VARIANTS[name], tree, port)
    subprocess.run(["chmod", "-R", "a+rX", FOLDER], check=True)
    unit, run = f"own-cost-{place}", f"/run/own-cost-{port}"
    variables = {"RUN_USER": "www-data", "RUN_GROUP": "www-data", "PID_FILE": f"{run}/apache.pid", "RUN_DIR": run}
    variables |= {"LOCK_DIR": run, "LOG_DIR": "/var/log/apache2"}
    settings = [f"--setenv=APACHE_{key}={value}" for key, value in variables.items()]
    command = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", "--property=LimitNOFILE=65536", *settings]
    command += [f"--property=RuntimeDirectory=own-cost-{port}"]
    subprocess.run([*command, "apache2", "-d", tree, "-f", tree / "apache2.conf", "-DFOREGROUND"], check=True)
    return unit, port


def wait(port: int) -> str:
    """Wait until a variant answers, and return its answer."""
    end = time.monotonic() + SERVES_WITHIN
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/item/1", timeout=SERVES_WITHIN) as answer:
                return str(answer.read(), "utf-8")
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def kinds(unit: str) -> dict[int, str]:
    """Return the kinds of a unit's processes by their numbers."""
    command = ["systemctl", "show", "--property=MainPID", "--value", unit]
    todo = [int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)]
    accounts = {RECORD: "daemon", "www-data": "httpd"}
    found = {}
    while todo:
        number = todo.pop()
        folder = Path("/proc", str(number))
        account = accounts.get(pwd.getpwuid(folder.stat().st_uid).pw_name, "other")
        found[number] = "log" if (folder / "comm").read_text() == "rotatelogs\n" else account
        todo += [int(child) for child in (folder / "task" / str(number) / "children").read_text().split()]
    return found


def used(processes: dict[int, str]) -> dict[str, float]:
    """Return the processor seconds of processes by their kinds.

    They are the sums of their threads, in nanoseconds (schedstat). All of these processes keep their threads. The times
    in /proc/NUMBER/stat are multiples of 10 ms.
    """
    seconds: dict[str, float] = {}
    for number, kind in processes.items():
        threads = Path("/proc", str(number), "task").glob("*/schedstat")
        own = sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
        seconds[kind] = seconds.get(kind, 0) + own
    return seconds


def ask(port: int, clients: int, seconds: int) -> int:
    """Send requests for some seconds; return how many were answered. Raises RuntimeError if one failed."""
    command = ["wrk", "--latency", "--timeout=30s", "--threads=1", f"--connections={clients}", f"--duration={seconds}s"]
    url = f"http://127.0.0.1:{port}/item/1"
    load = figures.parse_wrk(subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout)
    if load.failed:
        raise RuntimeError(f"requests to {url} failed: {load.failed}")
    return load.requests


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    names = [*BARE, *VARIANTS]
    subprocess.run(["systemctl", "stop", "apache2"], check=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    running: dict[str, tuple[str, int]] = {}
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    try:
        for place, name in enumerate(names):
            running[name] = start(name, place)
        answers = {wait(port) for _, port in running.values()}
        if len(answers) != 1:
            raise RuntimeError(f"the variants answer differently: {answers}")
        processes = {name: kinds(unit) for name, (unit, _) in running.items()}
        for _, port in running.values():
            ask(port, options.clients, options.seconds)
        for number in range(options.rounds):
            for name in names[:: -1 if number % 2 else 1]:
                before = used(processes[name])
                requests = ask(running[name][1], options.clients, options.seconds)
                after = used(processes[name])
                spent = {kind: after[kind] - seconds for kind, seconds in before.items()}
                results[name].append({"requests": requests, **spent})
    finally:
        for unit, _ in running.values():
            subprocess.run(["systemctl", "kill", "--signal=KILL", unit], check=False)
            subprocess.run(["systemctl", "stop", unit], check=False)
        subprocess.run(["systemctl", "start", "apache2"], check=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
