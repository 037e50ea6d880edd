"""Keeps the rule of an alarm to the project that owns the alarm.

A caller who sees all projects may make an alarm for another project. The rule may then use only what that project sees:
an alarm must not tell its owner about the samples and alarms of others.
"""

from typing import Any

from telemetry import json_text
from telemetry.api import identity, scoping
from telemetry.api.errors import InvalidInput
from telemetry.api.types.query import Query
from telemetry.storage.records import Alarm

GNOCCHI_OWNER = "created_by_project_id"


def limit_rule(alarm: Alarm) -> None:
    """Add the project to the query of a rule. Raises a 401 for a query on another project, a 400 for a bad query."""
    scope = identity.scope_on_behalf_of(alarm.project_id)
    if alarm.type == "threshold":
        queries = scoping.limited([Query(**item) for item in alarm.rule["query"]], scope)
        alarm.rule["query"] = [query.as_dict() for query in queries]
    elif alarm.type == "gnocchi_aggregation_by_resources_threshold":
        alarm.rule["query"] = _limited_gnocchi_query(alarm.rule["query"], scope.project_id)


def _limited_gnocchi_query(text: str, project_id: str | None) -> str:
    try:
        query: Any = json_text.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("query", text, str(error)) from error
    if project_id is None:
        return text
    own = {"=": {GNOCCHI_OWNER: project_id}}
    parts = query.get("and") if isinstance(query, dict) else None
    # A client that changes an alarm sends the query as it was answered, with the project in it.
    if isinstance(parts, list) and own in parts:
        return text
    return json_text.dumps({"and": [own, query]})
