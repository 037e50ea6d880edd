"""Deployments, rollbacks and canaries that succeed, and dry runs: no client notices any of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from load.summary import summarize
from switch_host import APP, BASE, SwitchHost, tail
from switch_plugin import OnEachHost, Rounds

LISTING = (
    "find /srv/wsgi /etc/apache2 /var/lib/load /var/log/load /opt/grove -not -name .lock -printf '%p %T@ %s %m %l\\n'"
    " 2>/dev/null | sort; ps -C apache2 -o pid=,lstart="
)
"""A shell command that lists whatever a deployment may change on a host."""


@pytest.mark.short
def test_switches(on_each_host: OnEachHost, rounds: Rounds) -> None:
    """Deploy new releases, switch between them, roll back, and deploy a canary."""

    def check_host(host: SwitchHost) -> None:
        with host.load("switches") as run:
            for number in range(2, 2 + rounds.deployments):
                with run.window("switch", f"deploy release {number}"):
                    host.deploy(host.record(number))
            switched = [event["release"] for event in host.history() if event["what"] == "switched"]
            deployed = switched[-rounds.deployments :]
            assert host.live_release() == deployed[-1]
            order = [deployed[number % len(deployed)] for number in range(rounds.switches - len(deployed))]
            with run.window("switch", f"switches: {len(order)}"):
                output = host.play("molecule/switch/repeat.yml", switches=order, rollbacks=0)
            host.note("".join(re.findall(r"seconds of drains: [\d. -]+", output)))
            with run.window("rollback", f"rollbacks: {rounds.rollbacks - 1}"):
                output = host.play("molecule/switch/repeat.yml", switches=[], rollbacks=rounds.rollbacks - 1)
            host.note("".join(re.findall(r"seconds to the first answer: [\d. ]+", output)))
            before = host.live_release()
            with run.window("rollback", "playbooks/rollback.yml"):
                host.play("playbooks/rollback.yml", app=APP)
            assert host.live_release() != before, "the rollback changed nothing"
            _wait_for_requests(run.samples.read_text, rounds.requests)
        events = [event["what"] for event in host.history()]
        assert events.count("switched") >= rounds.switches
        assert events.count("rolled_back") >= rounds.rollbacks
        assert run.samples.read_text().count("\n") >= rounds.requests

    on_each_host(check_host)


def test_canaries(on_each_host: OnEachHost) -> None:
    """Give a part of the traffic to an earlier release and withdraw it, then to a new one and promote it."""

    def check_host(host: SwitchHost) -> None:
        host.deploy(host.record(3))
        earlier = host.live_release()
        record = host.record(4)
        host.deploy(record)
        with host.load("canaries") as run:
            with run.window("switch", "canary of 25 %, withdrawn"):
                host.play("playbooks/canary.yml", app=APP, percent=25, release=earlier, wsgi_apps=[record])
                time.sleep(3)
                host.play("playbooks/canary.yml", app=APP, percent=0, wsgi_apps=[record])
            record = host.record(5)
            with run.window("switch", "canary of 25 %, built and promoted"):
                host.play("playbooks/canary.yml", app=APP, percent=25, wsgi_apps=[record])
                time.sleep(3)
                host.play("playbooks/canary.yml", app=APP, percent=100, wsgi_apps=[record])
            assert host.code() == "5", "the promoted canary is not live"
        for window in summarize(run).windows:
            host.note(f"{window.label}: releases answered {window.figures.releases}")
            assert len(window.figures.releases) == 2, f"{window.label}: not two releases answered"

    on_each_host(check_host)


def test_dry_runs(on_each_host: OnEachHost) -> None:
    """Run the playbooks with --check --diff: they show their changes, and make none."""

    def check_host(host: SwitchHost) -> None:
        record = host.record(6, threads=12)
        live = host.live_release()
        other = next(release for release in host.run("ls", f"{BASE}/releases").split() if release != live)
        before = host.run("sh", "-c", LISTING)
        cases: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
            "playbooks/deploy.yml": ({"wsgi_apps": [record]}, (r"^\+.*threads=12", r"^-.*threads=16", "[Rr]eload")),
            "playbooks/rollback.yml": ({}, (r"^\+live: [0-9a-f]{12}",)),
            "playbooks/canary.yml": (
                {"percent": 10, "release": other, "wsgi_apps": [record]},
                (rf"^\+canary: 10 % to {other}",),
            ),
        }
        for playbook, (variables, patterns) in cases.items():
            output = host.play(playbook, "--check", "--diff", app=APP, **variables)
            for pattern in patterns:
                assert re.search(pattern, output, re.MULTILINE), f"{playbook} does not show {pattern}:\n{tail(output)}"
        changed = set(before.splitlines()) ^ set(host.run("sh", "-c", LISTING).splitlines())
        assert not changed, f"dry runs changed the host: {sorted(changed)[:10]}"

    on_each_host(check_host)


def _wait_for_requests(read_samples: Callable[[], str], count: int, seconds: float = 300) -> None:
    """Wait until a run has that many samples, or time is up."""
    deadline = time.monotonic() + seconds
    while read_samples().count("\n") < count and time.monotonic() < deadline:
        time.sleep(1)
