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

Question = tuple[Expression | None, Sequence[Ordering], int]


def _question(body: ComplexQuery, words: language.Language) -> Question:
    """Return the expression, limited to what the caller may see, the orderings and the limit. Raises 400 and 401."""
    text, order = value_or(body.filter, None), value_or(body.orderby, None)
    expression = language.parse_filter(text, words) if text else None
    orderings = language.parse_orderings(order, words) if order else []
    limit = paging.limit_of(value_or(body.limit, None))
    return scoping.limited_expression(expression, words, identity.scope()), orderings, limit


class QuerySamplesController(rest.RestController):  # type: ignore[misc]
    """/v2/query/samples"""

    @expose([Sample], body=ComplexQuery)
    def post(self, body: ComplexQuery) -> Any:
        """Return the samples that a complex query finds."""
        identity.enforce("query_sample")
        found = pecan.request.stores.metering.query_samples(*_question(body, language.SAMPLES))
        return [Sample.from_record(one) for one in found]


class QueryAlarmsController(rest.RestController):  # type: ignore[misc]
    """/v2/query/alarms"""

    @expose([Alarm], body=ComplexQuery)
    def post(self, body: ComplexQuery) -> Any:
        """Return the alarms that a complex query finds."""
        identity.enforce("query_alarm")
        found = pecan.request.stores.alarm.query_alarms(*_question(body, language.ALARMS))
        return [Alarm.from_record(one) for one in found]


class QueryAlarmHistoryController(rest.RestController):  # type: ignore[misc]
    """/v2/query/alarms/history"""

    @expose([AlarmChange], body=ComplexQuery)
    def post(self, body: ComplexQuery) -> Any:
        """Return the changes that a complex query finds."""
        identity.enforce("query_alarm_history")
        found = pecan.request.stores.alarm.query_alarm_history(*_question(body, language.ALARM_HISTORY))
        return [AlarmChange.from_record(one) for one in found]
