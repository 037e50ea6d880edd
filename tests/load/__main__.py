"""The command line of the load client.

The data of a run is in a folder of its own: samples.jsonl, marks.jsonl, run.json, summary.json and report.html.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from . import client, releases, report, summary
from .http1 import Target
from .run_folder import MARK_KINDS, RunFolder


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    defaults = client.Settings()
    top = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    verbs = top.add_subparsers(dest="verb", required=True)

    run = verbs.add_parser("run", help="put load on a URL; SIGTERM or SIGINT ends it early")
    run.add_argument("url")
    run.add_argument("folder", type=Path)
    run.add_argument("--keep-alive", type=int, default=defaults.keep_alive, metavar="CLIENTS")
    run.add_argument("--fresh", type=int, default=defaults.fresh, metavar="CLIENTS")
    run.add_argument("--slow", type=int, default=defaults.slow_clients, metavar="CLIENTS")
    run.add_argument("--streams", type=int, default=defaults.streams, metavar="CLIENTS")
    run.add_argument("--uploads", type=int, default=defaults.uploads, metavar="CLIENTS")
    run.add_argument("--waiting", type=int, default=defaults.waiting, metavar="CLIENTS")
    run.add_argument(
        "--slow-seconds",
        type=float,
        nargs=2,
        default=defaults.slow,
        metavar=("LEAST", "MOST"),
        help="of a slow answer, of a stream, of an upload, and of the wait between connection and request",
    )
    run.add_argument("--pause", type=float, default=defaults.pause, help="seconds between two requests of a client")
    run.add_argument("--timeout", type=float, default=defaults.timeout, help="seconds")
    run.add_argument("--seconds", type=float, default=defaults.seconds, help="the longest that the run takes")
    run.add_argument("--requests", type=int, default=defaults.requests, help="the most requests that are sent")
    run.add_argument("--host", default="", help="the Host field; default: the URL's")
    run.add_argument("--ca", default="", help="a file of trusted certificate authorities, for https")

    mark = verbs.add_parser("mark", help="note in a run's folder that something begins, ends or happens now")
    mark.add_argument("folder", type=Path)
    mark.add_argument("edge", choices=("begin", "end", "at"))
    mark.add_argument("kind", choices=MARK_KINDS)
    mark.add_argument("label")

    report_of = verbs.add_parser("report", help="make summary.json and report.html of a run")
    report_of.add_argument("folder", type=Path)
    report_of.add_argument("--title", default=report.TITLE)

    release = verbs.add_parser("release", help="make a release of the application that the load is put on")
    release.add_argument("folder", type=Path)
    release.add_argument("number", type=int)
    faults = ", ".join(f"{name} ({kind.__name__})" for name, kind in releases.FAULTS.items())
    release.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE", help=faults)
    return top


def fault(text: str) -> tuple[str, bool | int | float]:
    """Translate NAME or NAME=VALUE; raises ValueError."""
    name, _, value = text.partition("=")
    kind = releases.FAULTS.get(name)
    if kind is None:
        raise ValueError(f"there is no fault {name} (there are {', '.join(releases.FAULTS)})")
    if kind is bool:
        return name, {"": True, "true": True, "false": False}[value]
    number: int | float = kind(value)
    return name, number


def main() -> int:
    """Run the verb of the command line. Exit status 1: a request of the run failed; 2: an error, which is printed."""
    arguments = parser().parse_args()
    folder = RunFolder(arguments.folder)
    try:
        match arguments.verb:
            case "run":
                settings = client.Settings(
                    keep_alive=arguments.keep_alive,
                    fresh=arguments.fresh,
                    slow_clients=arguments.slow,
                    streams=arguments.streams,
                    uploads=arguments.uploads,
                    waiting=arguments.waiting,
                    pause=arguments.pause,
                    timeout=arguments.timeout,
                    slow=tuple(arguments.slow_seconds),
                    seconds=arguments.seconds,
                    requests=arguments.requests,
                )
                load = client.Load(Target.of(arguments.url, host=arguments.host, ca=arguments.ca), folder, settings)
                asyncio.run(load.run())
                total = summary.summarize(folder).total
                print(report.line(total))
                return 1 if total.failed else 0
            case "mark":
                folder.mark(arguments.edge, arguments.kind, arguments.label)
            case "report":
                print(report.write(folder, arguments.title))
            case "release":
                print(releases.make(arguments.folder, arguments.number, dict(map(fault, arguments.fault))))
    except (OSError, ValueError, KeyError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
