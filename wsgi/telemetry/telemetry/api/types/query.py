"""Filters, aggregates and complex queries in the form in which clients send them."""

from typing import Any

import wsme

from telemetry.api.types.base import Base, Unset, attribute


class Query(Base):
    """One filter of a simple query: `q.field`, `q.op`, `q.value`, `q.type`."""

    field = attribute(str, mandatory=True)
    _op = None

    def _get_op(self) -> str:
        return self._op or "eq"

    def _set_op(self, value: str) -> None:
        self._op = value

    op = wsme.wsproperty(str, _get_op, _set_op)
    value = attribute(str, mandatory=True)
    type = attribute(str)

    def __repr__(self) -> str:
        return f"<Query {self.field!r} {self.op} {self.value!r} {self.type}>"

    def as_dict(self) -> dict[str, Any]:
        """Return the filter as an alarm's rule stores it. Members that are not set are left out."""
        members = {"field": self.field, "op": self.op, "value": self.value, "type": self.type}
        return {name: value for name, value in members.items() if value is not Unset}


class Aggregate(Base):
    """One selected aggregate: `aggregate.func` and, for cardinality, `aggregate.param`."""

    func = attribute(str, mandatory=True)
    param = attribute(str)


class ComplexQuery(Base):
    """The body of POST /v2/query/*: filter and orderby are JSON text."""

    filter = attribute(str)
    orderby = attribute(str)
    limit = attribute(int)
