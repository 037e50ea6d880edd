#!/usr/bin/env python3
"""Measures what runs of Ansible cost on a host where little or nothing is to be done, before and after a change.

Run as root: `bench/runs.py [--before COMMIT] [--rounds N] [--release bookworm] [--deployed HOST] [--keep]`. It makes a
fresh host, which is its own controller, with the repository's tracked files, and with those of COMMIT. In each round it
repeats each kind of run with both. It prints medians of the processor time of the whole host, which other programs of
the machine hardly change, and of the duration. `--deployed` measures on a host that an earlier call has kept.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile

from fresh_host import BUNDLE, CHECKOUT, CPU_TIME, HOST, REPOSITORY, fresh, on

BEFORE = "/root/before"
THREE = "-e '{\"wsgi_services\": []}'"
SOURCE = "wsgi/pecan_test_project/pecan_test_project/controllers/root.py"
CHANGE = f"{{ printf '\\n# %s\\n' \"$(date +%s%N)\" >>{SOURCE}; }}"
SETTLE = f"./grove site {THREE}"
RUNS = {
    "second site, three apps": SETTLE,
    "deploy, a changed source": f"{CHANGE} && ./grove deploy -e app=test1 {THREE}",
    "rollback": f"./grove rollback -e app=test1 {THREE}",
    "status": "./grove status",
}


def used(host: str) -> float:
    """Return the seconds of the processor that the host has used."""
    return int(on(host, CPU_TIME)[1]) / 1e9


def run(host: str, folder: str, command: str) -> tuple[float, float]:
    """Run a command in a checkout; return its seconds of the processor and its duration."""
    before = used(host)
    duration, _ = on(
        host, f"cd {folder} && export SSL_CERT_FILE={BUNDLE} UV_CACHE_DIR=/var/cache/uv-front && {command}"
    )
    return used(host) - before, duration


def unpack(host: str, commit: str) -> None:
    """Put the files of a commit on the host, beside the checkout."""
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        subprocess.run(["git", "archive", f"--output={archive.name}", commit], cwd=REPOSITORY, check=True)
        subprocess.run(["podman", "cp", archive.name, f"{host}:{BEFORE}.tar"], check=True)
    on(host, f"rm -rf {BEFORE} && mkdir {BEFORE} && tar -xf {BEFORE}.tar -C {BEFORE}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--release", default="bookworm", choices=["bookworm", "trixie"])
    parser.add_argument("--deployed", metavar="HOST")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    host = options.deployed or fresh("grove-bench-runs", options.release)
    folders = [CHECKOUT]
    if options.before:
        folders.insert(0, BEFORE)
        if not options.deployed:
            unpack(host, options.before)
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        for folder in folders:
            # Whatever the last run of the other checkout has left, also of Apache's configuration.
            run(host, folder, SETTLE)
            for name, command in RUNS.items():
                figures.setdefault((name, folder), []).append(run(host, folder, command))
    print("| run | processor time, s | duration, s | ratio of the processor time |\n|---|---|---|---|")
    for name in RUNS:
        medians = [[statistics.median(values) for values in zip(*figures[name, each], strict=True)] for each in folders]
        processor, duration = (", ".join(f"{each[part]:.2f}" for each in medians) for part in range(2))
        print(f"| {name} | {processor} | {duration} | {medians[-1][0] / medians[0][0]:.2f} |")
    if not (options.keep or options.deployed):
        subprocess.run([HOST, "destroy", host], check=True)


if __name__ == "__main__":
    main()
