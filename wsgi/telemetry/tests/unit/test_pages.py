"""Keyset pages on a table with ties in every column of the sort key but the last."""

import itertools
from typing import Any

import pytest
import sqlalchemy as sa
from telemetry.errors import BadQueryError
from telemetry.storage import markers
from telemetry.storage.filters import PageRequest
from telemetry.storage.sqlalchemy import pages

TABLE = sa.Table(
    "item",
    sa.MetaData(),
    sa.Column("a", sa.BigInteger),
    sa.Column("b", sa.String(9)),
    sa.Column("c", sa.Integer, primary_key=True),
)
ROWS = [(a, b, number) for number, (a, b) in enumerate(itertools.product((3, 1, 2), "yxyx"))]


@pytest.mark.parametrize("names", ["c", "ac", "abc"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_each_row_once_in_order(names: str, descending: bool, limit: int) -> None:
    engine = sa.create_engine("sqlite://")
    TABLE.create(engine)
    keyset = pages.Keyset(tuple(TABLE.c[name] for name in names), descending)
    with engine.begin() as connection:
        connection.execute(sa.insert(TABLE), [dict(zip("abc", row, strict=True)) for row in ROWS])
        rows: list[sa.Row[Any]] = []
        marker = None
        while True:
            page = PageRequest(limit, marker)
            chosen, marker = keyset.split(connection.execute(keyset.select_page(sa.select(TABLE), page)).all(), page)
            rows += chosen
            if marker is None:
                break
            assert len(chosen) == limit
    expected = sorted(ROWS, key=lambda row: tuple(row["abc".index(name)] for name in names), reverse=descending)
    assert [(row.a, row.b, row.c) for row in rows] == expected


@pytest.mark.parametrize(
    "marker", ["", "x", "é", markers.encode((1,)), markers.encode(("1", 1)), markers.encode((2**63, 1))]
)
def test_bad_marker(marker: str) -> None:
    with pytest.raises(BadQueryError):
        markers.decode(marker, (int, int))


def test_marker() -> None:
    assert markers.decode(markers.encode((1, "ü/?&")), (int, str)) == (1, "ü/?&")
