"""Statistics."""

import math
from typing import Any

import pytest
import webtest

from tests.functional.calls import post, refused, sample

URL = "/v2/meters/cpu/statistics"


def fill(api: webtest.TestApp) -> None:
    for number, volume in enumerate((1.0, 2.0, 6.0)):
        post(
            api,
            sample(
                counter_volume=volume,
                timestamp=f"2026-01-01T00:{number * 10:02}:00",
                project_id=f"p{number % 2}",
                resource_id=f"r{number}",
                resource_metadata={"instance_type": str(number % 2), "user.stack": f"s{number}"},
            ),
        )


@pytest.fixture
def filled(api: webtest.TestApp) -> webtest.TestApp:
    fill(api)
    return api


def test_nothing(api: webtest.TestApp) -> None:
    assert api.get(URL).json == []
    assert api.get(f"{URL}?period=60").json == []


def test_standard(filled: webtest.TestApp) -> None:
    assert filled.get(URL).json == [
        {
            "unit": "percent",
            "min": 1.0,
            "max": 6.0,
            "avg": 3.0,
            "sum": 9.0,
            "count": 3,
            "duration": 1200.0,
            "duration_start": "2026-01-01T00:00:00",
            "duration_end": "2026-01-01T00:20:00",
            "period": 0,
            "period_start": "2026-01-01T00:00:00",
            "period_end": "2026-01-01T00:20:00",
            "groupby": None,
        }
    ]


def test_selected(filled: webtest.TestApp) -> None:
    query = "aggregate.func=stddev&aggregate.func=count&aggregate.func=max&aggregate.func=max"
    (row,) = filled.get(f"{URL}?{query}").json
    assert math.isclose(row["aggregate"].pop("stddev"), math.sqrt(14 / 3))
    assert row["aggregate"] == {"count": 3.0, "max": 6.0}
    assert row["count"] == 3
    assert row["max"] == 6.0
    assert "min" not in row


def test_stddev_of_large_close_values(api: webtest.TestApp) -> None:
    post(api, *[sample(counter_volume=1e9 + number, timestamp=f"2026-01-01T00:00:0{number}") for number in range(3)])
    (row,) = api.get(f"{URL}?aggregate.func=stddev").json
    assert math.isclose(row["aggregate"]["stddev"], math.sqrt(2 / 3), rel_tol=1e-6)


def test_cardinality(filled: webtest.TestApp) -> None:
    query = "&".join(f"aggregate.func=cardinality&aggregate.param={name}" for name in ("resource_id", "project_id"))
    (row,) = filled.get(f"{URL}?{query}").json
    assert row["aggregate"] == {"cardinality/resource_id": 3.0, "cardinality/project_id": 2.0}
    assert row["duration"] == 1200.0


def test_parameter_goes_to_the_cardinality(filled: webtest.TestApp) -> None:
    (row,) = filled.get(f"{URL}?aggregate.func=min&aggregate.func=cardinality&aggregate.param=user_id").json
    assert row["aggregate"] == {"min": 1.0, "cardinality/user_id": 1.0}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("aggregate.func=mmm", "Invalid aggregation function: mmm"),
        ("aggregate.func=cardinality&aggregate.param=bad", "Bad aggregate: cardinality.bad"),
        ("aggregate.func=cardinality", "Bad aggregate: cardinality.None"),
        ("period=-1", "Period must be positive."),
        ("period=10000000000000", "Invalid period 10000000000000: date value out of range"),
        ("groupby=bad", "Unknown argument: \"{'bad'}\": Invalid groupby fields"),
    ],
)
def test_refused(api: webtest.TestApp, query: str, text: str) -> None:
    assert refused(api, f"{URL}?{query}") == text


def test_refused_without_a_text(api: webtest.TestApp) -> None:
    for query in ("aggregate=max", "period=x", f"period={10**30}", "aggregate.param=resource_id", "groupby=metadata."):
        refused(api, f"{URL}?{query}")


def periods(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(row["period_start"][11:16], row["period_end"][11:16], row["count"]) for row in rows]


def test_periods(filled: webtest.TestApp) -> None:
    rows = filled.get(f"{URL}?period=900").json
    assert periods(rows) == [("00:00", "00:15", 2), ("00:15", "00:30", 1)]
    assert [row["period"] for row in rows] == [900, 900]
    assert rows[0]["duration"] == 600.0


def test_empty_periods_are_left_out(filled: webtest.TestApp) -> None:
    assert periods(filled.get(f"{URL}?period=60").json) == [
        ("00:00", "00:01", 1),
        ("00:10", "00:11", 1),
        ("00:20", "00:21", 1),
    ]


def test_periods_begin_at_the_query_start(filled: webtest.TestApp) -> None:
    query = "q.field=timestamp&q.op=ge&q.value=2025-12-31T23:55:00"
    assert periods(filled.get(f"{URL}?period=900&{query}").json) == [
        ("23:55", "00:10", 1),
        ("00:10", "00:25", 2),
    ]


def test_sample_at_the_last_edge_is_not_lost(filled: webtest.TestApp) -> None:
    rows = filled.get(f"{URL}?period=600").json
    assert sum(row["count"] for row in rows) == 3


def test_many_empty_periods(api: webtest.TestApp) -> None:
    post(api, *[sample(timestamp=f"{year}-01-01T00:00:00") for year in (2013, 2017, 2021, 2026)])
    rows = api.get(f"{URL}?period=600").json
    assert [row["period_start"][:4] for row in rows] == ["2013", "2017", "2021", "2026"]


@pytest.mark.parametrize(
    ("field", "groups"),
    [
        ("project_id", {"p0": 2, "p1": 1}),
        ("resource_id", {"r0": 1, "r1": 1, "r2": 1}),
        ("user_id", {"u1": 3}),
        ("source", {"p0:openstack": 2, "p1:openstack": 1}),
        ("resource_metadata.instance_type", {"0": 2, "1": 1}),
        ("metadata.user.stack", {"s0": 1, "s1": 1, "s2": 1}),
        ("metadata.nobody", {None: 3}),
    ],
)
def test_groupby(filled: webtest.TestApp, field: str, groups: dict[str | None, int]) -> None:
    rows = filled.get(f"{URL}?groupby={field}&groupby={field}").json
    assert {row["groupby"][field]: row["count"] for row in rows} == groups


def test_groups_and_periods(filled: webtest.TestApp) -> None:
    rows = filled.get(f"{URL}?groupby=project_id&groupby=user_id&period=1800").json
    assert [(row["groupby"], row["count"]) for row in rows] == [
        ({"project_id": "p0", "user_id": "u1"}, 2),
        ({"project_id": "p1", "user_id": "u1"}, 1),
    ]


def test_one_row_per_unit(filled: webtest.TestApp) -> None:
    post(filled, sample(counter_unit="ratio", counter_volume=0.5))
    assert [(row["unit"], row["count"]) for row in filled.get(URL).json] == [("percent", 3), ("ratio", 1)]


def test_filters(filled: webtest.TestApp) -> None:
    for query in ("resource_id&q.value=r2", "metadata.user.stack&q.value=s2"):
        (row,) = filled.get(f"{URL}?q.field={query}").json
        assert row["sum"] == 6.0
    assert filled.get(f"{URL}?q.field=resource_id&q.value=nobody").json == []


def test_duration_is_cut_to_the_question(filled: webtest.TestApp) -> None:
    query = (
        "q.field=timestamp&q.op=gt&q.value=2026-01-01T00:05:00&q.field=timestamp&q.op=lt&q.value=2026-01-01T00:15:00"
        "&q.field=search_offset&q.op=eq&q.value=10"
    )
    (row,) = filled.get(f"{URL}?{query}").json
    assert row["count"] == 3
    assert (row["duration_start"], row["duration_end"]) == ("2026-01-01T00:05:00", "2026-01-01T00:15:00")
    query = "q.field=timestamp&q.op=ge&q.value=2026-01-01T00:30:00&q.field=search_offset&q.op=eq&q.value=30"
    (row,) = filled.get(f"{URL}?{query}").json
    assert [row[name] for name in ("duration", "duration_start", "duration_end")] == [None] * 3


def test_groupby_a_key_that_begins_with_metadata(api: webtest.TestApp) -> None:
    post(api, sample(resource_metadata={"metadata.x": "nested", "x": "plain"}))
    for field, group in (
        ("resource_metadata.metadata.x", "nested"),
        ("metadata.metadata.x", "nested"),
        ("resource_metadata.x", "plain"),
    ):
        (row,) = api.get(f"/v2/meters/cpu/statistics?groupby={field}").json
        assert row["groupby"] == {field: group}


def test_empty_parameter(filled: webtest.TestApp) -> None:
    """A client that fills up its parameters sends an empty one with each function that takes none."""
    query = "aggregate.func=max&aggregate.param=&aggregate.func=cardinality&aggregate.param=resource_id"
    (row,) = filled.get(f"{URL}?{query}").json
    assert row["aggregate"] == {"max": 6.0, "cardinality/resource_id": 3.0}
    (row,) = filled.get(f"{URL}?aggregate.func=min&aggregate.param=&aggregate.func=max&aggregate.param=").json
    assert row["aggregate"] == {"min": 1.0, "max": 6.0}
    text = refused(filled, f"{URL}?aggregate.func=cardinality&aggregate.param=")
    assert text == "Bad aggregate: cardinality.None"


@pytest.mark.parametrize("period", [1, 3600, 86400 * 365])
def test_the_ends_of_the_calendar(filled: webtest.TestApp, period: int) -> None:
    last = "9999-12-31T23:59:59.999999"
    post(filled, sample(timestamp=last), sample(timestamp="0001-01-01T00:00:00"))
    rows = filled.get(f"{URL}?period={period}").json
    assert sum(row["count"] for row in rows) == 5
    assert rows[0]["period_start"] == "0001-01-01T00:00:00"
    assert (rows[-1]["duration_end"], rows[-1]["period_end"], rows[-1]["period"]) == (last, last, period)
    query = "q.field=timestamp&q.op=ge&q.value=9999-12-31T23:59:00&groupby=project_id"
    (row,) = filled.get(f"{URL}?period={period}&{query}").json
    assert (row["count"], row["period_end"]) == (1, last)
