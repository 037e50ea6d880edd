"""Measures what each piece of `wsgi/grove_runtime/pecan_*.py` saves of a request of Pecan.

    python bench/pecan_pieces_cost.py [--rounds 15] [--requests 300] [--json FILE]

needs only Pecan. The program asks a `RestController` for 1 KB of JSON, and one application after the other for other
things. A round serves the same requests in each way: without pieces, with the signatures alone, with the signatures and
one other piece, with all, and with all but one. The order alternates, so that a machine that is busy for a while
favours none. CPU time is that of this process. The program prints medians, and the ratio to the signatures alone.

With --first, it measures the first and the tenth request of new processes, without and with all pieces.
"""

import argparse
import gc
import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

import pecan
from pecan.rest import RestController
from webob import Request

sys.path.insert(0, str(Path(__file__).parents[1] / "wsgi"))

PIECES = {
    name: importlib.import_module(f"grove_runtime.pecan_{name}")
    for name in ("signatures", "requests", "routing", "accept", "responses")
}
PAYLOAD: dict[str, object] = {"items": [{"id": number, "name": f"item {number:03d}"} for number in range(29)]}
"""About 1 KB as JSON."""


class ItemController(RestController):
    """`/item/KEY`."""

    @pecan.expose("json")
    def get_one(self, key: str) -> dict[str, object]:
        return PAYLOAD

    @pecan.expose("json")
    def post(self, **values: Any) -> dict[str, object]:
        return values


class RootController:
    """`/`."""

    item = ItemController()

    @pecan.expose("json")
    def index(self, **query: str) -> dict[str, str]:
        return query


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "RestController, 1 KB of JSON": ("/item/1", {}),
    "the same, Accept: */*": ("/item/1", {"accept": "*/*"}),
    "the same, Accept: application/json": ("/item/1", {"accept": "application/json"}),
    "the same, Accept of a browser": ("/item/1", {"accept": BROWSER}),
    "RestController, POST of JSON": ("/item", {"method": "POST", "json": {"a": 1}, "content_type": "application/json"}),
    "method with a query": ("/?a=1&b=2", {}),
    "404": ("/none", {}),
}


def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
    return lambda data: None


def served(application: WSGIApplication, blank: Any, requests: int) -> float:
    """Answer the same request `requests` times. Return the mean CPU time in microseconds."""
    environ: WSGIEnvironment = blank.environ
    gc.collect()
    cpu = time.process_time()
    for _ in range(requests):
        blank.environ["wsgi.input"].seek(0)
        for _ in application(dict(environ), start_response):
            pass
    return (time.process_time() - cpu) / requests * 1e6


def ways() -> Iterator[tuple[str, list[str]]]:
    """Yield each way, and the pieces that it has."""
    others = [name for name in PIECES if name != "signatures"]
    yield "no piece", []
    yield "signatures", ["signatures"]
    for name in others:
        yield f"signatures, {name}", ["signatures", name]
    for name in others:
        yield f"all but {name}", [other for other in PIECES if other != name]
    yield "all", list(PIECES)


def install(names: list[str]) -> None:
    """Install exactly these pieces. Raises RuntimeError if this Pecan or WebOb is not the known one."""
    for piece in PIECES.values():
        piece.uninstall()
    for name in names:
        if not PIECES[name].install():
            raise RuntimeError(f"pecan_{name} does not change these versions of Pecan and WebOb")


def first(pieces: bool) -> list[float]:
    """Return the CPU time of the first ten requests of this process, in microseconds, with the pieces' own in front."""
    application: WSGIApplication = pecan.make_app(RootController())
    begin = time.process_time()
    install(list(PIECES) if pieces else [])
    times = [(time.process_time() - begin) * 1e6]
    blank = Request.blank("/item/1")
    for _ in range(10):
        begin = time.process_time()
        list(application(dict(blank.environ), start_response))
        times.append((time.process_time() - begin) * 1e6)
    return times


def first_requests(rounds: int) -> dict[str, dict[str, float]]:
    """Measure new processes, and print what their first requests take."""
    taken: dict[str, list[list[float]]] = {"no piece": [], "all": []}
    for number in range(rounds):
        for way in list(taken)[:: -1 if number % 2 else 1]:
            command = [sys.executable, __file__, "--first-of", "all" if way == "all" else "none"]
            taken[way].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    result = {}
    for way, lists in taken.items():
        installing, one, *_, ten = (statistics.median(times) for times in zip(*lists, strict=True))
        result[way] = {"install": installing, "first": one, "tenth": ten}
        print(f"{way:10} installing {installing:6.0f} us, first request {one:6.0f} us, tenth {ten:5.0f} us of CPU")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=300, help="in each round and way")
    parser.add_argument("--json", metavar="FILE", help="write all medians into a file")
    parser.add_argument("--first", action="store_true", help="measure the first requests of new processes")
    parser.add_argument("--first-of", choices=["none", "all"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.first_of:
        print(json.dumps(first(arguments.first_of == "all")))
        return
    if arguments.first:
        result: dict[str, dict[str, float]] = first_requests(arguments.rounds)
    else:
        application: WSGIApplication = pecan.make_app(RootController())
        result = {}
        for number, (case, (path, options)) in enumerate(CASES.items()):
            chosen = (
                dict(ways())
                if number == 0
                else {name: dict(ways())[name] for name in ("no piece", "signatures", "all")}
            )
            result[case] = measured(application, Request.blank(path, **options), chosen, arguments)
            print(case)
            for way, cpu in result[case].items():
                print(f"  {way:24}{cpu:8.1f} us of CPU a request {result[case]['signatures'] / cpu:8.2f}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=2), encoding="utf-8")


def measured(
    application: WSGIApplication, blank: Any, chosen: dict[str, list[str]], arguments: argparse.Namespace
) -> dict[str, float]:
    """Return the median CPU time of a request in each way."""
    times: dict[str, list[float]] = {way: [] for way in chosen}
    for number in range(arguments.rounds):
        for way in list(chosen)[:: -1 if number % 2 else 1]:
            install(chosen[way])
            served(application, blank, 20)
            times[way].append(served(application, blank, arguments.requests))
    return {way: statistics.median(values) for way, values in times.items()}


if __name__ == "__main__":
    main()
