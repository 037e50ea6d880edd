"""Keyset pagination: a page begins after the sort key of the last document of the page before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from telemetry.storage import markers
from telemetry.storage.filters import PageRequest
from telemetry.storage.mongodb.conditions import Condition

Document = dict[str, Any]


@dataclass(frozen=True)
class Keyset:
    """The order of a list: the fields of the sort key and their types. Together they are unique."""

    fields: tuple[str, ...]
    types: tuple[type, ...]
    descending: bool = False

    @property
    def order(self) -> dict[str, int]:
        """The order for sort and $sort."""
        return dict.fromkeys(self.fields, -1 if self.descending else 1)

    def after(self, page: PageRequest) -> list[Condition]:
        """Return the conditions for the documents after the page's marker. Raises BadQueryError for a bad marker."""
        if not page.marker:
            return []
        key = markers.decode(page.marker, self.types)
        op = "$lt" if self.descending else "$gt"
        if len(key) == 1:
            return [{self.fields[0]: {op: key[0]}}]
        alternatives: list[Condition] = []
        for place, field in enumerate(self.fields):
            same = {earlier: key[number] for number, earlier in enumerate(self.fields[:place])}
            alternatives.append({**same, field: {op: key[place]}})
        return [{self.fields[0]: {f"{op}e": key[0]}}, {"$or": alternatives}]

    def limit(self, page: PageRequest) -> int:
        """Return the number of documents to read: one more than the page holds. 0 stands for all."""
        return 0 if page.limit is None else page.limit + 1

    def split(self, documents: Sequence[Document], page: PageRequest) -> tuple[Sequence[Document], str | None]:
        """Return the documents that belong to the page, and the marker of the next page or None."""
        if page.limit is None or len(documents) <= page.limit:
            return documents, None
        documents = documents[: page.limit]
        last = documents[-1]
        return documents, markers.encode(tuple(last[field] for field in self.fields))
