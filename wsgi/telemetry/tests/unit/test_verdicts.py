"""The decisions of threshold and combination rules, from values to states and reasons."""

import datetime as dt
from typing import Any

import pytest
from telemetry.alarms import combination, threshold
from telemetry.storage.records import Alarm, Statistics

NOW = dt.datetime(2026, 6, 1, 12)
UNKNOWN = "insufficient data"


def alarm(state: str = UNKNOWN, repeat: bool = False, kind: str = "threshold", **rule: Any) -> Alarm:
    defaults = {
        "meter_name": "cpu",
        "query": [],
        "period": 60,
        "comparison_operator": "gt",
        "threshold": 80.0,
        "statistic": "avg",
        "evaluation_periods": 3,
        "exclude_outliers": False,
    }
    return Alarm(
        alarm_id="a1",
        type=kind,
        enabled=True,
        name="n",
        description="",
        timestamp=NOW,
        user_id="u1",
        project_id="p1",
        state=state,
        state_timestamp=NOW,
        ok_actions=[],
        alarm_actions=[],
        insufficient_data_actions=[],
        repeat_actions=repeat,
        rule=(defaults if kind == "threshold" else {}) | rule,
        time_constraints=[],
        severity="low",
    )


def rows(*values: float, name: str = "avg", counts: list[int] | None = None) -> list[Statistics]:
    counts = counts or [1] * len(values)
    return [
        Statistics("", {name: value, "count": count}, NOW, NOW, 60, NOW, NOW, None)
        for value, count in zip(values, counts, strict=True)
    ]


@pytest.mark.parametrize(
    ("state", "values", "expected", "reason"),
    [
        (UNKNOWN, (90, 91, 92), "alarm", "Transition to alarm due to 3 samples outside threshold, most recent: 92"),
        (UNKNOWN, (10, 11, 12), "ok", "Transition to ok due to 3 samples inside threshold, most recent: 12"),
        (UNKNOWN, (10, 11, 92), "alarm", "Transition to alarm due to 3 samples outside threshold, most recent: 92"),
        (UNKNOWN, (90, 91, 12), "ok", "Transition to ok due to 3 samples inside threshold, most recent: 12"),
        (UNKNOWN, (), None, ""),
        ("ok", (90, 91, 92), "alarm", "Transition to alarm due to 3 samples outside threshold, most recent: 92"),
        ("ok", (10, 91, 92), None, ""),
        ("ok", (10, 11, 12), None, ""),
        ("ok", (), UNKNOWN, "3 datapoints are unknown"),
        ("alarm", (10, 11, 12), "ok", "Transition to ok due to 3 samples inside threshold, most recent: 12"),
        ("alarm", (90, 91, 12), None, ""),
        ("alarm", (90,), None, ""),
        ("alarm", (12,), "ok", "Transition to ok due to 1 samples inside threshold, most recent: 12"),
        ("alarm", (), UNKNOWN, "3 datapoints are unknown"),
        # Of more periods than the rule has, the last count.
        ("ok", (10, 90, 91, 92), "alarm", "Transition to alarm due to 3 samples outside threshold, most recent: 92"),
    ],
)
def test_threshold(state: str, values: tuple[float, ...], expected: str | None, reason: str) -> None:
    verdict = threshold.decide(alarm(state), rows(*values))
    assert (verdict.state if verdict else None, verdict.reason if verdict else "") == (expected, reason)


def test_the_data_of_a_reason() -> None:
    verdict = threshold.decide(alarm("ok"), rows(90, 91, 92))
    assert verdict is not None
    assert verdict.reason_data == {"type": "threshold", "disposition": "outside", "count": 3, "most_recent": 92}
    verdict = threshold.decide(alarm("alarm"), [])
    assert verdict is not None
    assert verdict.reason_data == {"type": "threshold", "disposition": "unknown", "count": 3, "most_recent": None}


@pytest.mark.parametrize(
    ("state", "values", "reason"),
    [
        ("alarm", (90, 91), "Remaining as alarm due to 2 samples outside threshold, most recent: 91"),
        ("alarm", (90, 11), "Remaining as alarm due to 2 samples outside threshold, most recent: 11"),
        ("ok", (10, 11), "Remaining as ok due to 2 samples inside threshold, most recent: 11"),
    ],
)
def test_repeated_actions(state: str, values: tuple[float, ...], reason: str) -> None:
    verdict = threshold.decide(alarm(state, repeat=True), rows(*values))
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (state, reason)
    assert threshold.decide(alarm(state), rows(*values)) is None


def test_insufficient_data_is_not_repeated() -> None:
    assert threshold.decide(alarm(UNKNOWN, repeat=True), []) is None


@pytest.mark.parametrize(
    ("operator", "states"),
    [
        ("lt", ("alarm", "ok", "ok")),
        ("le", ("alarm", "alarm", "ok")),
        ("eq", ("ok", "alarm", "ok")),
        ("ne", ("alarm", "ok", "alarm")),
        ("ge", ("ok", "alarm", "alarm")),
        ("gt", ("ok", "ok", "alarm")),
    ],
)
def test_comparison(operator: str, states: tuple[str, ...]) -> None:
    for value, state in zip((79.0, 80.0, 81.0), states, strict=True):
        verdict = threshold.decide(alarm(comparison_operator=operator), rows(value))
        assert verdict is not None
        assert verdict.state == state


def test_outliers() -> None:
    counts = [10, 10, 10, 10, 10, 1]
    values = rows(90, 90, 90, 90, 90, 10, counts=counts)
    excluding, plain = alarm("ok", exclude_outliers=True), alarm("ok")
    verdict = threshold.decide(excluding, values)
    assert verdict is not None
    assert verdict.reason == "Transition to alarm due to 3 samples outside threshold, most recent: 90"
    assert threshold.decide(plain, values) is None
    # Counts that differ little are no outliers, and one period has none.
    assert threshold.decide(excluding, rows(10, 10, 10, counts=[9, 10, 11])) is None
    assert threshold.decide(alarm("alarm", exclude_outliers=True), []) is not None


def test_the_window() -> None:
    request = threshold.request(alarm().rule, NOW)
    assert (request.filter.start, request.filter.end) == (NOW - dt.timedelta(seconds=240), NOW)
    assert (request.period, [one.func for one in request.aggregates]) == (60, ["avg"])
    request = threshold.request(alarm(exclude_outliers=True, statistic="max").rule, NOW)
    assert request.filter.start == NOW - dt.timedelta(seconds=360)
    assert [one.func for one in request.aggregates] == ["max", "count"]
    request = threshold.request(alarm(exclude_outliers=True, statistic="count").rule, NOW)
    assert [one.func for one in request.aggregates] == ["count"]
    query = [
        {"field": "project_id", "op": "eq", "value": "p1"},
        {"field": "metadata.a", "value": "1", "type": "integer"},
    ]
    request = threshold.request(alarm(query=query, evaluation_periods=10**9, period=10**9).rule, NOW)
    assert request.filter.project == "p1"
    assert request.filter.metadata[0].value == 1
    assert request.filter.start == dt.datetime.min


@pytest.mark.parametrize(
    ("operator", "before", "states", "expected", "reason"),
    [
        ("and", "ok", {"b": "alarm", "c": "alarm"}, "alarm", "Transition to alarm due to alarms b,c in state alarm"),
        ("and", "alarm", {"b": "alarm", "c": "ok"}, "ok", "Transition to ok due to alarms c in state ok"),
        ("and", "ok", {"b": "alarm", "c": "ok"}, None, ""),
        ("and", "ok", {"b": "alarm", "c": UNKNOWN}, UNKNOWN, "Alarms c are in unknown state"),
        ("and", "ok", {"b": "alarm"}, UNKNOWN, "Alarms c are in unknown state"),
        ("and", "ok", {}, UNKNOWN, "Alarms b,c are in unknown state"),
        ("and", UNKNOWN, {}, None, ""),
        ("or", "ok", {"b": "alarm", "c": UNKNOWN}, "alarm", "Transition to alarm due to alarms b in state alarm"),
        ("or", "ok", {"b": "alarm"}, "alarm", "Transition to alarm due to alarms b in state alarm"),
        ("or", "ok", {"b": "ok", "c": UNKNOWN}, UNKNOWN, "Alarms c are in unknown state"),
        ("or", "alarm", {"b": "ok", "c": "ok"}, "ok", "Transition to ok due to alarms b,c in state ok"),
        ("or", UNKNOWN, {"b": "ok", "c": "ok"}, "ok", "Transition to ok due to alarms b,c in state ok"),
    ],
)
def test_combination(operator: str, before: str, states: dict[str, str], expected: str | None, reason: str) -> None:
    combined = alarm(before, kind="combination", operator=operator, alarm_ids=["b", "c"])
    verdict = combination.decide(combined, states)
    assert (verdict.state if verdict else None, verdict.reason if verdict else "") == (expected, reason)


def test_a_repeated_combination() -> None:
    combined = alarm("alarm", repeat=True, kind="combination", operator="or", alarm_ids=["b", "c"])
    verdict = combination.decide(combined, {"b": "alarm", "c": "ok"})
    assert verdict is not None
    assert verdict.reason == "Remaining as alarm due to alarms b in state alarm"
    assert verdict.reason_data == {"type": "combination", "alarm_ids": ["b"]}
