"""Measures the evaluation of alarms: alarms.py sqlite|postgresql|mariadb|mongodb [--alarms 10000] [--processes 1]

The program starts the database, stores alarms, and two samples of a resource for each. It then runs evaluators as
processes, and prints how many alarms they evaluate in a minute: first while each alarm changes its state and makes a
notification, then while none changes. The processor time is that of the evaluators and of the database together. See
README.md.
"""

import argparse
import contextlib
import datetime as dt
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from oslo_config import cfg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "wsgi" / "telemetry"))
NAMES = ("sqlite", "postgresql", "mariadb", "mongodb")
BATCH = 1000


def configuration(url: str) -> cfg.ConfigOpts:
    """Return a configuration in which each call of `step` evaluates all alarms once."""
    from telemetry import config

    conf = config.load(conf=cfg.ConfigOpts(), files=["/dev/null"], logging=False)
    conf.set_override("connection", url, group="database")
    # A machine with other load answers late.
    conf.set_override("connect_timeout", 60, group="database")
    conf.set_override("answer_timeout", 600, group="database")
    conf.set_override("evaluation_interval", 3600, group="alarm")
    # The program does not renew its leases, and stops where one has expired.
    conf.set_override("evaluation_lease", 3600, group="alarm")
    return conf


def fill(url: str, alarms: int) -> None:
    """Store alarms on the meter cpu of a resource each, and two samples of each resource."""
    from telemetry import timestamps
    from telemetry.storage.records import Alarm, Sample
    from telemetry.storage.stores import Stores

    stores = Stores(configuration(url))
    for driver in stores.all:
        driver.upgrade()
    now = timestamps.utcnow()

    def sample(number: int) -> Sample:
        return Sample(
            meter="cpu",
            type="gauge",
            unit="%",
            volume=float(90 + number % 2),
            user_id="u",
            project_id=f"p{number // 2 % 100}",
            resource_id=f"r{number // 2}",
            source="openstack",
            # Both are in the window until the second pass ends.
            timestamp=now - dt.timedelta(seconds=1 + number % 2),
            metadata={"flavor": "m1"},
            message_id=str(uuid.uuid4()),
        )

    for begin in range(0, 2 * alarms, BATCH):
        stores.metering.record_samples([sample(n) for n in range(begin, min(begin + BATCH, 2 * alarms))])
    for number in range(alarms):
        project = f"p{number % 100}"
        query = [
            {"field": "resource_id", "op": "eq", "value": f"r{number}"},
            {"field": "project_id", "op": "eq", "value": project},
        ]
        stores.alarm.create_alarm(
            Alarm(
                alarm_id=str(uuid.uuid4()),
                type="threshold",
                enabled=True,
                name=f"alarm {number}",
                description="",
                timestamp=now,
                user_id="u",
                project_id=project,
                state="ok",
                state_timestamp=now,
                ok_actions=[],
                alarm_actions=["https://receiver.example/"],
                insufficient_data_actions=[],
                repeat_actions=False,
                rule={
                    "meter_name": "cpu",
                    "query": query,
                    "period": 3600,
                    "comparison_operator": "gt",
                    "threshold": 80.0,
                    "statistic": "avg",
                    "evaluation_periods": 1,
                    "exclude_outliers": False,
                },
                time_constraints=[],
                severity="low",
            ),
            None,
        )
    stores.close()


def evaluate(url: str, processes: int, ready: Any, results: Any) -> None:
    """Evaluate the alarms of this process in two passes: each alarm changes its state in the first one, none later.

    Put the number of alarms, the seconds and the seconds of processor time of each pass into `results`.
    """
    from telemetry.alarms.evaluation import Evaluation
    from telemetry.alarms.evaluator import Evaluator
    from telemetry.storage.stores import Stores

    conf = configuration(url)
    stores = Stores(conf)
    for _ in range(2):
        evaluation = Evaluation(conf, stores, Evaluator(conf, stores, lambda entry: None))
        # Each process tells the others of itself first, and then takes its share.
        for _ in range(processes + 1):
            evaluation.partition.balance()
            ready.wait()
        begun, cpu = time.monotonic(), time.process_time()
        count = 0
        # The second pass would not be due for an hour.
        for part in evaluation.partition.due(0):
            if evaluation.partition.begin(part, 0) is not None:
                count += evaluation._evaluate(part, threading.Event())
        results.put((count, time.monotonic() - begun, time.process_time() - cpu))
        ready.wait()
        evaluation.partition.leave()
        ready.wait()
    stores.close()


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and of all processes that it started, those that ended among them."""
    seconds = 0.0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        # The name of the program may contain spaces, and ends with the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # utime, stime, cutime and cstime: see proc(5).
        seconds += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            seconds += sum(processor_seconds(int(child)) for child in children.read_text().split())
    return seconds


def report(name: str, rows: Iterable[tuple[int, float, float]], of_database: float) -> None:
    """Print the figures of a pass: the rows of its processes, and the processor time of the database."""
    counts, seconds, of_evaluators = zip(*rows, strict=True)
    count, elapsed, core = sum(counts), max(seconds), sum(of_evaluators)
    print(
        f"{name:24}{count} alarms in {elapsed:.1f} s: {60 * count / elapsed:.0f} alarms a minute, "
        f"{60 * count / (core + of_database):.0f} in a minute of processor time "
        f"({core:.1f} s of the evaluators, {of_database:.1f} s of the database)",
        flush=True,
    )


def main() -> int:
    """Start the database, fill it, evaluate, print. Return the exit status."""
    from tests import servers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", choices=NAMES)
    parser.add_argument("--alarms", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if options.database == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", prefix="telemetry-bench-"))
            url, database = f"sqlite:///{folder}/telemetry.sqlite", None
        else:
            url, server = stack.enter_context(getattr(servers, options.database)())
            database = server.pid
        fill(url, options.alarms)
        context = multiprocessing.get_context("spawn")
        results, ready = context.Queue(), context.Barrier(options.processes)
        arguments = (url, options.processes, ready, results)
        processes = [context.Process(target=evaluate, args=arguments) for _ in range(options.processes)]
        for process in processes:
            process.start()
        before = 0.0 if database is None else processor_seconds(database)
        for name in ("each changes its state", "none changes"):
            rows = [results.get() for _ in range(options.processes)]
            now = 0.0 if database is None else processor_seconds(database)
            report(name, rows, now - before)
            before = now
        for process in processes:
            process.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
