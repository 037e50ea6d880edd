"""Each process that takes part in a handover is killed, and the power is cut, at known points of the handover."""

from __future__ import annotations

import os
import signal

import pytest
from handover_host import (
    POINTS,
    HandoverHost,
    daemons_of,
    held,
    is_active,
    live,
    parent,
    parents,
    reload,
    running,
    watched,
)
from switch_host import APP, start, wait_until

HEAL_SECONDS = 150
"""Until systemd has started a killed Apache again, which takes a few seconds, on a machine that is very busy."""
IN_FLIGHT = 100
"""More requests than the clients have under way at once: a killed process loses those that it has."""


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_handover_is_completed_or_undone(server: HandoverHost, point: str) -> None:
    with watched(server, f"killed {point}"):
        with held(server, point) as (pid, under_way):
            server.run("kill", "-9", str(pid))
            assert not under_way.result()
        assert server.is_answering()
        assert is_active(server)
        assert reload(server)
        assert running(server) == {live(server): "live"}


def test_a_killed_run_of_grove_is_completed_by_the_next_one(server: HandoverHost) -> None:
    """The controller dies while systemd does the handover that the run has asked for."""
    changed = {**server.app(APP), "directives": ["Header always set X-Killed-Run 1"]}
    with watched(server, "run of Grove killed"):
        run = start(server.command("site.yml", wsgi_apps=[changed]), start_new_session=True)
        with held(server, "before the new Apache gets connections", lambda: run.wait() == 0) as (_, under_way):
            os.killpg(run.pid, signal.SIGKILL)
            assert not under_way.result()
        server.play("site.yml", wsgi_apps=[changed])
        assert server.ask(APP, "/").headers["x-killed-run"] == "1"
        assert running(server) == {live(server): "live"}
        server.play("site.yml", wsgi_apps=[server.app(APP)])


def test_a_killed_parent_of_the_live_generation_comes_back(server: HandoverHost) -> None:
    """Only requests that are under way are lost until it serves again."""
    with watched(server, "live parent killed", may_fail=1_000_000):
        before, pid = live(server), parent(server)
        server.run("kill", "-9", str(pid))
        wait_until(lambda: is_active(server), HEAL_SECONDS, "the unit is active")
        wait_until(server.is_answering, 60, "the generation comes back")
        assert live(server) == before
        assert parent(server) != pid
    assert reload(server)


@pytest.mark.parametrize(
    ("role", "point", "may_fail"),
    [
        ("starting", "before the new Apache is asked", 0),
        ("live", "while the former Apache leaves", IN_FLIGHT),
        ("leaving", "while the former Apache leaves", IN_FLIGHT),
    ],
)
def test_a_parent_is_killed_during_a_handover(server: HandoverHost, role: str, point: str, may_fail: int) -> None:
    with watched(server, f"{role} parent killed in a handover", may_fail=may_fail):
        with held(server, point):
            server.run("kill", "-9", str(parents(server)[role]))
        wait_until(lambda: is_active(server), HEAL_SECONDS, "the unit is active")
        wait_until(server.is_answering, 60, "it answers")
        assert reload(server)
        assert running(server) == {live(server): "live"}


@pytest.mark.parametrize(
    ("role", "point", "may_fail"),
    [
        ("starting", "before the new Apache is asked", 0),
        ("live", "before the new Apache is asked", IN_FLIGHT),
        ("leaving", "while the former Apache leaves", IN_FLIGHT),
    ],
)
def test_a_daemon_process_is_killed_during_a_handover(
    server: HandoverHost, role: str, point: str, may_fail: int
) -> None:
    """The handover succeeds all the same: Apache starts another process."""
    with watched(server, f"{role} daemon killed in a handover", may_fail=may_fail):
        with held(server, point) as (_, under_way):
            apache = parents(server)[role]
            wait_until(lambda: len(daemons_of(server, apache)) == 2, 60, "both processes are there")
            server.run("kill", "-9", str(daemons_of(server, apache)[0]))
        assert under_way.result()
        assert running(server) == {live(server): "live"}


@pytest.mark.parametrize("point", POINTS)
def test_a_power_cut_during_a_handover(server: HandoverHost, point: str) -> None:
    """The host starts exactly one generation."""
    with held(server, point):
        server.reboot()
    wait_until(server.is_answering, 120, "the host serves after the power cut")
    assert running(server) == {live(server): "live"}
    assert reload(server)
