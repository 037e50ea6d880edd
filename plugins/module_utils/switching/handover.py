"""The deployment step ``switch``: a release that was built gets the traffic, and old releases go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import history, lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Step, deployment_step
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import Apache
from ansible_collections.grove.wsgi.plugins.module_utils.switching.switch import Outcome, switch_to

ARGUMENTS: dict[str, dict[str, Any]] = {
    "keep": {"type": "int", "default": 3},
    "program": {"type": "str", "default": "apache2"},
    "pid_file": {"type": "path"},
    "percent": {"type": "int", "default": 100},
    "cross_contract": {"type": "bool", "default": False},
    "starting": {"type": "int", "default": 1},
    "run": {"type": "dict"},
    "end": {"type": "dict", "default": {}},
}
"""What the modules get that hand traffic over, beside the record and the release."""


@dataclass(frozen=True)
class Handover:
    """A release that is to get ``percent`` of the requests. ``keep`` is how many idle releases stay on the host.

    ``record`` is the serving part of the application's record. ``starting`` is how many applications Apache may just
    have started together.
    """

    record: dict[str, Any]
    apache: Apache
    release: str
    percent: int
    keep: int
    cross_contract: bool
    starting: int
    run: lease.Run | None
    dry: bool

    @classmethod
    def of(cls, params: Mapping[str, Any], record: dict[str, Any], release: str, *, dry: bool) -> Handover:
        """Take a handover out of the arguments ``ARGUMENTS`` of a module."""
        return cls(
            record=record,
            apache=app_file.apache(params["program"], params["pid_file"]),
            release=release,
            percent=params["percent"],
            keep=params["keep"],
            cross_contract=params["cross_contract"],
            starting=params["starting"],
            run=lease.Run.of(params["run"]),
            dry=dry,
        )

    def carry_out(self) -> dict[str, Any]:
        """Hand the traffic over and remove old releases; return the module's result.

        Raises StepError when the release is refused.
        """
        app = app_file.app_of(self.record, self.apache)
        folder = app.folder
        removed: list[str] = []
        with deployment_step(Step(folder, self.run, "switch", self.release, dry=self.dry)):
            live = folder.live()
            before = folder.release_of(live) if live else None
            if self.dry and folder.describe(self.release) is None:
                # In check mode the release was not built.
                outcome = Outcome(True, live or COLOURS[0], {})
            else:
                if not self.dry:
                    app_file.write(self.record, self.apache)
                outcome = switch_to(
                    app,
                    self.release,
                    dry=self.dry,
                    percent=self.percent,
                    cross_contract=self.cross_contract,
                    starting=self.starting,
                )
                if outcome.changed and not self.dry:
                    removed = folder.prune(self.keep, history.never_good(history.read(folder)))
        diff = {}
        if outcome.changed:
            share = "live" if self.percent == 100 else f"{self.percent} %"
            diff = {"before": f"live: {before}\n" if before else "", "after": f"{share}: {self.release}\n"}
        summary = f"{folder.name}: {self.record['url']} is healthy, release {self.release} in {outcome.live}"
        if outcome.percent:
            live_release = folder.release_of(outcome.live)
            summary = f"{folder.name}: release {live_release} in {outcome.live}, {outcome.percent:g} % to the canary"
        if outcome.left:
            summary += f"; {outcome.left} requests were left in the old slot after {app.drain_timeout} s"
        return {
            "changed": outcome.changed,
            "live": outcome.live,
            "removed": removed,
            "seconds": outcome.seconds,
            "summary": summary,
            "diff": diff,
        }
