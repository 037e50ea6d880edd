"""The client as a process of its own, so that the work of the calling process does not slow it down."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import report
from .run_folder import RunFolder

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 120.0
"""How long the client may take until it sends the first request."""
DRAIN_SECONDS = 120.0
"""How long the client may take to end after SIGTERM, with the requests that are under way."""


@contextmanager
def under_load(url: str, folder: Path, *options: str) -> Iterator[RunFolder]:
    """Put load on ``url`` during the block, with the options of ``run``; afterwards the report is in ``folder``.

    Yields the run's folder, in which the caller marks events. Failed requests raise nothing; ``summarize`` counts them.
    Raises RuntimeError when the client does not start, or when it ended with an error of its own.
    """
    run = RunFolder(folder)
    run.clear()
    command = [sys.executable, "-m", "tests.load", "run", url, str(folder.absolute()), *options]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and not run.samples.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is None and run.samples.exists():
            yield run
    finally:
        process.terminate()
        try:
            _, errors = process.communicate(timeout=DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    # A client that ends by itself handles signals until it has written its report, and not while Python ends.
    if process.returncode not in (0, 1, -signal.SIGTERM) or not run.run.exists():
        raise RuntimeError(f"the load client ended with status {process.returncode}: {errors.strip()}")
    report.write(run)
