"""What the tasks of the role ``wsgi_app`` take from records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import accept_args_markers
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import (
    FAILED_TEMPLATES,
    WHOLE_RECORD,
    template_fault,
)
from jinja2 import TemplateError, Undefined


def resolved_records(records: Any) -> Any:
    """Return ``records`` with the values of their templates; what is no list stays as it is.

    Ansible passes a value that is undefined as jinja2's Undefined, which raises when it is read.

    A key whose template fails is left out. The record names it, with the reason, in ``FAILED_TEMPLATES``, so that one
    record's fault is found by the check and does not end the run of another.
    """
    if isinstance(records, Undefined):
        try:
            bool(records)
        except (AnsibleError, TemplateError) as error:
            return {FAILED_TEMPLATES: {WHOLE_RECORD: template_fault(error)}}
    if not isinstance(records, list):
        return records
    return [_resolved_record(records, position) for position in range(len(records))]


def _resolved_record(records: list[Any], position: int) -> Any:
    failures: dict[str, str] = {}
    try:
        record = _resolved(records[position], "", failures)
    except (AnsibleError, TemplateError) as error:
        return {FAILED_TEMPLATES: {WHOLE_RECORD: template_fault(error)}}
    return {**record, FAILED_TEMPLATES: failures} if failures else record


def _resolved(value: Any, key: str, failures: dict[str, str]) -> Any:
    """Return ``value``, which is at ``key`` of a record. Raises the template's error where it is itself a template."""
    if isinstance(value, Mapping):
        members: dict[Any, Any] = {}
        for name in value:
            path = f"{key}.{name}" if key else str(name)
            try:
                # Ansible renders a template when it is read here.
                members[name] = _resolved(value[name], path, failures)
            except (AnsibleError, TemplateError) as error:
                failures[path] = template_fault(error)
        return members
    if isinstance(value, list):
        return [_resolved(value[index], f"{key}[{index}]", failures) for index in range(len(value))]
    return str(value) if isinstance(value, str) else value


def record_environment(records: Iterable[Any], name: str) -> dict[str, str]:
    """Return the environment variables of the record ``name``, which may be secrets, as texts."""
    environment = _record(records, name).get("environment") or {}
    return {str(variable): str(value) for variable, value in environment.items()}


def record_sections(records: Iterable[Any], name: str) -> dict[str, Any]:
    """Return the configuration files of the record ``name`` that are made of sections, which may hold secrets."""
    config = _record(records, name).get("config") or {}
    return {str(file): value for file, value in config.items() if isinstance(value, Mapping)}


def release_plans(views: Mapping[str, Mapping[str, Any]], records: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the argument ``plans`` of the module ``pending``; ``views`` are those of the deployed records, by name."""
    all_records = list(records)
    return [
        {
            "record": view["build"],
            "environment": record_environment(all_records, name),
            "sections": record_sections(all_records, name),
        }
        for name, view in views.items()
    ]


def served_applications(views: Iterable[Mapping[str, Any]], releases: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the argument ``applications`` of the module ``served``; ``views`` are for switching."""
    return [{"record": view, "release": releases[view["name"]]} for view in views]


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


def timer_units(timers: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the values of every timer's units, by unit."""
    return {values["unit"]: {"item": values} for values in timers}


def timer_files(
    timers: Iterable[Mapping[str, Any]], folder: str, texts: Mapping[str, Mapping[str, str]]
) -> list[dict[str, str]]:
    """Return the argument ``files`` of the module ``files`` for timers; ``texts`` are by kind and unit.

    Other applications are not to read what runs beside this one; systemd reads as root.
    """
    return [
        {"path": f"{folder}/{values['unit']}.{kind}", "content": units[values["unit"]], "mode": "0640"}
        for values in timers
        for kind, units in texts.items()
    ]


def _record(records: Iterable[Any], name: str) -> Mapping[str, Any]:
    return next(record for record in records if isinstance(record, Mapping) and record.get("name") == name)


class FilterModule:
    """Filters of the role ``wsgi_app``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "resolved_records": accept_args_markers(resolved_records),
            "record_environment": record_environment,
            "record_sections": record_sections,
            "release_plans": release_plans,
            "served_applications": served_applications,
            "agent_applications": agent_applications,
            "agent_units": agent_units,
            "timer_units": timer_units,
            "timer_files": timer_files,
        }
