"""What the program for metrics reads: counters, Apache's status, datagrams, slots."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
import yaml
from grove_metrics import apache, apps, collecting, requests, settings, telemetry
from prometheus_client import CollectorRegistry, generate_latest

REPOSITORY = Path(__file__).resolve().parents[2]
STATUS = (
    "127.0.0.1\nServerVersion: Apache/2.4.71\nBusyWorkers: 3\nIdleWorkers: 125\nConnsTotal: 9\nConnsAsyncKeepAlive: 6\n"
)


def counters(*places: tuple[str, int, list[tuple[str, str, dict[int, int], float]]], lost: int = 0) -> bytes:
    """Return a file: applications with their processes, and their series with slot, release, statuses and seconds."""
    content = requests.HEAD.pack(requests.MAGIC, requests.LAYOUT, requests.SIZE, lost)
    for name, processes, series in places:
        content += requests.APPLICATION.pack(requests.READY, 1000, processes, 4, name.encode())
        for slot, release, statuses, seconds in series:
            numbers = [statuses.get(status, 0) for status in range(100, 100 + requests.STATUSES)]
            total = sum(statuses.values())
            buckets = ([0] * 3 + [total] + [0] * (requests.BUCKETS - 4)) * 3
            sums = [round(seconds * 1e6)] * 3
            content += requests.ONE.pack(
                requests.READY, 0, 0, slot.encode(), release.encode(), *numbers, *buckets, *sums
            )
        content += bytes(requests.ONE.size * (requests.SERIES - len(series)))
    return content.ljust(requests.SIZE, b"\0")


def test_counters_are_read_and_added_up() -> None:
    """Two processes of Apache may have filled a place each for the same application."""
    shop = ("shop", 2, [("blue", "aa", {200: 5, 503: 1}, 0.25), ("green", "", {504: 1}, 30)])
    again = ("shop", 0, [("blue", "aa", {200: 2}, 0.5)])
    contents = requests.parse(counters(shop, again, ("", 0, [("", "", {404: 3}, 0)]), lost=7), "file")
    found = {(one.app, one.slot, one.release): one for one in contents.counted}
    assert found["shop", "blue", "aa"].statuses == {200: 7, 503: 1}
    assert found["shop", "blue", "aa"].whole.seconds == 0.75
    assert sum(found["shop", "blue", "aa"].queue.buckets) == 8
    assert found["shop", "green", ""].statuses == {504: 1}
    assert found["", "", ""].statuses == {404: 3}
    assert contents.configured == [requests.Configured("shop", 1000, 2, 4)]
    assert contents.lost == 7


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * requests.SIZE, counters()[:-1], counters() + b"x"])
def test_another_file_is_no_file_of_counters(content: bytes) -> None:
    with pytest.raises(requests.LayoutError, match="it has to have"):
        requests.parse(content, "file")


def test_the_module_of_apache_has_the_same_layout() -> None:
    source = (REPOSITORY / "httpd/mod_grove_metrics.c").read_text()
    numbers = {name: int(number) for name, number in re.findall(r"(?m)^#define ([A-Z]+) (\d+)$", source)}
    names = ("LAYOUT", "APPS", "SERIES", "STATUSES", "NAME", "SLOT", "RELEASE")
    assert {name: numbers[name] for name in names} == {name: getattr(requests, name) for name in names}
    [bounds] = re.findall(r"(?s)bounds\[\] = {(.*?)}", source)
    assert tuple(int(bound) / 1e6 for bound in bounds.split(",")) == requests.BOUNDS


def test_the_status_of_apache() -> None:
    assert apache.parse(STATUS) == {"BusyWorkers": 3, "IdleWorkers": 125, "ConnsTotal": 9, "ConnsAsyncKeepAlive": 6}
    for text in ("", "<html>\nBusyWorkers: many\n"):
        with pytest.raises(apache.StatusError, match="no status"):
            apache.parse(text)


def datagram(kind: int, *fields: bytes) -> bytes:
    return telemetry.HEADER.pack(telemetry.MAGIC, telemetry.VERSION, kind, 0, 1, 1, 0.0) + b"".join(fields)


def text(number: int, value: str) -> bytes:
    return struct.pack("<HBH", number, 4, len(value)) + value.encode()


def count(number: int, value: int) -> bytes:
    return struct.pack("<HBQ", number, 1, value)


def test_a_datagram() -> None:
    array = struct.pack("<HBH", 90, 5, 2) + struct.pack("<2i", 1, 2)
    parsed = telemetry.parse(datagram(telemetry.REQUEST, text(telemetry.GROUP, "shop-blue"), array, count(52, 3)))
    assert (parsed.text(telemetry.GROUP), parsed.number(telemetry.BUSY)) == ("shop-blue", 3)
    assert (parsed.text(1), parsed.number(1), parsed.number(telemetry.GROUP)) == ("", None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"WSGI",
        b"x" * 100,
        datagram(2, b"\1"),
        datagram(2, text(6, "shop-blue")[:-1]),
        datagram(2, struct.pack("<HB", 6, 99) + bytes(20)),
        datagram(2, struct.pack("<HB", 6, 1)),
        datagram(2, struct.pack("<HBH", 6, 4, 65535)),
    ],
)
def test_a_datagram_that_is_none(data: bytes) -> None:
    """It is counted, and changes nothing."""
    with pytest.raises(telemetry.DatagramError, match=r"."):
        telemetry.parse(data)
    everything = telemetry.Everything()
    everything.note(1, data, lambda pid, group: True, 0)
    assert everything.look() == ({}, 1)


def test_who_may_tell_what() -> None:
    """A process tells about the group that it is of; the kernel names the process."""
    everything = telemetry.Everything()

    def is_allowed(pid: int, group: str) -> bool:
        return (pid, group) == (7, "shop-blue")

    everything.note(7, datagram(telemetry.STARTED, text(6, "shop-blue")), is_allowed, 1)
    everything.note(7, datagram(telemetry.REQUEST, text(6, "shop-blue"), count(50, 4), count(52, 2)), is_allowed, 2)
    everything.note(8, datagram(telemetry.STARTED, text(6, "shop-blue")), is_allowed, 3)
    everything.note(7, datagram(telemetry.REQUEST, text(6, "cart-blue"), count(52, 4)), is_allowed, 4)
    # One of Apache's own processes.
    everything.note(9, datagram(telemetry.REQUEST, count(52, 4)), is_allowed, 5)
    told, refused = everything.look()
    assert told == {7: telemetry.Told("shop-blue", 2, 4, 2)}
    assert refused == 2
    assert everything.take_starts() == [(7, "shop-blue")]
    assert everything.take_starts() == []
    everything.note(7, datagram(telemetry.STOPPED, text(telemetry.REASON, "maximum_requests")), is_allowed, 6)
    gone = everything.forget(7)
    assert gone is not None
    assert gone.reason == "maximum_requests"


def test_slots_and_shares(tmp_path: Path) -> None:
    [blue, green] = apps.slots([requests.Configured("shop", 1000, 2, 4)])
    assert (blue.group, green.title) == ("shop-blue", "g-shop")
    assert (apps.shares(tmp_path, "shop"), apps.release(tmp_path, blue)) == ([], "")
    (tmp_path / "shop/slots").mkdir(parents=True)
    (tmp_path / "shop/slots/blue").symlink_to("../releases/0123456789ab")
    (tmp_path / "shop/slot.map").write_text("live shop-blue|shop-blue|shop-green\n")
    assert apps.shares(tmp_path, "shop") == ["blue", "blue", "green"]
    assert apps.release(tmp_path, blue) == "0123456789ab"
    (tmp_path / "shop/slot.map").write_text("live nonsense\n")
    assert apps.shares(tmp_path, "shop") == []


def chosen(folder: Path, **more: object) -> settings.Settings:
    names = ("base", "pid_file", "requests", "credential", "telemetry")
    content = {name: str(folder / name) for name in names} | {"address": "127.0.0.1", "port": 1, "program": "apache2"}
    content |= {"interval": 5, "door": "127.0.0.1:1", "workers": 128, "connections": 999, **more}
    (folder / "settings.json").write_text(json.dumps(content))
    return settings.read(folder / "settings.json")


def rendered(folder: Path) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collecting.Collector(chosen(folder)))
    return generate_latest(registry).decode()


def test_a_scrape_without_anything(tmp_path: Path) -> None:
    """Apache does not run, and nothing was deployed."""
    answer = rendered(tmp_path)
    assert "\ngrove_apache_up 0.0\n" in answer
    for part, number in (("requests", 0), ("apps", 0), ("processes", 0), ("telemetry", 1)):
        assert f'\ngrove_part_up{{part="{part}"}} {number}.0\n' in answer


def test_a_scrape_with_counters(tmp_path: Path) -> None:
    """Buckets are cumulative, and a name with quotes stays one label."""
    shop = ('sh"op', 2, [("blue", "aa", {200: 5, 503: 1}, 0.25)])
    (tmp_path / "requests").write_bytes(counters(shop))
    answer = rendered(tmp_path)
    labels = 'app="sh\\"op",release="aa",slot="blue"'
    assert f'\ngrove_requests_total{{{labels},status="503"}} 1.0\n' in answer
    for bound, number in (("0.025", 0), ("0.05", 6), ("30.0", 6), ("+Inf", 6)):
        own = labels.replace(",release", f',le="{bound}",release')
        assert f"\ngrove_request_seconds_bucket{{{own}}} {number}.0\n" in answer
    assert f"\ngrove_request_seconds_sum{{{labels}}} 0.25\n" in answer
    assert '\ngrove_slot_processes_limit{app="sh\\"op",release="",slot="green"} 2.0\n' in answer


def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keys address, port, base"):
        chosen(tmp_path, colour="blue")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ValueError, match="object with the keys"):
        settings.read(tmp_path / "bad.json")


def test_the_role_installs_every_module() -> None:
    variables = yaml.safe_load((REPOSITORY / "roles/metrics/vars/main.yml").read_text())
    modules = sorted(path.name for path in (REPOSITORY / "monitoring/grove_metrics").glob("*.py"))
    assert variables["__metrics_modules"] == modules


def test_the_page_describes_every_metric(tmp_path: Path) -> None:
    (tmp_path / "requests").write_bytes(counters(("shop", 2, [("blue", "aa", {200: 1}, 0.1)])))
    page = (REPOSITORY / "docs/metrics.md").read_text()
    registered = re.findall(r"(?m)^# TYPE (\S+) ", rendered(tmp_path))
    source = (REPOSITORY / "monitoring/grove_metrics/collecting.py").read_text()
    written = {
        f"{name}{'_total' if 'Counter' in kind else ''}"
        for kind, name in re.findall(r'(Counter|Gauge|Histogram|_gauge)(?:MetricFamily)?\(\s*"(grove_\w+)"', source)
    }
    assert set(registered) <= written
    assert [name for name in sorted(written) if f"`{name}`" not in page] == []
