"""What the tasks of the role ``wsgi_app`` take from records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def record_environment(records: Iterable[Any], name: str) -> dict[str, str]:
    """Return the environment variables of the record ``name``, which may be secrets, as texts."""
    environment = _record(records, name).get("environment") or {}
    return {str(variable): str(value) for variable, value in environment.items()}


def record_sections(records: Iterable[Any], name: str) -> dict[str, Any]:
    """Return the configuration files of the record ``name`` that are made of sections, which may hold secrets."""
    config = _record(records, name).get("config") or {}
    return {str(file): value for file, value in config.items() if isinstance(value, Mapping)}


def agent_applications(
    applications: Iterable[Mapping[str, Any]], releases: Mapping[str, str], unit_texts: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the argument ``applications`` of the module ``agents``.

    applications: steps.agents of M(grove.wsgi.check_records). releases: ids by application. unit_texts: by unit.
    """
    return [
        {
            "record": application["record"],
            "release": releases[application["record"]["name"]],
            "units": {agent: unit_texts[values["unit"]] for agent, values in application["units"].items()},
        }
        for application in applications
    ]


def agent_units(applications: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the values of every agent's unit, by unit."""
    return {values["unit"]: {"item": values} for one in applications for values in one["units"].values()}


def _record(records: Iterable[Any], name: str) -> Mapping[str, Any]:
    return next(record for record in records if isinstance(record, Mapping) and record.get("name") == name)


class FilterModule:
    """Filters of the role ``wsgi_app``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "record_environment": record_environment,
            "record_sections": record_sections,
            "agent_applications": agent_applications,
            "agent_units": agent_units,
        }
