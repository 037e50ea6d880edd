"""Measures the memory of a process that serves the Telemetry API with noauth: after its start, and after load.

Usage: memory.py [--samples 200000] [URL PID...]

Without arguments it starts telemetry-api on SQLite, with a thread for each request. URL and PIDs are those of a
deployed application, such as mod_wsgi's daemon processes. The client's own memory is not in the figures.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import figures

CLIENTS = 8
PORT = 18799
DAY = "q.field=timestamp&q.op=ge&q.value=2026-01-01&q.field=timestamp&q.op=lt&q.value=2026-01-02"
READS = (
    "meters",
    "resources",
    "samples",
    "meters/meter3",
    f"meters/meter3/statistics?{DAY}",
    f"meters/meter3/statistics?{DAY}&period=600",
    f"meters/meter4/statistics?{DAY}&groupby=resource_id",
    "alarms",
    "events",
    "capabilities",
)


def fetch(url: str, body: bytes | None = None, **headers: str) -> int:
    """Send a request. Return the length of the answer in bytes."""
    header_fields = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(urllib.request.Request(url, body, header_fields), timeout=600) as answer:
        return len(answer.read())


def loads(url: str, samples: int) -> Iterator[tuple[str, Callable[[ThreadPoolExecutor], object]]]:
    """Yield (name, function) for each kind of load."""

    def bulk(begin: int) -> int:
        body = figures.bulk(begin, figures.BULK)
        return fetch(f"{url}/v2/samples", body, Content_Type="application/x-ndjson", Content_Encoding="gzip")

    def one_list(number: int) -> int:
        return fetch(f"{url}/v2/meters/listed", figures.list_of_100(number), Content_Type="application/json")

    def read(number: int) -> int:
        return fetch(f"{url}/v2/{READS[number % len(READS)]}")

    yield "one listing", lambda clients: read(0)
    yield (
        f"{samples} samples in bulk, one client",
        lambda clients: [bulk(begin) for begin in range(0, samples, figures.BULK)],
    )
    yield f"400 reads, {CLIENTS} clients", lambda clients: list(clients.map(read, range(400)))
    yield f"400 lists of 100, {CLIENTS} clients", lambda clients: list(clients.map(one_list, range(400)))
    yield (
        "20 listings of 5000 samples",
        lambda clients: list(clients.map(lambda n: fetch(f"{url}/v2/samples?limit=5000"), range(20))),
    )
    yield (
        f"20 times 5000 samples in bulk, {CLIENTS} clients",
        lambda clients: list(clients.map(lambda n: bulk(samples + n * figures.BULK), range(20))),
    )
    yield f"400 reads again, {CLIENTS} clients", lambda clients: list(clients.map(read, range(400)))
    yield "the OpenAPI description", lambda clients: fetch(f"{url}/v2/openapi.json")


def megabytes(pid: int, name: str) -> float:
    """Return VmRSS (the present memory) or VmHWM (the maximum so far) of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(f"{name}:"))


@contextlib.contextmanager
def served() -> Iterator[tuple[str, list[int]]]:
    """Run telemetry-api on an empty SQLite database. Yield its URL and the process ids."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="telemetry-bench-") as folder:
        conf = Path(folder, "telemetry.conf")
        conf.write_text(f"[DEFAULT]\nauth_strategy = noauth\nstate_path = {folder}\n[api]\nport = {PORT}\n")
        command = [sys.executable, "-m"]
        arguments = ["--config-file", str(conf)]
        subprocess.run([*command, "telemetry.cmd.upgrade", *arguments], check=True, stdout=subprocess.DEVNULL)
        with open(Path(folder, "log"), "wb") as log:
            process = subprocess.Popen([*command, "telemetry.cmd.api", *arguments], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{PORT}"
            while process.poll() is None:
                with contextlib.suppress(urllib.error.URLError):
                    fetch(f"{url}/healthcheck")
                    break
                time.sleep(0.1)
            yield url, [process.pid]
        finally:
            process.terminate()
            process.wait()


def measure(url: str, pids: Sequence[int], samples: int) -> None:
    """Apply each load, and print the memory after it."""

    def show(name: str) -> None:
        now = ", ".join(f"{megabytes(pid, 'VmRSS'):.0f}" for pid in pids)
        most = ", ".join(f"{megabytes(pid, 'VmHWM'):.0f}" for pid in pids)
        print(f"{name:50} {now} MB (maximum so far: {most})", flush=True)

    show("started")
    with ThreadPoolExecutor(CLIENTS) as clients:
        for name, apply in loads(url, samples):
            apply(clients)
            show(name)


def main() -> None:
    """Measure the processes that the command line names, or start one and measure it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?")
    parser.add_argument("pids", nargs="*", type=int, metavar="PID")
    parser.add_argument("--samples", type=int, default=200_000)
    options = parser.parse_args()
    if options.url:
        measure(options.url, options.pids, options.samples)
        return
    with served() as (url, pids):
        measure(url, pids, options.samples)


if __name__ == "__main__":
    main()
