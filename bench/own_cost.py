#!/usr/bin/env python3
"""Measures what each piece of Grove costs a request, in processor time, on one fresh host.

Run as root: `bench/own_cost.py [--rounds N] [--seconds N] [--clients N] [--release bookworm] [--keep]
[--deployed HOST]`

The program makes a host, deploys the inventory `bench/served/inventory` with `./grove site`, and runs
own_cost_on_host.py there. It prints a table with the medians of all rounds, and ratios to a bare daemon of mod_wsgi and
to Grove. With --keep the host stays, and --deployed measures on a host that an earlier call kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

from fresh_host import CHECKOUT, FRONT, HOST, fresh, on

HOST_NAME = "grove-own-cost"
KINDS = ("httpd", "daemon", "log")
FEWEST = 100
"""Requests of a measurement. A machine that has no time for more measures only itself; that round does not count."""


def table(results: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """Return the lines of the table: one for each variant, in microseconds for a request.

    The first variant is the bare daemon, to which the ratios of one column refer. Those of the other one refer to
    ``Grove``. Each ratio is the median of the ratios of all rounds. Raises ValueError if no round counts.
    """
    counting = [number for number, ones in enumerate(zip(*results.values(), strict=True)) if _counts(ones)]
    if not counting:
        raise ValueError(f"the machine has too much other work: no round has {FEWEST} requests for each variant")
    results = {name: [rounds[number] for number in counting] for name, rounds in results.items()}
    totals = {name: [_cost(one) for one in rounds] for name, rounds in results.items()}
    names = list(results)
    lines = [
        "| variant | processor time | Apache | application | logs | / bare daemon | / Grove |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        parts = [statistics.median(1e6 * one.get(kind, 0) / one["requests"] for one in results[name]) for kind in KINDS]
        ratios = [
            statistics.median(own / other for own, other in zip(totals[name], totals[base], strict=True))
            for base in (names[0], "Grove")
        ]
        cells = [statistics.median(totals[name]), *parts]
        numbers = " | ".join([*(f"{cell:.0f} us" for cell in cells), *(f"{ratio:.2f}" for ratio in ratios)])
        lines.append(f"| {name} | {numbers} |")
    return lines


def _counts(ones: Sequence[Mapping[str, float]]) -> bool:
    """Return whether each measurement of a round has enough requests."""
    return all(one["requests"] >= FEWEST for one in ones)


def _cost(one: Mapping[str, float]) -> float:
    """Return the microseconds of a request in a round."""
    return 1e6 * sum(value for key, value in one.items() if key != "requests") / one["requests"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--release", default="bookworm")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--deployed", metavar="HOST")
    options = parser.parse_args()
    name = options.deployed or HOST_NAME
    try:
        if not options.deployed:
            fresh(name, options.release)
            quiet = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"
            on(name, f"{quiet} update && {quiet} install --no-install-recommends wrk >/dev/null")
            on(name, f"{FRONT} ./grove site -i bench/served/inventory")
        numbers = f"--rounds={options.rounds} --seconds={options.seconds} --clients={options.clients}"
        _, output = on(name, f"python3 {CHECKOUT}/bench/own_cost_on_host.py {numbers}")
        sys.stdout.write("\n".join(table(json.loads(output))) + "\n")
    finally:
        if not (options.keep or options.deployed):
            subprocess.run([HOST, "destroy", name], check=True)


if __name__ == "__main__":
    main()
