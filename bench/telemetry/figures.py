"""Figures of the Telemetry API on one database: how long calls take, and how that grows.

Usage: figures.py URL [--samples 1000000] [--small 10000]   (the database behind URL must be empty, schema and all)

Calls are made in process, through the whole noauth application but the HTTP server. Each time is the median of
REPEATS calls after one to warm up. Nothing here passes or fails: it prints a table.
"""

import argparse
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
import webtest
from oslo_config import cfg
from telemetry import config, timestamps
from telemetry.api.app import VersionSelector, make_v2
from telemetry.storage import Stores
from telemetry.storage.sqlalchemy import SQLDriver

RESOURCES, METERS = 1000, 20
REPEATS = 15
BULK = 5000
START = timestamps.parse("2026-01-01T00:00:00")
# So that a million samples lie within a day: fifty rounds over all resources and meters.
ROUND_SECONDS = 1700
Row = tuple[str, float]


def application(url: str) -> tuple[webtest.TestApp, SQLDriver]:
    """Return the noauth application on a database, and the driver beneath it."""
    conf = cfg.ConfigOpts()
    config.load(conf=conf, files=[os.devnull], logging=False)
    conf.set_override("auth_strategy", "noauth")
    conf.set_override("connection", url, group="database")
    conf.set_override("answer_timeout", 600, group="database")
    stores = Stores(conf)
    driver = stores.driver("metering")
    assert isinstance(driver, SQLDriver)
    driver.upgrade()
    return webtest.TestApp(VersionSelector(make_v2(conf, stores))), driver


def sample(number: int) -> dict[str, Any]:
    """Return the sample with this number: resources first, then meters, then time."""
    resource, meter = number % RESOURCES, number // RESOURCES % METERS
    moment = timestamps.to_microseconds(START) + (number // (RESOURCES * METERS) * ROUND_SECONDS + resource) * 1_000_000
    return {
        "counter_name": f"meter{meter}", "counter_type": "gauge", "counter_unit": "unit", "counter_volume": number % 97,
        "resource_id": f"resource-{resource}", "project_id": f"project-{resource % 10}", "user_id": "user",
        "timestamp": timestamps.from_microseconds(moment).isoformat(), "message_id": f"bench-{number}",
        "resource_metadata": {"host": f"host-{resource % 50}", "flavor": {"vcpus": resource % 8}},
    }


def bulk(first: int, count: int) -> bytes:
    """Return a bulk body."""
    return gzip.compress(b"".join(json.dumps(sample(n)).encode() + b"\n" for n in range(first, first + count)), 1)


def fill(api: webtest.TestApp, first: int, last: int) -> float:
    """Store samples in bulk; returns samples a second, without the time to make the bodies."""
    spent = 0.0
    for begin in range(first, last, BULK):
        body = bulk(begin, min(BULK, last - begin))
        headers = {"Content-Encoding": "gzip"}
        started = time.perf_counter()
        api.post("/v2/samples", body, content_type="application/x-ndjson", headers=headers)
        spent += time.perf_counter() - started
    return (last - first) / spent


def lists_of_100(api: webtest.TestApp, lists: int = 40) -> float:
    """Post lists of 100 samples one after another; returns samples a second."""
    spent = 0.0
    for number in range(lists):
        body = []
        for n in range(100):
            one = sample(number * 100 + n)
            one["resource_metadata"] = {"host": one["resource_metadata"]["host"]}
            del one["message_id"]
            body.append({**one, "counter_name": "listed"})
        text = json.dumps(body)
        started = time.perf_counter()
        api.post("/v2/meters/listed", text, content_type="application/json")
        spent += time.perf_counter() - started
    return lists * 100 / spent


def median(call: Callable[[], Any]) -> float:
    """Return the milliseconds of a call."""
    call()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def calls(api: webtest.TestApp) -> Iterator[Row]:
    """Time what the listings and statistics take."""
    day = "q.field=timestamp&q.op=ge&q.value=2026-01-01&q.field=timestamp&q.op=lt&q.value=2026-01-02"
    for path in (
        "meters", "meters?unique=true", "resources?limit=100", "resources?limit=100&meter_links=0",
        f"resources?limit=100&{day}", "samples?limit=100", "samples/bench-77", "meters/meter3?limit=100",
        "samples?limit=100&q.field=project_id&q.value=project-3",
        "samples?limit=100&q.field=resource_id&q.value=resource-3",
        f"meters/meter3/statistics?{day}", f"meters/meter3/statistics?{day}&period=3600",
        f"meters/meter3/statistics?{day}&period=600", f"meters/meter3/statistics?{day}&groupby=resource_id",
        f"meters/meter3/statistics?{day}&groupby=project_id&period=3600",
        f"meters/meter3/statistics?{day}&aggregate.func=stddev",
        f"meters/meter3/statistics?{day}&q.field=resource_id&q.op=eq&q.value=resource-3",
        "meters/meter3/statistics?period=600&q.field=timestamp&q.op=ge&q.value=2013-01-01",
    ):
        yield f"GET /v2/{path.replace(day, 'DAY')}", median(lambda path=path: api.get(f"/v2/{path}"))  # type: ignore[misc]


def questions(driver: SQLDriver) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Return the same aggregates as bare SQL, without and with a period."""
    low, high = (timestamps.to_microseconds(timestamps.parse(f"2026-01-0{day}")) for day in (1, 2))
    divide = "DIV" if driver.database.backend == "mysql" else "/"
    aggregates = "min(volume), max(volume), avg(volume), sum(volume), count(*), min(timestamp), max(timestamp)"
    where = (
        "FROM sample WHERE meter_id = (SELECT id FROM meter WHERE name = 'meter3') "
        f"AND timestamp >= {low} AND timestamp < {high}"
    )
    for name, text in (
        ("a day", f"SELECT {aggregates} {where}"),
        ("a day by 3600 s", f"SELECT (timestamp - {low}) {divide} 3600000000 AS b, {aggregates} {where} GROUP BY b"),
        ("a day by 600 s", f"SELECT (timestamp - {low}) {divide} 600000000 AS b, {aggregates} {where} GROUP BY b"),
    ):
        def ask(text: str = text) -> None:
            with driver.database.read() as connection:
                connection.execute(sa.text(text)).all()

        yield name, ask


def compared(api: webtest.TestApp, driver: SQLDriver) -> Iterator[tuple[str, float, float]]:
    """Time statistics and their bare SQL by turns, so that other load on the machine meets both."""
    day = "q.field=timestamp&q.op=ge&q.value=2026-01-01&q.field=timestamp&q.op=lt&q.value=2026-01-02"
    for (name, ask), more in zip(questions(driver), ("", "&period=3600", "&period=600"), strict=True):
        pairs = []
        for _ in range(REPEATS * 2):
            started = time.perf_counter()
            ask()
            middle = time.perf_counter()
            api.get(f"/v2/meters/meter3/statistics?{day}{more}")
            pairs.append((middle - started, time.perf_counter() - middle))
        yield name, *(statistics.median(times) * 1000 for times in zip(*pairs, strict=True))


def memory() -> int:
    """Return this process's resident megabytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def main() -> None:
    """Fill, measure, fill more, measure again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    options = parser.parse_args()
    api, driver = application(options.url)
    print(f"database: {driver.database.backend}")
    print(f"bulk, empty table: {fill(api, 0, options.small):.0f} samples/s")
    small = dict(calls(api))
    print(f"bulk, up to {options.samples}: {fill(api, options.small, options.samples):.0f} samples/s")
    with driver.database.engine().connect() as connection:
        connection.exec_driver_sql("ANALYZE TABLE sample" if driver.database.backend == "mysql" else "ANALYZE")
        connection.commit()
    large = dict(calls(api))
    last = options.samples
    print(f"bulk, the last {BULK * 4}: {fill(api, last, last + BULK * 4):.0f} samples/s")
    print(f"lists of 100: {lists_of_100(api):.0f} samples/s")
    print(f"memory of this process: {memory()} MB")
    print(f"{'milliseconds with':84}{options.small:>10}{options.samples:>10}  ratio")
    for name, value in large.items():
        print(f"{name:84}{small[name]:>10.2f}{value:>10.2f}{value / small[name]:>7.2f}")
    for name, bare, whole in compared(api, driver):
        print(f"statistics, {name}: bare SQL {bare:.2f} ms, call {whole:.2f} ms, ratio {whole / bare:.2f}")


if __name__ == "__main__":
    main()
