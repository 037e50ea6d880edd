"""The agents of a release, as its ``commands.json`` describes them."""

from __future__ import annotations

from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.agents import limits
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.release import launching


def of_release(folder: AppFolder, release: str, restart: str | None = None) -> list[str]:
    """Return the agents of a release, or those of them that are restarted ``before`` or ``after`` the switch."""
    return sorted(name for name, agent in _agents(folder, release).items() if restart in (None, agent["restart"]))


def settle_seconds(folder: AppFolder, release: str, name: str) -> float:
    """Return the seconds that an agent of a release has to stay up to count as running."""
    return float(_agents(folder, release).get(name, {}).get("settle", limits.SETTLE_SECONDS))


def _agents(folder: AppFolder, release: str) -> dict[str, dict[str, Any]]:
    agents: dict[str, dict[str, Any]] = launching.commands_of(folder.release(release)).get("agents", {})
    return agents
