"""/v2/query/samples, /v2/query/alarms, /v2/query/alarms/history: complex queries."""

from collections.abc import Sequence
from typing import Any

import pecan
from pecan import rest

from telemetry.api import identity, paging, scoping
from telemetry.api.expose import expose
from telemetry.api.types.alarms import Alarm, AlarmChange
from telemetry.api.types.base import value_or
from telemetry.api.types.query import ComplexQuery
from telemetry.api.types.samples import Sample
from telemetry.query import complex as language
from telemetry.query.expression import Expression, Ordering

ParsedQuery = tuple[Expression | None, Sequence[Ordering], int]


def _parsed(body: ComplexQuery, fields: language.Language) -> ParsedQuery:
    """Return the expression, limited to what the caller may see, the orderings and the limit. Raises a 400 or 401."""
    text, order = value_or(body.filter, None), value_or(body.orderby, None)
    expression = language.parse_filter(text, fields) if text else None
    orderings = language.parse_orderings(order, fields) if order else []
    limit = paging.limit_of(value_or(body.limit, None))
    return scoping.limited_expression(expression, fields, identity.scope()), orderings, limit


class QuerySamplesController(rest.RestController):  # type: ignore[misc]
    """/v2/query/samples"""

    @expose([Sample], body=ComplexQuery)
    def post(self, body: ComplexQuery) -> Any:
        """Return the samples that match a complex query."""
        identity.enforce("query_sample")
        samples = pecan.request.stores.metering.query_samples(*_parsed(body, language.SAMPLES))
        return [Sample.from_record(sample) for sample in samples]


class QueryAlarmsController(rest.RestController):  # type: ignore[misc]
    """/v2/query/alarms"""

    @expose([Alarm], body=ComplexQuery)
    def post(self, body: ComplexQuery) -> Any:
        """Return the alarms that match a complex query."""
        identity.enforce("query_alarm")
        alarms = pecan.request.stores.alarm.query_alarms(*_parsed(body, language.ALARMS))
        return [Alarm.from_record(alarm) for alarm in alarms]


class QueryAlarmHistoryController(rest.RestController):  # type: ignore[misc]
    """/v2/query/alarms/history"""

    @expose([AlarmChange], body=ComplexQuery)
    def post(self, body: ComplexQuery) -> Any:
        """Return the changes that match a complex query."""
        identity.enforce("query_alarm_history")
        changes = pecan.request.stores.alarm.query_alarm_history(*_parsed(body, language.ALARM_HISTORY))
        return [AlarmChange.from_record(change) for change in changes]
