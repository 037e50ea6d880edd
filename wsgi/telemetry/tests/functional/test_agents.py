"""telemetry-evaluator and telemetry-notifier as processes: samples make an alarm fire once, and recover."""

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import webtest
from telemetry import timestamps

from tests.functional.calls import sample
from tests.receivers import Receiver, receiver

SECONDS = 240
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start(clean: str, tmp_path: Path) -> Iterator[Start]:
    """Start a program of the package. Programs that still run are killed at the end."""
    file = tmp_path / "telemetry.conf"
    file.write_text(
        f"[DEFAULT]\nauth_strategy = noauth\nstate_path = {tmp_path}\n"
        f"[database]\nconnection = {clean}\nconnect_timeout = 120\nanswer_timeout = 120\n"
        "[alarm]\nevaluation_interval = 1\nevaluation_lease = 3\nrest_notifier_refused_networks =\n"
        "rest_notifier_retry_pause = 0.2\nrest_notifier_timeout = 30\n"
    )
    processes: list[subprocess.Popen[bytes]] = []

    def run(program: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / f"{program}{len(processes)}.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"telemetry.cmd.{program}", "--config-file", str(file)],
                stdout=log,
                stderr=log,
                env=os.environ,
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(60)


def create(api: webtest.TestApp, hook: Receiver, name: str = "hot", **rule: Any) -> str:
    body = {
        "name": name,
        "type": "threshold",
        "threshold_rule": {"meter_name": "cpu", "threshold": 80, "comparison_operator": "gt", **rule},
        "alarm_actions": [hook.url],
        "ok_actions": [hook.url],
    }
    return str(api.post_json("/v2/alarms", body).json["alarm_id"])


def post(api: webtest.TestApp, volume: float) -> None:
    recent = timestamps.utcnow() - dt.timedelta(seconds=1)
    api.post_json(
        "/v2/meters/cpu?direct=true", [sample(counter_volume=volume, timestamp=recent.isoformat())], status=201
    )


def owners(evaluation: Any) -> set[str]:
    return {lease.owner for lease in evaluation.leases() if lease.name.startswith("alarms/") and lease.owner}


def wait_for(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.1)


def test_an_alarm_fires_once_and_recovers(api: webtest.TestApp, cleaner: Any, start: Start) -> None:
    """Two evaluators and two notifiers; then an evaluator and a notifier are killed."""
    with receiver() as hook:
        programs = {f"{name}{number}": start(name) for number in range(2) for name in ("evaluator", "notifier")}
        wait_for(lambda: len(owners(cleaner)) == 2, "both evaluators have parts")
        alarm_ids = {create(api, hook, f"hot{number}", statistic="min", period=600) for number in range(8)}
        post(api, 90)
        hook.wait(8, SECONDS)
        time.sleep(3)
        assert len(hook.requests) == 8
        assert hook.states() == ["alarm"] * 8
        assert {request.body["alarm_id"] for request in hook.requests} == alarm_ids
        for name in ("evaluator0", "notifier0"):
            programs[name].send_signal(signal.SIGKILL)
            programs[name].wait(60)
        killed = time.monotonic()
        hook.requests.clear()
        post(api, 10)
        hook.wait(8, SECONDS)
        assert time.monotonic() - killed < SECONDS
        time.sleep(3)
        assert hook.states() == ["ok"] * 8
        assert {request.body["alarm_id"] for request in hook.requests} == alarm_ids
        assert len(owners(cleaner)) == 1
        for alarm_id in alarm_ids:
            entries = api.get(f"/v2/alarms/{alarm_id}/history").json
            assert [entry["type"] for entry in entries].count("state transition") == 2
        for name in ("evaluator1", "notifier1"):
            programs[name].terminate()
            assert programs[name].wait(SECONDS) == 0
        # What ended gave its parts away.
        assert owners(cleaner) == set()


def test_a_notifier_that_is_killed_loses_nothing(api: webtest.TestApp, cleaner: Any, start: Start) -> None:
    """The receiver is away while the alarm fires, and the notifier dies."""
    with receiver() as probe:
        port = int(probe.url.split(":")[2].split("/")[0])
    gone = Receiver(f"http://127.0.0.1:{port}/hook", probe.answer)
    start("evaluator")
    first = start("notifier")
    create(api, gone, statistic="min", period=600)
    post(api, 90)
    wait_for(lambda: any(one.attempts for one in cleaner.due_notifications(dt.datetime(2100, 1, 1), 10)), "an attempt")
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    (waiting,) = cleaner.due_notifications(dt.datetime(2100, 1, 1), 10)
    # The next attempt may be due in a minute and a half if the kill came in an attempt.
    cleaner.postpone_notification(waiting, timestamps.utcnow())
    with receiver(port=port) as back:
        start("notifier")
        back.wait(1, SECONDS)
        wait_for(lambda: not cleaner.due_notifications(dt.datetime(2100, 1, 1), 10), "the queue is empty")
        assert back.states() == ["alarm"]


def test_another_schema_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "telemetry.conf").write_text(f"[database]\nconnection = sqlite:///{tmp_path}/none.sqlite\n")
    for program in ("evaluator", "notifier"):
        process = start(program)
        assert process.wait(SECONDS) == 1
    assert "Run: telemetry-upgrade" in (tmp_path / "evaluator0.log").read_text()
