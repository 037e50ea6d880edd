"""telemetry-migrate-storage: copy samples, alarms, their history and events from one database to another."""

import sys
import time
from pathlib import Path

from oslo_config import cfg

from telemetry.cmd import options
from telemetry.errors import TelemetryError
from telemetry.storage import copying
from telemetry.storage.progress import Progress, file_name, without_credentials
from telemetry.storage.stores import PURPOSES, Stores

OPTIONS = [
    cfg.StrOpt("source", secret=True, help="URL of the database to copy from. If unset: the configured databases."),
    cfg.StrOpt("target", secret=True, help="URL of the database to copy to. If unset: the configured databases."),
    cfg.StrOpt("progress", help="File that keeps the progress. If unset: a file in state_path."),
    cfg.IntOpt("batch", default=2000, min=1, max=100_000, help="Number of samples or events in a batch."),
]
# A count of all samples takes longer than any request of the API.
ANSWER_TIMEOUT = 3600
REPORT_SECONDS = 10.0


class Reporter:
    """Prints the progress at most every REPORT_SECONDS."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, kind: str, copied: int) -> None:
        if time.monotonic() - self._last >= REPORT_SECONDS:
            self._last = time.monotonic()
            print(f"{kind}: {copied} read", flush=True)


def migrate(conf: cfg.ConfigOpts) -> int:
    """Copy, compare the counts and print them. Return the exit status: 1 if a count differs."""
    if not conf.source and not conf.target:
        raise TelemetryError("Name the database to copy from or to: --source URL or --target URL")
    conf.set_override("answer_timeout", max(conf.database.answer_timeout, ANSWER_TIMEOUT), group="database")
    source, target = Stores(conf, conf.source), Stores(conf, conf.target)
    urls = [{purpose: stores.url(purpose) for purpose in PURPOSES} for stores in (source, target)]
    plain = [without_credentials(one) for one in urls]
    for purpose in PURPOSES:
        if plain[0][purpose] == plain[1][purpose]:
            raise TelemetryError(f"The source and the target of {purpose} are the same: {plain[0][purpose]}")
    progress = Progress(Path(conf.progress or Path(conf.state_path) / file_name(*urls)), *urls)
    try:
        with progress.held():
            copying.prepare(source, target, resumes=progress.exists)
            rows = copying.Copy(source, target, progress, conf.batch, Reporter()).run()
    finally:
        source.close()
        target.close()
    print(f"{'':16}{'source':>12}{'target':>12}")
    for row in rows:
        print(f"{row.kind:16}{row.source:>12}{row.target:>12}{'' if row.source == row.target else '  differs'}")
    if any(row.source > row.target for row in rows):
        raise TelemetryError("The source has more. Stop what writes to it, and run the same command again")
    if any(row.source < row.target for row in rows):
        raise TelemetryError(
            "The target has more: the source lost objects since they were copied, or clients write to it"
        )
    return 0


def main() -> int:
    """Entry point."""
    return options.run(migrate, options=OPTIONS)


if __name__ == "__main__":
    sys.exit(main())
