"""The deployment step ``rollback``: an earlier release is live again, with its agents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.agents import restart as agents
from ansible_collections.grove.wsgi.plugins.module_utils.app import history, lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Step, deployment_step
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.switch import Outcome, switch_to, withdraw


@dataclass(frozen=True)
class Rollback:
    """A rollback of the application ``name`` below ``base`` to ``release``, by default the one that served before."""

    base: Path
    name: str
    release: str | None
    cross_contract: bool
    run: lease.Run | None
    dry: bool

    def carry_out(self) -> dict[str, Any]:
        """Go back, or withdraw a canary; return the module's result.

        Raises FolderError when there is no such application, and StepError when the way back fails.
        """
        app, record = app_file.read(self.base, self.name)
        folder = app.folder
        with deployment_step(Step(folder, self.run, "rollback", self.release or "", dry=self.dry)) as step:
            live = folder.live()
            before = folder.release_of(live) if live else None
            step.aftermath = lambda: remaining(folder, step.release)
            if folder.canary_share() and self.release in (None, before):
                step.release = str(before)
                outcome = Outcome(True, str(live), {}) if self.dry else withdraw(app)
                action = "canary withdrawn,"
            else:
                step.release = target(folder, self.release)
                outcome = switch_to(
                    app, step.release, dry=self.dry, cross_contract=self.cross_contract, event="rolled_back"
                )
                action = "back to" if outcome.changed else "live already:"
            step.enter("agents", failed="failed", prefix=f"release {step.release} is live again, but not its agents: ")
            restarted = [] if self.dry else agents.follow(folder, step.release)
        took = sum(seconds for part, seconds in outcome.seconds.items() if part != "drain")
        return {
            "changed": outcome.changed or bool(restarted),
            "release": step.release,
            "restarted": restarted,
            "live": outcome.live,
            "seconds": {**outcome.seconds, "live": round(took, 3)},
            "summary": f"{folder.name}: {action} release {step.release} in {outcome.live}, {took:.2f} s;"
            f" {record['url']} is healthy",
            "diff": {"before": f"live: {before}\n", "after": f"live: {step.release}\n"} if outcome.changed else {},
        }


def remaining(folder: AppFolder, release: str) -> str:
    """Return how to complete a rollback that failed after ``release`` went live, as text; empty before that.

    The same command without a release would go on to another release.
    """
    try:
        live = folder.live()
    except FolderError:
        return ""
    if not release or live is None or folder.release_of(live) != release:
        return ""
    return f"release {release} is live. To complete this, name it: -e app={folder.name} -e release={release}"


def target(folder: AppFolder, named: str | None) -> str:
    """Return the release to go back to: the named one, or the one that served before.

    Raises SwitchError, with the releases that have served and are there, when there is none.
    """
    events = history.read(folder)
    complete = sorted(path.name for path in folder.releases.iterdir() if folder.describe(path.name) is not None)
    offered = ", ".join(release for release in complete if history.has_served(events, release)) or "none"
    if named and named not in complete:
        raise SwitchError(f"there is no release {named}; there are {offered}")
    release = named or history.previous(folder, events)
    if release is None:
        raise SwitchError(f"no earlier release was live and is still there; there are {offered}")
    return release
