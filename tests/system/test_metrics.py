"""The metrics of a real Apache, as Prometheus reads them, and the alerts that a real Prometheus raises."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from front_server import Front
from grove_metrics import requests
from httpd_modules import REPOSITORY
from open_files import OpenFiles
from prometheus_client.parser import text_string_to_metric_families
from system.test_logs import served
from system.test_templates import ONE, mod_wsgi

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl", "prometheus")
__all__ = ["mod_wsgi"]

PORT, SCRAPED, PROMETHEUS = 18431, 18441, 18442
DOOR = f"127.0.0.1:{PORT + 9}"
RELEASE = "0123456789ab"
PROCESSES, THREADS = 2, 4
# What the host allows Apache, as the program is told: little, so that few clients of a test reach it.
WORKERS, CONNECTIONS = 20, 20
APP = """
import os
import time
import mod_wsgi

KEPT = []

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/wait":
        time.sleep(float(query))
    if path == "/hold":
        end = time.monotonic() + 120
        while os.path.exists(query) and time.monotonic() < end:
            time.sleep(0.02)
    if path == "/keep":
        KEPT.append(bytearray(b"x") * int(query))
    fails = path == "/fail" or (path == "/fail-in-green" and mod_wsgi.process_group.endswith("green"))
    start_response("500 Wrong" if fails else "200 OK", [])
    return [path.encode()]
"""
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


@dataclass
class Host:
    """A running Apache, and the program that answers for it."""

    front: Front
    settings: Path
    program: subprocess.Popen[bytes] | None = None

    @property
    def apache(self) -> int:
        return int((self.front.root / "run" / "pid").read_text())

    def start(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "monitoring")}
        command = [sys.executable, "-m", "grove_metrics", str(self.settings)]
        self.program = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        wait_for(lambda: bool(self.scrape()), 90, "the start of the program")

    def stop(self) -> None:
        if self.program:
            self.program.kill()
            self.program.wait()

    def text(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{SCRAPED}/metrics", timeout=60) as answer:
            assert answer.status == 200
            content: bytes = answer.read()
        return content.decode()

    def scrape(self) -> Samples:
        """Return the samples by their names and labels; nothing while the program does not listen."""
        try:
            text = self.text()
        except (OSError, http.client.HTTPException):
            return {}
        samples: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return samples

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with these labels."""
        wanted = set(labels.items())
        return sum(value for found, value in self.scrape().get(name, {}).items() if wanted <= set(found))

    def processes(self, slot: str) -> list[int]:
        """Return the processes of a slot."""
        command = ["pgrep", "--parent", str(self.apache), "--full", f"^{slot[0]}-{ONE}"]
        return [int(pid) for pid in subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()]

    def share_out(self, *slots: str) -> None:
        folder = self.front.root / "srv" / ONE
        (folder / "slot.map.new").write_text(f"live {'|'.join(f'{ONE}-{slot}' for slot in slots)}\n")
        os.replace(folder / "slot.map.new", folder / "slot.map")


def wait_for(attempt: Callable[[], bool], seconds: float = 90, what: str = "this") -> None:
    end = time.monotonic() + seconds
    while not attempt():
        assert time.monotonic() < end, f"{what} took too long"
        time.sleep(0.1)


@pytest.fixture
def host(mod_wsgi: dict[str, Path], tmp_path: Path) -> Iterator[Host]:
    """A host with one application, which has two processes with four threads for each slot."""
    variables = {"httpd_metrics": True, "mod_wsgi_telemetry_interval": 1}
    with served(mod_wsgi, {ONE: APP}, PORT, **variables) as front:
        credential = tmp_path / "status.header"
        credential.write_text("X-Grove-Door: status\n")
        run = front.root / "run"
        settings = {
            "address": "127.0.0.1",
            "port": SCRAPED,
            "base": f"{front.root}/srv",
            "pid_file": f"{run}/pid",
            "program": "apache2",
            "requests": f"{run}/grove-requests",
            "telemetry": f"{run}/telemetry.sock",
            "interval": 1,
            "door": DOOR,
            "credential": str(credential),
            "live": f"{run}/live.sock",
            "workers": WORKERS,
            "connections": CONNECTIONS,
        }
        file = tmp_path / "metrics.json"
        file.write_text(json.dumps(settings))
        made = Host(front, file)
        made.share_out("blue")
        folder = front.root / "srv" / ONE
        (folder / "releases" / RELEASE).symlink_to("one")
        for slot in ("blue", "green"):
            (folder / "slots" / slot).unlink()
            (folder / "slots" / slot).symlink_to(f"../releases/{RELEASE}")
        try:
            made.start()
            wait_for((run / "pid").exists)
            yield made
        finally:
            made.stop()


def test_what_a_scrape_has(host: Host) -> None:
    """Counters grow by the number of requests, and each slot is there with what it has and may have."""
    for _ in range(7):
        assert host.front.ask(PORT, "/").status == 200
    for _ in range(3):
        assert host.front.ask(PORT, "/fail").status == 500
    # Requests through a door do not count.
    assert host.front.ask(PORT, "/", "X-Grove-Door: root", "X-Grove-Slot: green").status == 200
    # Apache counts a request after its client has the answer.
    labels = {"app": ONE, "slot": "blue", "release": RELEASE}
    wait_for(lambda: host.value("grove_requests_total") == 10)
    assert host.value("grove_requests_total", **labels, status="200") == 7
    assert host.value("grove_requests_total", **labels, status="500") == 3
    for name in ("grove_request", "grove_request_queue", "grove_request_application"):
        assert host.value(f"{name}_seconds_count", **labels) == 10
        assert host.value(f"{name}_seconds_bucket", **labels, le="+Inf") == 10
    wait_for(lambda: host.value("grove_telemetry_processes") == 2 * PROCESSES)
    for slot, role in (("blue", "live"), ("green", "idle")):
        own = {"app": ONE, "slot": slot, "release": RELEASE}
        assert host.value("grove_slot_info", **own, role=role) == 1
        assert host.value("grove_slot_share", **own) == (slot == "blue")
        assert host.value("grove_slot_processes", **own) == PROCESSES
        assert host.value("grove_slot_processes_limit", **own) == PROCESSES
        assert host.value("grove_slot_threads_limit", **own) == PROCESSES * THREADS
        assert host.value("grove_slot_memory_bytes", **own) > 1e6
        assert host.value("grove_slot_cpu_seconds_total", **own) >= 0
        assert host.value("grove_slot_process_starts_total", app=ONE, slot=slot) == PROCESSES
    held = host.front.root / "held"
    held.touch()
    with ThreadPoolExecutor(3) as clients:
        for _ in range(3):
            clients.submit(host.front.ask, PORT, f"/hold?{held}")
        try:
            wait_for(lambda: host.value("grove_slot_threads_busy", slot="blue") == 3)
        finally:
            held.unlink()
    # A busy Apache may not answer within the two seconds that the program waits for its status.
    wait_for(lambda: host.value("grove_apache_up") == 1 and host.value("grove_apache_workers", state="idle") > 0)
    assert host.value("grove_part_up") == 4
    check = subprocess.run(
        ["promtool", "check", "metrics"], input=host.text(), capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_scrape_while_apache_is_replaced(host: Host) -> None:
    """Every scrape is answered during reloads, without Apache, and without the counters; counters do not go back."""
    host.front.ask(PORT, "/")
    counts = [0.0]

    def scrape() -> float:
        """Return how long a scrape takes."""
        begin = time.monotonic()
        samples = host.scrape()
        counts.append(sum(samples["grove_requests_total"].values()))
        return time.monotonic() - begin

    usual, slowest = max(scrape() for _ in range(10)), 0.0
    for _ in range(4):
        os.kill(host.apache, signal.SIGUSR1)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            slowest = max(slowest, scrape())
    # Prometheus waits for 10 seconds. On a busy machine, every scrape takes longer.
    assert slowest < max(8, 10 * usual)
    assert counts == sorted(counts)
    wait_for(lambda: host.value("grove_slot_processes") == 2 * PROCESSES)
    wait_for(lambda: host.value("grove_slot_process_ends_total", reason="died") == 0)
    assert host.value("grove_slot_process_ends_total") >= 2 * PROCESSES
    # The counters outlive the reloads.
    host.front.ask(PORT, "/")
    wait_for(lambda: host.value("grove_requests_total") == counts[-1] + 1)
    file = host.front.root / "run" / "grove-requests"
    content = file.read_bytes()
    for wrong in (b"", content[:1000], b"x" * len(content)):
        file.with_name("wrong").write_bytes(wrong)
        os.replace(file.with_name("wrong"), file)
        assert host.scrape()["grove_part_up"][("part", "requests"),] == 0
        wait_for(lambda: host.value("grove_apache_up") == 1)
    # A reload makes the file anew, with the layout that the module knows.
    os.kill(host.apache, signal.SIGUSR1)
    wait_for(lambda: host.value("grove_part_up", part="requests") == 1)
    assert file.stat().st_size == requests.SIZE
    os.kill(host.apache, signal.SIGTERM)
    wait_for(lambda: host.value("grove_apache_up") == 0 and "grove_slot_processes" not in host.scrape())
    assert host.value("grove_slot_processes_limit") == 2 * PROCESSES


def test_a_program_that_hangs_stops_nobody(host: Host) -> None:
    """mod_wsgi cannot send to a program that is stopped. Requests are answered meanwhile.

    Processes that have to end do so when the program is killed. In molecule/shared/metrics, systemd kills it.
    """
    assert host.program is not None
    host.program.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    while time.monotonic() < begin + 6:
        assert host.front.ask(PORT, "/").status == 200
    old = host.processes("blue")
    for pid in old:
        os.kill(pid, signal.SIGINT)
    host.stop()
    wait_for(lambda: not set(host.processes("blue")) & set(old) and len(host.processes("blue")) == PROCESSES)
    assert host.front.ask(PORT, "/").status == 200


def test_no_process_of_an_application_has_the_counters(host: Host) -> None:
    """mod_wsgi forks the processes from Apache's parent, which must not hand down the memory with the counters."""
    for pid in (host.apache, *host.processes("blue"), *host.processes("green")):
        assert "grove-requests" not in Path(f"/proc/{pid}/maps").read_text()
        held = OpenFiles.read([pid]).by_process[pid]
        assert held
        assert not [path for path in held.values() if "grove-requests" in path]


def test_nobody_speaks_for_an_application(host: Host) -> None:
    """A process that is not Apache's tells nothing, whatever it says; what counts is passed on to the live page."""
    run = host.front.root / "run"
    live = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    live.bind(str(run / "live.sock"))
    live.settimeout(60)
    with live:
        taken, deadline = b"", time.monotonic() + 60
        while f"{ONE}-blue".encode() not in taken:
            assert time.monotonic() < deadline, taken
            taken = live.recv(65536)
    before = host.value("grove_telemetry_refused_total")
    account = pwd.getpwnam(ONE)
    script = "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    script += "for data in (sys.stdin.buffer.read(), b'nothing'): s.sendto(data, sys.argv[1])"
    command = ["python3", "-c", script, f"{run}/telemetry.sock"]
    subprocess.run(command, input=taken, check=True, user=account.pw_uid, group=account.pw_gid)
    wait_for(lambda: host.value("grove_telemetry_refused_total") == before + 2)
    assert host.value("grove_telemetry_processes") <= 2 * PROCESSES
    # A process that has not told anything for a while, as on a busy machine, is counted again after its next message.
    wait_for(lambda: host.value("grove_telemetry_processes") == 2 * PROCESSES)


def short_rules(folder: Path, pace: int) -> Path:
    """Write the alert rules with seconds in the place of minutes, times ``pace``, and return the file."""
    text = (REPOSITORY / "monitoring" / "alerts.yml").read_text()
    text = re.sub(r"(?m)^( +for:) .*$", r"\1 0s", text)
    text = re.sub(r"\[1d\] offset 1h", f"[{10 * pace}s] offset {6 * pace}s", text)
    text = re.sub(r"\[\d+m\]", f"[{12 * pace}s]", text).replace("> 5e8", "> 5e6")
    file = folder / "alerts.yml"
    file.write_text(text)
    return file


@contextlib.contextmanager
def prometheus(folder: Path, pace: int) -> Iterator[None]:
    """Run Prometheus, with one host to scrape each ``pace`` seconds."""
    job = {"job_name": "grove", "static_configs": [{"targets": [f"127.0.0.1:{SCRAPED}"]}]}
    content = {
        "global": dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{pace}s"),
        "rule_files": [str(short_rules(folder, pace))],
        "scrape_configs": [job],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(content))
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{PROMETHEUS}", "--log.level=error"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def ask_prometheus(path: str) -> Any:
    """Return the data of an answer of Prometheus's API; None while Prometheus does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PROMETHEUS}/api/v1/{path}", timeout=30) as answer:
            return json.load(answer)["data"]
    except (urllib.error.URLError, OSError):
        return None


def alerts() -> set[str]:
    """Return the names of the alerts that are raised; none while Prometheus does not answer."""
    data = ask_prometheus("alerts") or {"alerts": []}
    return {alert["labels"]["alertname"] for alert in data["alerts"] if alert["state"] == "firing"}


def scraped() -> int:
    """Return how often Prometheus has read the metrics in the last hour."""
    data = ask_prometheus("query?query=sum_over_time(up[1h])") or {"result": []}
    return sum(int(series["value"][1]) for series in data["result"])


def test_every_alert_is_raised(host: Host, tmp_path: Path) -> None:
    """Each symptom is made on a host that works, and the alert for it is raised by a real Prometheus.

    Where scrapes take long, everything takes longer. A symptom that lasts for a moment is made again until its alert
    is raised: Prometheus may miss some scrapes.
    """
    begin = time.monotonic()
    for _ in range(5):
        host.scrape()
    pace = math.ceil(time.monotonic() - begin)

    def raised(*names: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        missing = set(names)

        def all_were_raised() -> bool:
            meanwhile()
            missing.difference_update(alerts())
            return not missing

        try:
            wait_for(all_were_raised, 120 * pace)
        except AssertionError:
            pytest.fail(f"not raised: {missing}\n{host.text()}")

    def ask(path: str, times: int) -> None:
        for _ in range(times):
            host.front.ask(PORT, path)

    def now_and_then(make: Callable[[], None]) -> Callable[[], None]:
        """Return a function that calls ``make`` at once, and again after what Prometheus looks back to."""
        made = -math.inf

        def make_again() -> None:
            nonlocal made
            if time.monotonic() - made > 20 * pace:
                make()
                made = time.monotonic()

        return make_again

    def end_processes(number: signal.Signals) -> None:
        for pid in host.processes("blue"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    took_memory = False

    def take_memory() -> None:
        """Take memory, in new processes if it was not the first time."""
        nonlocal took_memory
        if took_memory:
            end_processes(signal.SIGINT)
            time.sleep(12 * pace)
        took_memory = True
        ask("/keep?40000000", 6)

    def restart() -> None:
        end_processes(signal.SIGINT)
        time.sleep(1)

    busy_was_raised = threading.Event()

    def ask_until_raised(path: str) -> None:
        while not busy_was_raised.is_set():
            host.front.ask(PORT, path)

    with prometheus(tmp_path, pace), ThreadPoolExecutor(32) as clients:
        # Rates need a first sample, and the memory a past.
        ask("/", 3)
        host.share_out("blue", "blue", "green")
        for _ in range(8):
            ask("/", 1)
            time.sleep(pace)
        # A busy machine may have been too slow for a scrape.
        wait_for(lambda: alerts() == set() and scraped() >= 8, 120 * pace)
        for _ in range(5):
            ask("/fail-in-green", 6)
            time.sleep(pace)
        raised("GroveServerErrors", "GroveCanaryWorse", meanwhile=lambda: ask("/fail-in-green", 6))
        host.share_out("blue")
        raised("GroveProcessDied", meanwhile=now_and_then(lambda: end_processes(signal.SIGKILL)))
        # More than there are threads: each waits for two others.
        waiting = [clients.submit(ask_until_raised, "/wait?3") for _ in range(24)]
        try:
            raised("GroveThreadsBusy", "GroveWorkersBusy", "GroveConnections", "GroveSlow", "GroveQueue")
        finally:
            busy_was_raised.set()
        for each in waiting:
            each.result()
        raised("GroveMemory", meanwhile=now_and_then(take_memory))
        raised("GroveProcessesRestart", meanwhile=restart)
        file = host.front.root / "run" / "grove-requests"
        file.rename(file.with_name("away"))
        raised("GroveMetricsIncomplete")
        file.with_name("away").rename(file)
        os.kill(host.apache, signal.SIGTERM)
        raised("GroveApacheDown", "GroveSlotWithoutProcess")
        host.stop()
        raised("GroveHostDown")
