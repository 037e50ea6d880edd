"""The deployment step ``canary``: a release takes a share of the requests, is promoted, or is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.agents import restart as agents
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, other_than
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Step, deployment_step
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.switch import Outcome, switch_to, withdraw


@dataclass(frozen=True)
class Canary:
    """A release of the application ``name`` below ``base`` that is to take ``percent`` of the requests.

    0 withdraws the canary and 100 promotes it. Without ``release`` it is the one that takes a share now.
    """

    base: Path
    name: str
    release: str | None
    percent: int
    cross_contract: bool
    run: lease.Run | None
    dry: bool

    def carry_out(self) -> dict[str, Any]:
        """Withdraw, promote or share out; return the module's result.

        Raises OperatorError for a percentage outside of 0 to 100, FolderError when there is no such application, and
        StepError when the release is refused.
        """
        if not 0 <= self.percent <= 100:
            raise OperatorError(f"percent: found {self.percent}; it has to be from 0 to 100")
        app, _ = app_file.read(self.base, self.name)
        folder = app.folder
        with deployment_step(Step(folder, self.run, "canary", self.release or "", dry=self.dry)) as step:
            before = _state(folder)
            if not step.release and folder.canary_share():
                step.release = str(folder.release_of(other_than(str(folder.live()))))
            outcome = self._switch(app, step.release)
            if self.percent == 100 and not self.dry:
                step.enter("agents", failed="failed", prefix=f"release {step.release} is live, but not its agents: ")
                agents.follow(folder, step.release)
        share = outcome.percent if 0 < self.percent < 100 else 0.0
        live = step.release if self.percent == 100 else folder.release_of(outcome.live)
        canary = f" to {step.release}" if share else ""
        after = f"live: {live}\ncanary: {share:g} %{canary}\n"
        results = {0: "no canary any more", 100: f"release {step.release} promoted"}
        result = results.get(self.percent, f"release {step.release} takes {share:g} % of the requests")
        return {
            "changed": outcome.changed,
            "percent": share,
            "live": outcome.live,
            "release": step.release,
            "seconds": outcome.seconds,
            "summary": f"{folder.name}: {result}",
            "diff": {"before": before, "after": after} if outcome.changed else {},
        }

    def _switch(self, app: App, release: str) -> Outcome:
        folder = app.folder
        if self.percent == 0:
            changed = bool(folder.canary_share())
            return Outcome(changed, str(folder.live()), {}) if self.dry else withdraw(app)
        if not release:
            raise SwitchError("no release takes a share of the requests; name one: -e release=ID")
        live = folder.live()
        if self.percent < 100 and live and folder.release_of(live) == release and not self.dry:
            raise SwitchError(f"release {release} is live already; a canary is another one: -e release=ID")
        return switch_to(app, release, dry=self.dry, percent=self.percent, cross_contract=self.cross_contract)


def _state(folder: AppFolder) -> str:
    """Return the live release and the canary's share as text for a diff."""
    live = str(folder.live())
    share = folder.canary_share()
    canary = f" to {folder.release_of(other_than(live))}" if share else ""
    return f"live: {folder.release_of(live)}\ncanary: {share:g} %{canary}\n"
