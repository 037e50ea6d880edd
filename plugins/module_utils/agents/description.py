"""The agents of a release, as its ``commands.json`` describes them."""

from __future__ import annotations

from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.agents import limits
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.release import launching

CONFIGURATION = "config "
"""How the inputs of a release begin that are files of its configuration; all others make its code."""


def of_release(folder: AppFolder, release: str) -> list[str]:
    """Return the agents of a release."""
    return sorted(_agents(folder, release))


def before_switch(folder: AppFolder, release: str) -> list[str]:
    """Return the agents of a release that are to run it before the traffic reaches it.

    With ``before_upgrade``, these are agents that run a release with other code now. If only files of the configuration
    differ, both releases understand each other's messages.
    """
    ran = folder.agent_releases()
    return sorted(
        name
        for name, agent in _agents(folder, release).items()
        if agent["restart"] == "before"
        or (agent["restart"] == "before_upgrade" and not _have_same_code(folder, ran.get(name), release))
    )


def settle_seconds(folder: AppFolder, release: str, name: str) -> float:
    """Return the seconds that an agent of a release has to stay up to count as running."""
    return float(_agents(folder, release).get(name, {}).get("settle", limits.SETTLE_SECONDS))


def _have_same_code(folder: AppFolder, one: str | None, other: str) -> bool:
    first, second = _code(folder, one or ""), _code(folder, other)
    return bool(first) and first == second


def _code(folder: AppFolder, release: str) -> dict[str, Any]:
    described = folder.describe(release) if release else None
    inputs: dict[str, Any] = (described or {}).get("inputs", {})
    return {name: value for name, value in inputs.items() if not name.startswith(CONFIGURATION)}


def _agents(folder: AppFolder, release: str) -> dict[str, dict[str, Any]]:
    agents: dict[str, dict[str, Any]] = launching.commands_of(folder.release(release)).get("agents", {})
    return agents
