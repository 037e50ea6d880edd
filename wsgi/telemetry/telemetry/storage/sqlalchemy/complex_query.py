"""Complex queries as SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from telemetry.query.expression import METADATA, Comparison, Expression, Membership, Negation, Ordering
from telemetry.storage.limits import BIGGEST_INT
from telemetry.storage.records import Sample
from telemetry.storage.sqlalchemy import samples
from telemetry.storage.sqlalchemy.dialect import column_value, matches
from telemetry.storage.sqlalchemy.models import (
    meter,
    resource,
    resource_state,
    sample,
    state_metadata,
)

SAMPLE_COLUMNS = {
    "counter_name": meter.c.name,
    "counter_type": meter.c.type,
    "counter_unit": meter.c.unit,
    "counter_volume": sample.c.volume,
    "user_id": resource_state.c.user_id,
    "project_id": resource_state.c.project_id,
    "resource_id": resource.c.resource_id,
    "source": resource_state.c.source,
    "timestamp": sample.c.timestamp,
    "recorded_at": sample.c.recorded_at,
    "message_id": sample.c.message_id,
    "message_signature": sample.c.message_signature,
}
OPERATORS = {"=": "__eq__", "!=": "__ne__", "<": "__lt__", ">": "__gt__", "<=": "__le__", ">=": "__ge__"}


class Compiler:
    """Translates expressions to SQL conditions on the columns of samples, alarms or changes of alarms."""

    def __init__(self, connection: sa.Connection, columns: Mapping[str, Any]) -> None:
        self.connection = connection
        self.columns = columns

    def condition(self, expression: Expression) -> Any:
        """Return the condition for an expression. A column without a value and a missing metadata key make it NULL."""
        if isinstance(expression, Negation):
            return sa.not_(self.condition(expression.part))
        if isinstance(expression, Comparison):
            return self._comparison(expression)
        if isinstance(expression, Membership):
            return self.columns[expression.field].in_([column_value(value) for value in expression.values])
        parts = [self.condition(part) for part in expression.parts]
        return sa.and_(*parts) if expression.op == "and" else sa.or_(*parts)

    def _comparison(self, comparison: Comparison) -> Any:
        if comparison.field.startswith(METADATA):
            return self._metadata(comparison)
        column = self.columns[comparison.field]
        if comparison.op == "=~":
            return matches(self.connection, column, str(comparison.value))
        return getattr(column, OPERATORS[comparison.op])(column_value(comparison.value))

    def _metadata(self, comparison: Comparison) -> Any:
        table = state_metadata.alias()
        value: Any = comparison.value
        kinds: tuple[str, ...] = ("text",)
        column: Any = table.c.text_value
        if isinstance(value, bool):
            kinds, column, value = ("bool",), table.c.int_value, int(value)
        elif isinstance(value, int) and abs(value) <= BIGGEST_INT:
            kinds, column = ("int",), table.c.int_value
        elif isinstance(value, int | float):
            kinds, column, value = ("float",), table.c.float_value, float(value)
        # A scalar subquery is NULL for a missing key, like an outer join.
        metadata_value = (
            sa.select(column)
            .where(
                table.c.state_id == resource_state.c.id,
                table.c.key == comparison.field.removeprefix(METADATA),
                table.c.kind.in_(kinds),
            )
            .correlate(resource_state)
            .scalar_subquery()
        )
        if comparison.op == "=~":
            return matches(self.connection, metadata_value, str(value))
        return getattr(metadata_value, OPERATORS[comparison.op])(value)

    def order(self, orderings: Sequence[Ordering]) -> list[Any]:
        """Return the columns to sort by."""
        return [
            self.columns[order.field].desc() if order.descending else self.columns[order.field].asc()
            for order in orderings
        ]


def query_samples(
    connection: sa.Connection, expression: Expression | None, orderings: Sequence[Ordering], limit: int
) -> list[Sample]:
    """List samples for which the expression is true; without orderings newest first."""
    compiler = Compiler(connection, SAMPLE_COLUMNS)
    query = sa.select(*samples.COLUMNS).select_from(samples.SOURCE)
    if expression is not None:
        query = query.where(compiler.condition(expression))
    order = compiler.order(orderings) or [sample.c.timestamp.desc()]
    query = query.order_by(*order, sample.c.id.desc()).limit(limit)
    return [samples.from_row(row) for row in connection.execute(query)]
