"""A step of a deployment: lock, lease, history and the message, on success, on failure and on a signal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app import history, lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Step, StepError, deployment_step, held
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError

RUN = lease.Run("ctl", 7, "Mon", "ann")
OTHER = lease.Run("ctl", 8, "Tue", "ben")


@pytest.fixture
def folder(tmp_path: Path) -> AppFolder:
    app_folder = AppFolder("shop", tmp_path / "shop")
    app_folder.path.mkdir()
    return app_folder


def failures(folder: AppFolder) -> list[tuple[str, str, str]]:
    return [(event["what"], event["step"], event["release"]) for event in history.read(folder)]


def test_a_step_holds_the_lock_and_renews_the_lease(folder: AppFolder) -> None:
    lease.renew(folder, RUN)
    with deployment_step(Step(folder, RUN, "switch", "two")):
        first = lease.holder(folder)
        assert first is not None
        with pytest.raises(FolderError), folder.locked():
            pass
    last = lease.holder(folder)
    assert last is not None
    assert (last[0], last[1] > first[1]) == (RUN, True)
    assert history.read(folder) == []


def test_a_step_leaves_no_lease_where_the_run_has_none(folder: AppFolder) -> None:
    with deployment_step(Step(folder, RUN, "contract", "two")):
        assert lease.is_own(folder, RUN)
    assert lease.holder(folder) is None


def test_a_failure_is_noted_and_ends_the_lease(folder: AppFolder) -> None:
    step = Step(folder, RUN, "build", "two", aftermath=lambda: "nothing was switched")
    with pytest.raises(StepError) as raised, deployment_step(step):
        raise OperatorError("no disk")
    assert str(raised.value) == "record shop: no disk\nnothing was switched"
    assert failures(folder) == [("refused", "build", "two")]
    assert lease.holder(folder) is None


def test_a_later_part_fails_in_its_own_way(folder: AppFolder) -> None:
    def switch() -> None:
        with deployment_step(Step(folder, RUN, "switch", "two")) as step:
            step.enter("agents", failed="failed", prefix="live, but: ")
            raise OperatorError("down")

    with pytest.raises(StepError) as raised:
        switch()
    assert str(raised.value) == "record shop: live, but: down"
    assert failures(folder) == [("failed", "agents", "two")]


def test_a_step_that_cannot_begin_is_not_noted(folder: AppFolder) -> None:
    lease.renew(folder, OTHER)
    for run, dry in ((RUN, False), (None, False), (None, True)):
        with pytest.raises(StepError), deployment_step(Step(folder, run, "switch", "two", dry=dry)):
            pytest.fail("another run is at work")
    holder = lease.holder(folder)
    assert holder is not None
    assert (holder[0], history.read(folder)) == (OTHER, [])


def test_a_dry_step_of_a_run_goes_on_beside_the_lease_of_a_run_that_was_killed(folder: AppFolder) -> None:
    """The run has seen when it began that the other one is dead; in check mode it did not take the lease."""
    lease.renew(folder, OTHER)
    with deployment_step(Step(folder, RUN, "switch", "two", dry=True)):
        pass
    holder = lease.holder(folder)
    assert holder is not None
    assert holder[0] == OTHER


def test_a_dry_step_writes_nothing(tmp_path: Path) -> None:
    folder = AppFolder("shop", tmp_path / "shop")
    with pytest.raises(StepError), deployment_step(Step(folder, RUN, "build", "two", dry=True)):
        raise OperatorError("no disk")
    assert not folder.path.exists()


def test_a_dry_step_stops_no_deployment_that_begins_meanwhile(folder: AppFolder) -> None:
    with folder.locked():
        pass
    with deployment_step(Step(folder, None, "switch", "two", dry=True)), deployment_step(Step(folder, RUN, "build")):
        pass
    assert (folder.path / ".lock").exists()


def test_an_error_of_the_program_is_noted_and_goes_on(folder: AppFolder) -> None:
    with pytest.raises(ZeroDivisionError), deployment_step(Step(folder, RUN, "switch", "two")):
        raise ZeroDivisionError
    assert failures(folder) == [("failed", "switch", "two")]
    assert lease.holder(folder) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_interrupts_once_and_lets_the_step_be_undone(folder: AppFolder, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    undone = []

    def switch() -> None:
        with deployment_step(Step(folder, RUN, "switch", "two")):
            try:
                os.kill(os.getpid(), number)
                signal.pause()
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                undone.append(True)

    with pytest.raises(StepError):
        switch()
    assert undone
    assert failures(folder) == [("failed", "switch", "two")]
    assert lease.holder(folder) is None
    assert signal.getsignal(number) is before


def test_several_applications_are_held_at_once(folder: AppFolder, tmp_path: Path) -> None:
    second = AppFolder("till", tmp_path / "till")
    with held([folder, second], RUN):
        assert lease.holder(second) is not None
        with pytest.raises(FolderError), second.locked():
            pass
    lease.end(second, RUN)
    lease.renew(second, OTHER)
    with pytest.raises(FolderError), held([folder, second], RUN):
        pytest.fail("another run is at work on the second")
