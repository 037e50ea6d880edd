"""Runs a command: reads its configuration, and reports an error in one line."""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from oslo_config import cfg

from telemetry import config
from telemetry.errors import TelemetryError


def stop_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def end(number: int, frame: Any) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return stop


def run(
    command: Callable[[cfg.ConfigOpts], int | None],
    arguments: Sequence[str] | None = None,
    options: Sequence[cfg.Opt] = (),
) -> int:
    """Run a command with the configuration that its command line names. Returns the exit status: 1 after an error."""
    conf = cfg.CONF
    conf.register_cli_opts(list(options))
    try:
        config.load(sys.argv[1:] if arguments is None else arguments, conf=conf)
        return command(conf) or 0
    except (TelemetryError, cfg.Error) as error:
        print(f"{error}", file=sys.stderr)
        return 1
