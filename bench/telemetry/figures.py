"""Measures the Telemetry API on one database: the time of calls, and how it grows with the number of samples.

Usage: figures.py URL [--samples 1000000] [--small 10000]   (the database must be empty, without a schema)

The calls run in this process, without an HTTP server. They pass the whole noauth pipeline of the paste file, with
Grove's changes to Pecan. Each time is the median of REPEATS calls after one unmeasured call. The program prints a
table; it does not pass or fail.
"""

import argparse
import gzip
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import paste.deploy
import sqlalchemy as sa
from oslo_config import cfg
from telemetry import config, timestamps
from telemetry.cmd.api import SHIPPED
from telemetry.storage.sqlalchemy.driver import SQLDriver
from telemetry.storage.stores import load_driver

sys.path.append(str(Path(__file__).resolve().parents[2] / "wsgi"))
from grove_runtime import pecan_signatures

RESOURCES, METERS = 1000, 20
REPEATS = 15
BULK = 5000
START = timestamps.parse("2026-01-01T00:00:00")
# The seconds between two samples of the same meter of a resource. A million samples are 50 such rounds: one day.
ROUND_SECONDS = 1700
Row = tuple[str, float]


class Api:
    """The noauth pipeline on a database."""

    def __init__(self, url: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            # A machine with other load answers late.
            limits = "connect_timeout = 60\nanswer_timeout = 600\n"
            file.write(f"[DEFAULT]\nauth_strategy = noauth\n[database]\nconnection = {url}\n{limits}")
            file.flush()
            conf = config.load(conf=cfg.ConfigOpts(), files=[file.name], logging=False)
            self.driver = load_driver(conf, url)
            self.driver.upgrade()
            os.environ["TELEMETRY_CONFIG_FILES"] = file.name
            self._application = paste.deploy.loadapp(f"config:{SHIPPED}", name="main")
        pecan_signatures.install()

    def __call__(self, target: str, body: bytes | None = None, **headers: str) -> bytes:
        """GET a path and query, or POST a body to it. Return the body of the answer."""
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_ACCEPT": "*/*"}
        environ |= headers
        if body is not None:
            environ |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        setup_testing_defaults(environ)
        statuses: list[str] = []
        answer = self._application(environ, lambda status, headers, error=None: statuses.append(status))
        content = b"".join(answer)
        if statuses[0][:3] not in ("200", "201"):
            raise RuntimeError(f"{target}: {statuses[0]} {content[:500]!r}")
        return content


def sample(number: int) -> dict[str, Any]:
    """Return the sample with this number. The number counts resources first, then meters, then times."""
    resource, meter = number % RESOURCES, number // RESOURCES % METERS
    seconds = number // (RESOURCES * METERS) * ROUND_SECONDS + resource
    time_us = timestamps.to_microseconds(START) + seconds * 1_000_000
    return {
        "counter_name": f"meter{meter}",
        "counter_type": "gauge",
        "counter_unit": "unit",
        "counter_volume": number % 97,
        "resource_id": f"resource-{resource}",
        "project_id": f"project-{resource % 10}",
        "user_id": "user",
        "timestamp": timestamps.from_microseconds(time_us).isoformat(),
        "message_id": f"bench-{number}",
        "resource_metadata": {"host": f"host-{resource % 50}", "flavor": {"vcpus": resource % 8}},
    }


def bulk(first: int, count: int) -> bytes:
    """Return a compressed bulk body with `count` samples."""
    return gzip.compress(b"".join(json.dumps(sample(n)).encode() + b"\n" for n in range(first, first + count)), 1)


class Stopwatch:
    """Measures blocks: seconds by the clock, and seconds of processor time, which depend less on other load."""

    def __init__(self) -> None:
        self.clock = self.core = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        self.clock += time.perf_counter() - self._started[0]
        self.core += time.process_time() - self._started[1]

    def rate(self, samples: int) -> str:
        """Return the samples per second as text."""
        return f"{samples / self.clock:.0f} samples/s ({samples / self.core:.0f} per second of processor time)"


def fill(api: Api, first: int, last: int) -> str:
    """Store samples in bulk. Return the rate as text, without the time to make the bodies."""
    stopwatch = Stopwatch()
    for begin in range(first, last, BULK):
        body = bulk(begin, min(BULK, last - begin))
        with stopwatch:
            api("/v2/samples", body, CONTENT_TYPE="application/x-ndjson", HTTP_CONTENT_ENCODING="gzip")
    return stopwatch.rate(last - first)


def list_of_100(number: int) -> bytes:
    """Return the body of a request with a list of 100 samples."""
    body = []
    for n in range(100):
        message = sample(number * 100 + n)
        message["resource_metadata"] = {"host": message["resource_metadata"]["host"]}
        del message["message_id"]
        body.append({**message, "counter_name": "listed"})
    return json.dumps(body).encode()


def lists_of_100(api: Api, lists: int = 40) -> str:
    """Post lists of 100 samples one after another. Return the rate as text."""
    stopwatch = Stopwatch()
    for number in range(lists):
        body = list_of_100(number)
        with stopwatch:
            api("/v2/meters/listed", body, CONTENT_TYPE="application/json")
    return stopwatch.rate(lists * 100)


def median(call: Callable[[], Any]) -> float:
    """Return the median time of a call, in milliseconds."""
    call()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def calls(api: Api) -> Iterator[Row]:
    """Yield (URL, milliseconds) for lists and statistics."""
    day = "q.field=timestamp&q.op=ge&q.value=2026-01-01&q.field=timestamp&q.op=lt&q.value=2026-01-02"
    for path in (
        "meters",
        "meters?unique=true",
        "resources?limit=100",
        "resources?limit=100&meter_links=0",
        f"resources?limit=100&{day}",
        "samples?limit=100",
        "samples/bench-77",
        "meters/meter3?limit=100",
        "samples?limit=100&q.field=project_id&q.value=project-3",
        "samples?limit=100&q.field=resource_id&q.value=resource-3",
        f"meters/meter3/statistics?{day}",
        f"meters/meter3/statistics?{day}&period=3600",
        f"meters/meter3/statistics?{day}&period=600",
        f"meters/meter3/statistics?{day}&groupby=resource_id",
        f"meters/meter3/statistics?{day}&groupby=project_id&period=3600",
        f"meters/meter3/statistics?{day}&aggregate.func=stddev",
        f"meters/meter3/statistics?{day}&q.field=resource_id&q.op=eq&q.value=resource-3",
        "meters/meter3/statistics?period=600&q.field=timestamp&q.op=ge&q.value=2013-01-01",
    ):
        yield f"GET /v2/{path.replace(day, 'DAY')}", median(lambda path=path: api(f"/v2/{path}"))  # type: ignore[misc]


def bare_queries(driver: SQLDriver) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield (name, function) for statistics as bare SQL, without and with a period."""
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

        def query(text: str = text) -> None:
            with driver.database.read() as connection:
                connection.execute(sa.text(text)).all()

        yield name, query


def compared(api: Api) -> Iterator[tuple[str, float, float]]:
    """Yield (name, milliseconds of bare SQL, milliseconds of the call). Both alternate, so other load affects both."""
    if not isinstance(api.driver, SQLDriver):
        return
    day = "q.field=timestamp&q.op=ge&q.value=2026-01-01&q.field=timestamp&q.op=lt&q.value=2026-01-02"
    for (name, query), parameters in zip(bare_queries(api.driver), ("", "&period=3600", "&period=600"), strict=True):
        pairs = []
        for _ in range(REPEATS * 2):
            started = time.perf_counter()
            query()
            middle = time.perf_counter()
            api(f"/v2/meters/meter3/statistics?{day}{parameters}")
            pairs.append((middle - started, time.perf_counter() - middle))
        yield name, *(statistics.median(times) * 1000 for times in zip(*pairs, strict=True))


def main() -> None:
    """Store a few samples and measure, then store many and measure again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    options = parser.parse_args()
    api = Api(options.url)
    print(f"database: {options.url.partition(':')[0]}")
    print(f"bulk, empty table: {fill(api, 0, options.small)}")
    small = dict(calls(api))
    print(f"bulk, up to {options.samples}: {fill(api, options.small, options.samples)}")
    if isinstance(api.driver, SQLDriver):
        database = api.driver.database
        with database.engine().connect() as connection:
            connection.exec_driver_sql("ANALYZE TABLE sample" if database.backend == "mysql" else "ANALYZE")
            connection.commit()
    large = dict(calls(api))
    last, after = options.samples, max(options.samples // 50, 1)
    print(f"bulk, the {after} after them: {fill(api, last, last + after)}")
    print(f"lists of 100: {lists_of_100(api)}")
    print(f"{'milliseconds with':84}{options.small:>10}{options.samples:>10}  ratio")
    for name, value in large.items():
        print(f"{name:84}{small[name]:>10.2f}{value:>10.2f}{value / small[name]:>7.2f}")
    for name, bare, call_ms in compared(api):
        print(f"statistics, {name}: bare SQL {bare:.2f} ms, call {call_ms:.2f} ms, ratio {call_ms / bare:.2f}")


if __name__ == "__main__":
    main()
