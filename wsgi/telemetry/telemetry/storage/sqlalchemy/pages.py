"""Keyset pagination: a page begins after the sort key of the last row of the page before.

A page costs the same at any place in the list, and rows that are added or deleted between two pages shift nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from telemetry.storage.filters import PageRequest
from telemetry.storage.markers import Key, decode, encode

Condition = sa.ColumnElement[bool]


@dataclass(frozen=True)
class Keyset:
    """The order of a list: the columns of the sort key, the most significant first. Together they are unique."""

    columns: tuple[Any, ...]
    descending: bool = False

    def after(self, page: PageRequest) -> list[Condition]:
        """Return the conditions for the rows that follow the page's marker. Raises BadQueryError for a bad marker."""
        if not page.marker:
            return []
        return self._after(self.columns, decode(page.marker, [column.type.python_type for column in self.columns]))

    def _after(self, columns: tuple[Any, ...], key: Key) -> list[Condition]:
        column, value = columns[0], key[0]
        follows = column < value if self.descending else column > value
        if len(columns) == 1:
            return [follows]
        # A plain range on the first column, which a database can look up in an index, and the rest as a filter.
        in_range = column <= value if self.descending else column >= value
        return [in_range, sa.or_(follows, sa.and_(*self._after(columns[1:], key[1:])))]

    def select_page(self, query: sa.Select[Any], page: PageRequest) -> sa.Select[Any]:
        """Return the query for the rows of a page, in order, and for one row more, which tells that a page follows."""
        columns = [column.desc() for column in self.columns] if self.descending else self.columns
        query = query.where(*self.after(page)).order_by(*columns)
        return query if page.limit is None else query.limit(page.limit + 1)

    def split(
        self, rows: Sequence[Any], page: PageRequest, names: Sequence[str] | None = None
    ) -> tuple[Sequence[Any], str | None]:
        """Return the rows that belong to the page, and the marker of the next page or None.

        `names` are the names that the columns of the sort key have in the rows, if they differ from the table's.
        """
        if page.limit is None or len(rows) <= page.limit:
            return rows, None
        rows = rows[: page.limit]
        last = rows[-1]
        return rows, encode(tuple(getattr(last, name) for name in names or [column.name for column in self.columns]))
