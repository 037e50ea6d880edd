"""Measures a REST controller of Pecan without and with `wsgi/grove_runtime/pecan_signatures.py`.

    python bench/pecan_signature_cost.py [--rounds 7] [--requests 500]

needs only Pecan. Each round serves the same requests in both ways. The order alternates, so that a machine that is busy
for a while favours neither. The program prints the medians of the rounds and their ratio. CPU time is that of this
process.
"""

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from wsgiref.types import WSGIApplication, WSGIEnvironment

import pecan
from pecan.rest import RestController
from webob import Request

sys.path.insert(0, str(Path(__file__).parents[1] / "wsgi"))

from grove_runtime import pecan_signatures

PAYLOAD: dict[str, object] = {"items": [{"id": number, "name": f"item {number:03d}"} for number in range(29)]}
"""About 1 KB as JSON."""


class ItemController(RestController):
    """`/item/KEY`."""

    @pecan.expose("json")
    def get_one(self, key: str) -> dict[str, object]:
        return PAYLOAD


class RootController:
    """`/`."""

    item = ItemController()


class Measured(NamedTuple):
    """CPU time and elapsed time of one request, in microseconds."""

    cpu: float
    elapsed: float


def serve(application: WSGIApplication, requests: int) -> Measured:
    """Answer the same request `requests` times and return the mean times; raises RuntimeError unless all are 200."""
    blank: WSGIEnvironment = Request.blank("/item/1").environ
    statuses: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        statuses.append(status)
        return lambda data: None

    gc.collect()
    cpu, elapsed = time.process_time(), time.perf_counter()
    for _ in range(requests):
        consume(application(dict(blank), start_response))
    cpu, elapsed = time.process_time() - cpu, time.perf_counter() - elapsed
    if set(statuses) != {"200 OK"}:
        raise RuntimeError(f"unexpected answers: {set(statuses)}")
    return Measured(cpu / requests * 1e6, elapsed / requests * 1e6)


def consume(body: Iterable[bytes]) -> None:
    for _ in body:
        pass


def without(application: WSGIApplication, requests: int) -> Measured:
    """Measure unchanged Pecan."""
    pecan_signatures.uninstall()
    return serve(application, requests)


def with_signatures(application: WSGIApplication, requests: int) -> Measured:
    """Measure Pecan with its signatures computed once; raises RuntimeError if this Pecan does not allow it."""
    if not pecan_signatures.install():
        raise RuntimeError("pecan_signatures does not change this version of Pecan")
    return serve(application, requests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=500, help="in each round and way")
    arguments = parser.parse_args()
    application: WSGIApplication = pecan.make_app(RootController())
    ways = {"without": without, "with": with_signatures}
    for measure in ways.values():
        measure(application, 50)
    measured: dict[str, list[Measured]] = {name: [] for name in ways}
    for number in range(arguments.rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            measured[name].append(ways[name](application, arguments.requests))
    medians = {
        name: Measured(statistics.median(r.cpu for r in rounds), statistics.median(r.elapsed for r in rounds))
        for name, rounds in measured.items()
    }
    for name, median in medians.items():
        print(f"{name:8}{median.cpu:8.0f} us of CPU a request {1e6 / median.elapsed:8.0f} requests/s")
    slow, fast = medians["without"], medians["with"]
    print(f"ratio   {slow.cpu / fast.cpu:8.2f}                     {slow.elapsed / fast.elapsed:8.2f}")


if __name__ == "__main__":
    main()
