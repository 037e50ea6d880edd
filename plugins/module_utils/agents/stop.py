"""Stopping the agents and timers of applications, on a host that is to serve nothing more."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from ansible_collections.grove.wsgi.plugins.module_utils.agents import units


def stop(apps: Iterable[str], *, dry: bool) -> list[str]:
    """Stop the agents and timers of ``apps``, and let them not start at boot; return the units that this changed.

    Raises AgentError.
    """
    names = [unit for app in apps for unit in (*_timers(app), *(units.unit(app, one) for one in units.installed(app)))]
    changed = [name for name in dict.fromkeys(names) if _is("active", name) or _is("enabled", name)]
    if changed and not dry:
        units.systemctl("disable", "--quiet", "--now", *changed)
    return changed


def _timers(app: str) -> list[str]:
    return sorted(path.name for path in units.UNITS.glob(f"grove-{app}-*.timer"))


def _is(state: str, unit: str) -> bool:
    return subprocess.run(["systemctl", f"is-{state}", "--quiet", unit], check=False).returncode == 0
