"""The metrics of a deployed host, as its own unit answers them."""

from __future__ import annotations

import functools
import re
import threading
import time

import pytest
from served import COLOURS, Host, wait_for

SCRAPE = """
import time, urllib.error, urllib.request
begin = time.monotonic()
try:
    with urllib.request.urlopen("http://127.0.0.1:9117/metrics", timeout=30) as answer:
        status, text = answer.status, answer.read().decode()
except urllib.error.URLError as error:
    status, text = 0, str(error)
print(json.dumps({"status": status, "text": text, "seconds": time.monotonic() - begin}))
"""
LIVE = """
import urllib.request
with urllib.request.urlopen("http://127.0.0.1:9118/api/state", timeout=30) as answer:
    print(json.dumps([process["process_group"] for process in json.load(answer)["processes"]]))
"""


def value(host: Host, name: str, **labels: str) -> float:
    """Return the sum of the samples with these labels. Fails after the 10 seconds of Prometheus."""
    answer = host.python(SCRAPE)
    assert answer["status"] == 200, answer["text"]
    assert answer["seconds"] < 10
    return total(answer["text"], name, labels)


def total(text: str, name: str, labels: dict[str, str]) -> float:
    """Return the sum of the samples with these labels in an answer."""
    found = re.findall(rf"(?m)^{name}(?:{{(.*)}})? (\S+)$", text)
    wanted = {f'{key}="{label}"' for key, label in labels.items()}
    return sum(float(number) for texts, number in found if wanted <= set(texts.split(",")))


def has(host: Host, number: float, name: str, **labels: str) -> str:
    """Return a text if the sum is ``number``, and none while it differs or the program does not listen yet."""
    answer = host.python(SCRAPE)
    return "yes" if answer["status"] == 200 and total(answer["text"], name, labels) == number else ""


def test_every_app_is_in_one_scrape(host: Host) -> None:
    """Counters grow by the number of requests that were sent, under the slot and the release that answer."""
    for record in host.apps:
        slot, release = host.live(record["name"])
        own = {"app": record["name"], "slot": slot, "release": release}
        path = record.get("path", "").rstrip("/") + "/"
        before = value(host, "grove_requests_total", **own, status="200")
        for _ in range(5):
            assert host.ask(record["name"], path).status == 200
        # Apache counts a request after its client has the answer.
        assert wait_for(functools.partial(has, host, before + 5, "grove_requests_total", **own, status="200"))
        assert value(host, "grove_request_application_seconds_count", **own) >= 5
        assert value(host, "grove_slot_info", **own, role="live") == 1
        assert value(host, "grove_slot_memory_bytes", **own) > 1e6
        for colour in COLOURS:
            both = {"app": record["name"], "slot": colour}
            processes = len(host.daemons(record["name"], colour))
            assert value(host, "grove_slot_processes", **both) == processes
            assert value(host, "grove_slot_processes_limit", **both) == processes
    # A busy Apache may not answer within the two seconds that the program waits for its status.
    assert wait_for(lambda: has(host, 1, "grove_apache_up"))
    assert value(host, "grove_part_up") == 4
    # Each process of each slot has told how busy it is.
    every = sum(len(host.daemons(record["name"], colour)) for record in host.apps for colour in COLOURS)
    assert wait_for(lambda: has(host, every, "grove_telemetry_processes"))


def test_a_scrape_while_apache_is_reloaded(host: Host) -> None:
    before = value(host, "grove_requests_total")
    reload = threading.Thread(target=host.run, args=("systemctl", "reload", "apache2"))
    reload.start()
    counts = [before]
    while reload.is_alive() or len(counts) < 4:
        counts.append(value(host, "grove_requests_total"))
    reload.join()
    assert counts == sorted(counts)
    assert wait_for(lambda: has(host, 1, "grove_apache_up"))


def test_the_live_page_knows_every_slot(host: Host) -> None:
    expected = {f"{record['name']}-{colour}" for record in host.apps for colour in COLOURS}
    assert wait_for(lambda: "yes" if expected <= set(host.python(LIVE)) else "")


@pytest.mark.parametrize(
    "path",
    [
        "/run/apache2/grove-requests",
        "/var/lib/grove/status.header",
        "/run/grove-metrics/status.header",
        "/run/grove-metrics-live/live.sock",
    ],
)
def test_an_app_reads_no_numbers_of_others(host: Host, path: str) -> None:
    """The account of an app can neither read the counters nor open the door with Apache's status."""
    done = host.try_run("runuser", "-u", "test1", "--", "cat", path)
    assert "Permission denied" in done.stderr


def test_a_program_that_hangs_is_started_again(host: Host) -> None:
    """Requests do not wait for the program. The processes of a slot end as soon as systemd has killed it."""

    def main() -> str:
        return host.run("systemctl", "show", "apache-metrics", "--property=MainPID", "--value").strip()

    stopped, old = main(), host.daemons("test2", "green")
    host.run("kill", "-STOP", stopped)
    for _ in range(5):
        assert host.ask("test2", "/").status == 200
        time.sleep(1)
    host.run("kill", "-INT", *map(str, old))
    assert wait_for(lambda: "" if set(host.daemons("test2", "green")) & set(old) else "yes", 90)
    assert wait_for(lambda: main() if main() not in ("0", stopped) else "", 90)
    assert wait_for(lambda: has(host, 4, "grove_part_up"))


def test_the_program_has_no_rights(host: Host) -> None:
    main = host.run("systemctl", "show", "apache-metrics", "--property=MainPID", "--value").strip()
    status = host.run("cat", f"/proc/{main}/status")
    assert re.search(r"(?m)^CapEff:\s+0+$", status)
    assert re.search(r"(?m)^NoNewPrivs:\s+1$", status)
    assert host.run("ps", "-o", "user=", "-p", main).strip() == "grove-metrics"
