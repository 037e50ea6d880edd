"""The controller's half of the module ``doctor``: clocks, and runs that were interrupted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.action.deployment import is_gone
from ansible_collections.grove.wsgi.plugins.module_utils.doctor import finding, limits
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import Finding

MODULE = "grove.wsgi.doctor"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.doctor``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the findings of the host, and those that take a look from the controller."""
        super().run(tmp, task_vars)
        before = time.time()
        result: dict[str, Any] = self._execute_module(MODULE, module_args=self._task.args, task_vars=task_vars)
        after = time.time()
        if result.get("failed") or "findings" not in result:
            return result
        more = [clock(before, after, float(result["time"]), float(result["seconds"])), *map(run, result["runs"])]
        return {**result, "findings": [*result["findings"], *(each.plain() for each in more)]}


def clock(before: float, after: float, moment: float, seconds: float) -> Finding:
    """Compare the clock of a host with the controller's.

    before, after: when the controller asked and had the answer. moment: when the host's module began by the host's
    clock, ``seconds``: how long it worked. Between these lies an uncertainty, which is not counted as a difference.
    """
    earliest, latest = before, after - seconds
    skew = moment - min(max(moment, earliest), latest)
    if abs(skew) < limits.SKEW_WARNING:
        return finding.ok("clock", "that of the controller")
    actual = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the controller's"
    remedy = "timedatectl set-ntp true, on the one that is wrong"
    verdict = finding.problem if abs(skew) >= limits.SKEW_PROBLEM else finding.warning
    return verdict("clock", actual, f"less than {limits.SKEW_WARNING:.0f} s", remedy)


def run(note: Mapping[str, Any]) -> Finding:
    """Return what the note of a run says: it was interrupted, or may be at work."""
    subject, again = f"app {note['app']}", f"./grove deploy -e app={note['app']}"
    if is_gone(dict(note["run"])):
        return finding.warning(subject, f"a run was interrupted: {note['text']}", "a run that has ended", again)
    actual = f"a run is at work, or was interrupted: {note['text']}, last seen {note['age']:.0f} s ago"
    return finding.warning(subject, actual, "no other run", f"wait for it; if it has ended: {again}")
