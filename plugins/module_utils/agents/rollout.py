"""Letting the agents of applications run their releases, as one step of a deployment before or after the switch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.agents.description import before_switch, of_release
from ansible_collections.grove.wsgi.plugins.module_utils.agents.restart import Change, restart, start, wait
from ansible_collections.grove.wsgi.plugins.module_utils.agents.state import outdated
from ansible_collections.grove.wsgi.plugins.module_utils.agents.units import AgentError, unit, write_units
from ansible_collections.grove.wsgi.plugins.module_utils.app import history, lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import (
    Interrupted,
    Step,
    StepError,
    held,
    interruptible,
)
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain


@dataclass(frozen=True)
class Application:
    """An application, the release that its agents are to run, and their units by the agents' names."""

    folder: AppFolder
    release: str
    units: Mapping[str, str]


@dataclass(frozen=True)
class Rollout:
    """A step of a deployment that lets agents run their releases.

    ``restart`` is ``before`` for the agents that go before the switch, and ``after`` for all others. All of them
    together may take ``seconds``.
    """

    applications: Sequence[Application]
    restart: str
    seconds: int
    run: lease.Run | None
    dry: bool

    def carry_out(self) -> dict[str, Any]:
        """Write the units and restart the agents; return the module's result.

        Raises StepError when agents do not run; those that go before the switch then run the live release again.
        """
        begun = time.monotonic()
        written, changes = [], []
        for application in self.applications:
            names, change = self._prepare(application)
            written += [unit(application.folder.name, name) for name in names]
            changes += [change] if change.names else []
        if changes and not self.dry:
            try:
                with interruptible():
                    self._restart(changes)
            except Interrupted as error:
                text = f"the restart of its agents was interrupted ({error}); run again"
                raise StepError("\n".join(str(self._step(change).fail(text)) for change in changes)) from error
        lines = [f"{name} written\n" for name in written]
        lines += [f"{change.folder.name} {name}: {change.release}\n" for change in changes for name in change.names]
        after = "".join(lines)
        return {
            "changed": bool(after),
            "restarted": {change.folder.name: list(change.names) for change in changes},
            "seconds": round(time.monotonic() - begun, 3),
            "diff": {"before": "", "after": after} if after else {},
        }

    def _prepare(self, application: Application) -> tuple[list[str], Change]:
        """Write an application's units; return the agents whose units these are, and what is to be restarted."""
        folder, release = application.folder, application.release
        try:
            written = write_units(folder.name, application.units, dry=self.dry)
            late = to_restart(folder, release, self.restart)
        except (OperatorError, OSError, ValueError) as error:
            raise StepError(f"record {folder.name}: {explain(error)}") from error
        if self.dry and self.restart == "after":
            late = sorted({*late, *written})
        return written, Change(folder, release, late)

    def _restart(self, changes: Sequence[Change]) -> None:
        problems = {}
        with held([change.folder for change in changes], self.run):
            for change in changes:
                try:
                    start(change)
                except (AgentError, OSError) as error:
                    problems[change.folder.name] = explain(error)
        # Without the locks: a run that is interrupted may be followed by another one while this waits.
        problems |= wait([change for change in changes if change.folder.name not in problems], self.seconds)
        failed = [change for change in changes if change.folder.name in problems]
        if not failed:
            return
        texts = "".join(f"record {change.folder.name}: {problems[change.folder.name]}\n" for change in failed)
        try:
            with held([change.folder for change in failed], self.run):
                errors = [self._fail(change, problems[change.folder.name]) for change in failed]
        except (OperatorError, OSError) as error:
            raise StepError(f"{texts}{explain(error)}") from error
        for application in self.applications:
            lease.end(application.folder, self.run)
        raise StepError("\n".join(str(error) for error in errors))

    def _fail(self, change: Change, problem: str) -> StepError:
        """Note an application's failure, and let its agents run the live release again where they go first."""
        aftermath = f"release {change.release} is live and stays so. Run again when the cause is gone"
        if self.restart == "before":
            aftermath = go_back(change, self.seconds)
        step = self._step(change)
        step.aftermath = lambda: aftermath
        return step.fail(problem)

    def _step(self, change: Change) -> Step:
        return Step(change.folder, self.run, "agents", change.release, failed="failed")


def to_restart(folder: AppFolder, release: str, restart: str) -> list[str]:
    """Return the agents that are to be restarted ``before`` or ``after`` the switch."""
    late = outdated(folder, release, of_release(folder, release))
    if restart == "after":
        return late
    # An agent that never ran replaces none, and may need what a first deployment makes after the switch.
    ran = folder.agent_releases()
    first = before_switch(folder, release)
    return [name for name in late if name in first and ran.get(name) not in (None, release)]


def go_back(change: Change, seconds: int) -> str:
    """Restart agents in the live release; return what they run now, as text for the operator."""
    release = history.serving(change.folder)
    names = [name for name in change.names if release and name in of_release(change.folder, release)]
    if not names:
        return "no earlier release has these agents; nothing was switched. Run again when the cause is gone"
    with contextlib.suppress(AgentError):
        restart(Change(change.folder, str(release), names), seconds)
        return f"release {release} serves on, and its agents run again. Run again when the cause is gone"
    return f"release {release} serves on, but these agents do not run in it either"
