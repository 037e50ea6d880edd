"""Releases that cannot work, and interrupted runs. The old release continues to serve; the next run converges."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import Any

import pytest
from switch_host import APP, BASE, SwitchHost, start, tail, wait_until
from switch_plugin import OnEachHost, Rounds


@pytest.mark.short
def test_refusals(on_each_host: OnEachHost, rounds: Rounds) -> None:
    """Deploy releases that cannot work: the old release continues to serve, and the history records each refusal."""

    def check_host(host: SwitchHost) -> None:
        old, start_timeout = host.live_release(), host.app(APP)["start_timeout"]
        with host.load("refusals") as run:
            for label, record, pattern in _broken_records(host, start_timeout)[: rounds.refusals]:
                with run.window("fault", label):
                    succeeded, output = host.try_deploy(record)
                assert not succeeded, f"{label}: the deployment succeeded"
                assert re.search(pattern, output), f"{label}: the message lacks {pattern!r}:\n{tail(output)}"
                assert host.live_release() == old, label
                assert host.history()[-1]["what"] in ("refused", "failed"), label
            victim = next(event["release"] for event in host.history()[::-1] if event["release"] != old)
            file = f"{BASE}/releases/{victim}/app.wsgi"
            if rounds.refusals is None:
                host.run("chown", "root:root", file)
                with run.window("fault", "a file of a wrong owner"):
                    succeeded, output = host.try_play("molecule/switch/repeat.yml", switches=[victim], rollbacks=0)
                assert not succeeded, "a wrong owner was not refused"
                assert "(start_timeout)" in output, f"a wrong owner: another message:\n{tail(output)}"
                assert host.live_release() == old, "a wrong owner"
                host.run("chown", f"root:{APP}", file)

    on_each_host(check_host)


def _broken_records(host: SwitchHost, start_timeout: int) -> list[tuple[str, dict[str, Any], str]]:
    """Return names of faults, records that have them, and patterns of the messages that refuse them.

    The first one is refused within a second; the others take as long as ``start_timeout``.
    """
    in_daemon = {"daemon_only": True}
    return [
        ("an import error", host.record(10, {"import_error": True}), "asks for an error at import"),
        ("a missing file", {**host.record(11), "environment": {"LOAD_APP_CONFIG": "{etc}/none"}}, "No such file"),
        (
            "health that answers 503",
            host.record(12, {**in_daemon, "health_status": 503}),
            f"answered 503 after {start_timeout} s",
        ),
        (
            "an import slower than the time-out",
            host.record(13, {**in_daemon, "import_seconds": 60.0}),
            f"after {start_timeout} s \\(start_timeout\\)",
        ),
        ("a migration that fails", host.record(14, migrate="sh -c 'echo no such table; exit 3'"), "no such table"),
    ]


def test_full_disk(on_each_host: OnEachHost) -> None:
    """Deploy while the disk is full. A small file system mounted over the application's folder stands for the disk."""

    def check_host(host: SwitchHost) -> None:
        old = host.live_release()
        # The releases that are deployed on the small disk are gone with it.
        with host.small_disk(BASE), host.load("full disk") as run:
            with host.full_disk(BASE):
                with run.window("fault", "disk full"):
                    succeeded, output = host.try_deploy(host.record(15))
                assert not succeeded, "a full disk was not refused"
                assert "is full; nothing was left behind" in output, f"a full disk: another message:\n{tail(output)}"
                assert host.live_release() == old
                leftovers = host.run("sh", "-c", f"ls -A {BASE}/releases | grep '^[.]' || true")
                assert not leftovers, f"a full disk: {leftovers} was left"
            with run.window("switch", "the next run, with space"):
                host.deploy(host.record(15))

    on_each_host(check_host)


def test_interruptions(on_each_host: OnEachHost) -> None:
    """Kill Ansible at several moments, and start two deployments at once: the next run converges."""

    def check_host(host: SwitchHost) -> None:
        with host.load("interruptions") as run:
            for number, moment in ((20, "built"), (21, "switched")):
                before = len(host.history())
                record = host.record(number)
                with run.window("fault", f"ansible-playbook killed when the release is {moment}"):
                    command = host.command("playbooks/deploy.yml", app=APP, wsgi_apps=[record])
                    process = start(command, start_new_session=True)
                    wait_until(host.has_event(moment, after=before), 240, f"release {number} is {moment}")
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                with run.window("switch", f"the next run, release {number}"):
                    for _ in range(20):
                        succeeded, output = host.try_deploy(record)
                        if succeeded or "wait for it to end" not in output:
                            break
                        time.sleep(2)
                assert succeeded, f"the run after the killed one failed:\n{tail(output)}"
                assert host.code() == str(number)
            with run.window("fault", "two deployments at once"):
                record = host.record(22)
                first = start(host.command("playbooks/deploy.yml", app=APP, wsgi_apps=[record]))
                lease = f"ls {BASE}/deployment.json || true"
                wait_until(lambda: bool(host.run("sh", "-c", lease)), 120, "the first deployment has begun")
                succeeded, output = host.try_play("playbooks/rollback.yml", app=APP)
                first.wait()
            assert not succeeded, "the second of two deployments was not refused"
            assert "wait for it to end" in output, f"the second deployment: another message:\n{tail(output)}"
            assert first.returncode == 0, "the first of two deployments failed"

    on_each_host(check_host)


def test_reboots(on_each_host: OnEachHost) -> None:
    """Cut the power when a release is built, and when it has the traffic. The host restarts with a complete release."""

    def check_host(host: SwitchHost) -> None:
        for number, moment in ((23, "built"), (24, "switched")):
            before, old = len(host.history()), host.code()
            record = host.record(number)
            process = start(host.command("playbooks/deploy.yml", app=APP, wsgi_apps=[record]), start_new_session=True)
            wait_until(host.has_event(moment, after=before), 240, f"release {number} is {moment}")
            begun = time.monotonic()
            host.reboot()
            wait_until(host.is_answering, 60, "an answer after the reboot")
            seconds = time.monotonic() - begun
            process.wait()
            named = host.releases_named()
            assert len(set(named.values())) == 1, f"after the reboot a mixture answers: {named}"
            assert named["code"] in (old, str(number)), "after the reboot"
            host.deploy(record)
            assert host.code() == str(number), "after the next run"
            host.note(
                f"power cut when release {number} was {moment}: it answered again {seconds:.1f} s later, with release"
                f" {named['code']}; the next run put {number} live"
            )

    on_each_host(check_host)
