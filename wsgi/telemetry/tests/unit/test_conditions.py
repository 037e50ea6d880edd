"""Several conditions of MongoDB as one document."""

import datetime as dt
from typing import Any

import pytest
from telemetry.storage.filters import SampleFilter
from telemetry.storage.mongodb.conditions import Condition, every, of_sample

A_REGEX = {"$regex": "x"}


@pytest.mark.parametrize(
    ("conditions", "whole"),
    [
        ([], {}),
        ([{"a": {"$eq": 1}}], {"a": {"$eq": 1}}),
        ([{"a": {"$eq": 1}}, {"b": {"$eq": None}}], {"a": {"$eq": 1}, "b": {"$eq": None}}),
        ([{"a": {"$gte": 1}}, {"a": {"$lt": 5}}, {"a": {"$ne": 3}}], {"a": {"$gte": 1, "$lt": 5, "$ne": 3}}),
        # The same operator twice, as in a marker within a range.
        ([{"a": {"$gte": 1}}, {"a": {"$gte": 2}}], {"a": {"$gte": 1}, "$and": [{"a": {"$gte": 2}}]}),
        # A value that is no document of operators.
        ([{"a": 1}, {"a": {"$lt": 5}}], {"a": 1, "$and": [{"a": {"$lt": 5}}]}),
        ([{"a": {"x": 1}}, {"a": {"$lt": 5}}], {"a": {"x": 1}, "$and": [{"a": {"$lt": 5}}]}),
        ([{"a": {}}, {"a": {"$lt": 5}}], {"a": {}, "$and": [{"a": {"$lt": 5}}]}),
        (
            [{"a": {"$elemMatch": {"k": 1}}}] * 2,
            {"a": {"$elemMatch": {"k": 1}}, "$and": [{"a": {"$elemMatch": {"k": 1}}}]},
        ),
        ([{"$or": [{"a": 1}]}, {"$or": [{"b": 2}]}], {"$or": [{"a": 1}], "$and": [{"$or": [{"b": 2}]}]}),
        ([{"a": 1, "b": A_REGEX}, {"b": A_REGEX}], {"a": 1, "b": A_REGEX, "$and": [{"b": A_REGEX}]}),
        ([{"$and": [{"a": 1}, {"b": 2}]}, {"a": 3}], {"a": 3, "$and": [{"a": 1}, {"b": 2}]}),
    ],
)
def test_every(conditions: list[Condition], whole: Any) -> None:
    before = repr(conditions)
    assert every(conditions) == whole
    assert repr(conditions) == before


def test_what_the_rule_of_an_alarm_asks_for() -> None:
    """Each field is a member of the document. The resource comes first, since an index begins with it."""
    criteria = SampleFilter(
        resource="r",
        meter="cpu",
        project="p",
        user="u",
        start=dt.datetime(1970, 1, 1, 0, 0, 1),
        start_op="ge",
        end=dt.datetime(1970, 1, 1, 0, 0, 2),
        end_op="lt",
    )
    assert list(every(of_sample(criteria)).items()) == [
        ("resource_id", {"$eq": "r"}),
        ("meter", {"$eq": "cpu"}),
        ("timestamp", {"$gte": 1_000_000, "$lt": 2_000_000}),
        ("user_id", {"$eq": "u"}),
        ("project_id", {"$eq": "p"}),
    ]
