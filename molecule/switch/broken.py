"""Releases that cannot work, and runs that are cut off: the old release serves on, and the next run converges."""

from __future__ import annotations

import os
import re
import signal
import time

from driven import LOAD, START_TIMEOUT, Host, expect, judge, start, tail, wait_for
from load.process import under_load

FILL = "dd if=/dev/zero of={0}/filler bs=64k 2>/dev/null; truncate -s -128k {0}/filler"
"""A shell command that leaves 128 kB of a folder's disk."""


def refusals(host: Host) -> None:
    """Deploy what cannot work: the old release serves on, and the history says what happened."""
    old = host.live()
    daemon = {"daemon_only": True}
    cases: list[tuple[str, dict[str, object], str]] = [
        ("an import error", host.record(10, {"import_error": True}), "asks for an error at import"),
        ("a missing file", {**host.record(11), "environment": {"LOAD_APP_CONFIG": "{etc}/none"}}, "No such file"),
        (
            "health that answers 503",
            host.record(12, {**daemon, "health_status": 503}),
            f"answered 503 after {START_TIMEOUT} s",
        ),
        (
            "an import slower than the time-out",
            host.record(13, {**daemon, "import_seconds": 60.0}),
            f"after {START_TIMEOUT} s \\(start_timeout\\)",
        ),
        ("a migration that fails", host.record(14, migrate="sh -c 'echo no such table; exit 3'"), "no such table"),
    ]
    with under_load(host.url, host.folder / "refusals", *LOAD) as run:
        for label, record, said in cases:
            with run.window("fault", label):
                done, text = host.deploy(record)
            expect(not done, f"{label}: the deployment succeeded")
            expect(re.search(said, text) is not None, f"{label}: the message lacks {said!r}:\n{tail(text)}")
            expect(host.live() == old, f"{label}: {host.live()} is live, not {old}")
            event = host.history()[-1]
            expect(event["what"] in ("refused", "failed"), f"{label}: the history says {event}")
        victim = next(event["release"] for event in host.history()[::-1] if event["release"] != old)
        host.run("chown", "root:root", f"/srv/wsgi/load/releases/{victim}/app.wsgi")
        with run.window("fault", "a file of a wrong owner"):
            done, text = host.play("molecule/switch/repeat.yml", switches=[victim], rollbacks=0)
        expect(not done and "(start_timeout)" in text, f"a wrong owner was not refused:\n{tail(text)}")
        expect(host.live() == old, f"a wrong owner: {host.live()} is live, not {old}")
        host.run("chown", "root:load", f"/srv/wsgi/load/releases/{victim}/app.wsgi")
    judge(host, run, "refused releases")


def full_disk(host: Host) -> None:
    """Deploy when the disk that holds the application is full; done with a small disk over the application's folder."""
    old, folder = host.live(), "/srv/wsgi/load"
    host.run("mkdir", "-p", "/mnt/small")
    host.mount("-t", "tmpfs", "-o", "size=64m,mode=0751", "small", "/mnt/small")
    host.run("cp", "-a", f"{folder}/.", "/mnt/small")
    host.run("chown", "--reference", folder, "/mnt/small")
    host.mount("--bind", "/mnt/small", folder)
    try:
        with under_load(host.url, host.folder / "full-disk", *LOAD) as run:
            host.run("sh", "-c", FILL.format(folder))
            with run.window("fault", "disk full"):
                done, text = host.deploy(host.record(15))
            refused = not done and "is full; nothing was left behind" in text
            expect(refused, f"a full disk was not refused:\n{tail(text)}")
            expect(host.live() == old, f"a full disk: {host.live()} is live, not {old}")
            left = host.run("sh", "-c", f"ls -A {folder}/releases | grep '^[.]' || true")
            expect(not left, f"a full disk: {left} was left")
            host.run("rm", f"{folder}/filler")
            with run.window("switch", "the next run, with space"):
                done, text = host.deploy(host.record(15))
            expect(done, f"the run after the full disk failed:\n{tail(text)}")
    finally:
        # What was deployed meanwhile goes with it.
        host.mount("--unmount-all", folder, "/mnt/small")
    judge(host, run, "full disk")


def interruptions(host: Host) -> None:
    """Kill Ansible at several moments, and start two deployments at once: the next run converges."""
    with under_load(host.url, host.folder / "interruptions", *LOAD) as run:
        for number, moment in ((20, "is built"), (21, "is switched")):
            before = len(host.history())
            record = host.record(number)
            wanted = "built" if moment == "is built" else "switched"
            with run.window("fault", f"ansible-playbook killed when the release {moment}"):
                command = host.command("playbooks/deploy.yml", app="load", wsgi_apps=[record])
                process = start(command, start_new_session=True)
                wait_for(host.notes(wanted, since=before), 240)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            with run.window("switch", f"the next run, release {number}"):
                for _ in range(20):
                    done, text = host.deploy(record)
                    if done or "wait for it to end" not in text:
                        break
                    time.sleep(2)
            expect(done, f"the run after the killed one failed:\n{tail(text)}")
            found = host.answer()["release"]
            expect(found["code"] == str(number), f"release {found} is live, not {number}")
        with run.window("fault", "two deployments at once"):
            record = host.record(22)
            first = start(host.command("playbooks/deploy.yml", app="load", wsgi_apps=[record]))
            wait_for(lambda: bool(host.run("sh", "-c", "ls /srv/wsgi/load/deployment.json || true")), 120)
            done, text = host.play("playbooks/rollback.yml", app="load")
            first.wait()
        expect(not done and "wait for it to end" in text, f"the second one was not refused:\n{tail(text)}")
        expect(first.returncode == 0, "the first of two deployments failed")
    judge(host, run, "interrupted and simultaneous deployments")


def reboots(host: Host) -> None:
    """Cut the power when a release is built, and when it has the traffic: the host comes up with a whole one."""
    for number, moment in ((23, "built"), (24, "switched")):
        before, old = len(host.history()), host.answer()["release"]["code"]
        record = host.record(number)
        process = start(host.command("playbooks/deploy.yml", app="load", wsgi_apps=[record]), start_new_session=True)
        wait_for(host.notes(moment, since=before), 240)
        begun = time.monotonic()
        host.reboot()
        wait_for(host.is_answering, 60)
        seconds = time.monotonic() - begun
        process.wait()
        found = host.answer()["release"]
        expect(len(set(found.values())) == 1, f"after the reboot a mixture answers: {found}")
        expect(found["code"] in (old, str(number)), f"after the reboot release {found['code']} answers")
        done, text = host.deploy(record)
        expect(done, f"the run after the reboot failed:\n{tail(text)}")
        code = host.answer()["release"]["code"]
        expect(code == str(number), f"after the next run release {code} answers, not {number}")
        host.say(
            f"power cut when release {number} was {moment}: answers again {seconds:.1f} s later, with release"
            f" {found['code']}; the next run put {code} live"
        )
