"""Evaluation of alarms: from stored samples to states, history and notifications."""

import dataclasses
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
import webtest
from telemetry import timestamps
from telemetry.alarms import partition
from telemetry.alarms.evaluation import Evaluation
from telemetry.alarms.evaluator import Evaluator
from telemetry.alarms.partition import PARTS, Partition
from telemetry.storage.filters import AlarmFilter
from telemetry.storage.records import Alarm, AlarmChange, Notification
from telemetry.storage.stores import Stores

from tests.conftest import Api, configuration
from tests.functional.calls import ADMIN, MEMBER, sample

UNKNOWN = "insufficient data"
FAR = dt.datetime(2100, 1, 1)
# The moment of the evaluations, and of the newest samples, in tests that do not run the evaluator's loop.
NOW = dt.datetime(2026, 6, 1, 12)


@pytest.fixture
def stores(clean: str) -> Iterator[Stores]:
    opened = Stores(configuration(clean))
    yield opened
    opened.close()


@pytest.fixture
def announced() -> list[AlarmChange]:
    return []


@pytest.fixture
def evaluator(stores: Stores, clean: str, announced: list[AlarmChange]) -> Evaluator:
    return Evaluator(configuration(clean), stores, announced.append)


def create(api: webtest.TestApp, kind: str = "threshold", headers: dict[str, str] | None = None, **members: Any) -> str:
    """Create an alarm whose rule has these members. Return its id."""
    names = ("name", "repeat_actions", "enabled", "time_constraints", "state", "project_id")
    body: dict[str, Any] = {name: members.pop(name) for name in names if name in members}
    body |= {name: members.pop(name) for name in list(members) if name.endswith("_actions")}
    rule = {"meter_name": "cpu", "threshold": 80.0, "comparison_operator": "gt"} if kind == "threshold" else {}
    body = {"name": "a", "type": kind, f"{kind}_rule": rule | members} | body
    return str(api.post_json("/v2/alarms", body, headers=headers or {}, status=201).json["alarm_id"])


def post(api: webtest.TestApp, *volumes: float, age: float = 10, now: dt.datetime = NOW, **members: Any) -> None:
    """Post a sample for each volume, the last one `age` seconds old, and each other a minute older than the next."""
    samples = [
        sample(
            counter_volume=volume,
            timestamp=(now - dt.timedelta(seconds=age + 60 * (len(volumes) - 1 - number))).isoformat(),
            **members,
        )
        for number, volume in enumerate(volumes)
    ]
    api.post_json("/v2/meters/cpu?direct=true", samples, status=201)


def stored(stores: Stores, alarm_id: str) -> Alarm:
    (alarm,) = stores.alarm.alarms(AlarmFilter(alarm_id=alarm_id))
    return alarm


def waiting(stores: Stores) -> list[Notification]:
    return stores.evaluation.due_notifications(FAR, 100)


def evaluate(evaluator: Evaluator, stores: Stores, alarm_id: str) -> str:
    """Evaluate an alarm. Return its state."""
    evaluator.evaluate(stored(stores, alarm_id), NOW)
    return stored(stores, alarm_id).state


def test_an_alarm_fires_once_and_recovers(
    api: webtest.TestApp, stores: Stores, evaluator: Evaluator, announced: list[AlarmChange]
) -> None:
    actions: dict[str, Any] = {
        "ok_actions": ["http://ok.example/"],
        "alarm_actions": ["http://u:SECRET@alarm.example:8080/x", "https://alarm.example/"],
    }
    alarm_id = create(api, headers=MEMBER, evaluation_periods=2, **actions)
    assert evaluate(evaluator, stores, alarm_id) == UNKNOWN
    assert waiting(stores) == []
    post(api, 90, 95)
    before = stored(stores, alarm_id)
    assert evaluate(evaluator, stores, alarm_id) == "alarm"
    after = stored(stores, alarm_id)
    assert after.state_timestamp > before.state_timestamp
    assert after.timestamp == before.timestamp
    for _ in range(3):
        assert evaluate(evaluator, stores, alarm_id) == "alarm"
    one, two = sorted(waiting(stores), key=lambda notification: notification.action)
    assert (one.action, one.receiver) == ("http://u:SECRET@alarm.example:8080/x", "http://alarm.example:8080")
    assert (two.action, two.receiver) == ("https://alarm.example/", "https://alarm.example")
    reason = "Transition to alarm due to 2 samples outside threshold, most recent: 95.0"
    assert one.body == two.body
    assert one.body == {
        "alarm_name": "a",
        "alarm_id": alarm_id,
        "severity": "low",
        "previous": UNKNOWN,
        "current": "alarm",
        "reason": reason,
        "reason_data": {"type": "threshold", "disposition": "outside", "count": 2, "most_recent": 95.0},
    }
    for notification in (one, two):
        stores.evaluation.delete_notification(notification)
    post(api, *([-1000.0] * 5), age=5)
    assert evaluate(evaluator, stores, alarm_id) == "ok"
    assert [(one.action, one.body["previous"]) for one in waiting(stores)] == [("http://ok.example/", "alarm")]
    history = api.get(f"/v2/alarms/{alarm_id}/history", headers=MEMBER).json
    assert [entry["type"] for entry in history] == ["state transition", "state transition", "creation"]
    assert json.loads(history[1]["detail"]) == {"state": "alarm", "transition_reason": reason}
    assert history[0]["on_behalf_of"] == "p1"
    assert [json.loads(entry.detail)["state"] for entry in announced] == ["alarm", "ok"]


def test_no_history(api: webtest.TestApp, stores: Stores, clean: str, announced: list[AlarmChange]) -> None:
    alarm_id = create(api)
    post(api, 90)
    evaluator = Evaluator(configuration(clean, alarm__record_history=False), stores, announced.append)
    assert evaluate(evaluator, stores, alarm_id) == "alarm"
    assert [entry["type"] for entry in api.get(f"/v2/alarms/{alarm_id}/history").json] == ["creation"]
    assert announced == []


@pytest.mark.parametrize(
    ("statistic", "value"), [("max", 40.0), ("min", 10.0), ("avg", 25.0), ("sum", 50.0), ("count", 2.0)]
)
def test_statistics(api: webtest.TestApp, stores: Stores, evaluator: Evaluator, statistic: str, value: float) -> None:
    post(api, 10)
    post(api, 40, age=11)
    exact = create(api, comparison_operator="eq", threshold=value, statistic=statistic, period=600)
    other = create(api, name="b", comparison_operator="eq", threshold=value + 1, statistic=statistic, period=600)
    assert evaluate(evaluator, stores, exact) == "alarm"
    assert evaluate(evaluator, stores, other) == "ok"


def test_the_window(api: webtest.TestApp, stores: Stores, evaluator: Evaluator) -> None:
    """Two periods for a rule of one, since samples may come late; nothing older, and nothing from the future."""
    alarm_id = create(api)
    post(api, 90, age=130)
    post(api, 90, age=-3600)
    assert evaluate(evaluator, stores, alarm_id) == UNKNOWN
    post(api, 90, age=100)
    assert evaluate(evaluator, stores, alarm_id) == "alarm"
    evaluator.evaluate(stored(stores, alarm_id), NOW + dt.timedelta(seconds=60))
    assert stored(stores, alarm_id).state == UNKNOWN
    (entry, *_) = api.get(f"/v2/alarms/{alarm_id}/history").json
    assert json.loads(entry["detail"])["transition_reason"] == "1 datapoints are unknown"


def test_outliers(api: webtest.TestApp, stores: Stores, evaluator: Evaluator) -> None:
    """Of six periods, the newest has one sample instead of four, and another value."""
    rule: dict[str, Any] = {"evaluation_periods": 3, "statistic": "avg"}
    for second in range(4):
        post(api, 90, 90, 90, 90, 90, age=61 + second)
    post(api, 10, age=5)
    excluding = create(api, exclude_outliers=True, **rule)
    including = create(api, name="b", state="alarm", **rule)
    assert evaluate(evaluator, stores, excluding) == "alarm"
    assert waiting(stores) == []
    assert evaluate(evaluator, stores, including) == "alarm"
    (entry, *_) = api.get(f"/v2/alarms/{excluding}/history").json
    assert "most recent: 90.0" in json.loads(entry["detail"])["transition_reason"]


def test_the_query_of_a_rule(api: webtest.TestApp, stores: Stores, evaluator: Evaluator) -> None:
    """An alarm sees the samples of its own project, and of these what its query selects."""
    post(api, 90, project_id="p2")
    own = create(api, headers=MEMBER)
    behalf = create(api, headers=ADMIN, project_id="p2")
    every = create(api, headers=ADMIN, name="b")
    selects = [{"field": "metadata.color", "op": "eq", "value": "red"}]
    red = create(api, headers=MEMBER, name="c", query=selects)
    assert evaluate(evaluator, stores, own) == UNKNOWN
    assert evaluate(evaluator, stores, behalf) == "alarm"
    assert evaluate(evaluator, stores, every) == "alarm"
    post(api, 90, resource_metadata={"color": "blue"})
    assert evaluate(evaluator, stores, own) == "alarm"
    assert evaluate(evaluator, stores, red) == UNKNOWN
    post(api, 10, resource_metadata={"color": "red"}, resource_id="r2")
    assert evaluate(evaluator, stores, red) == "ok"


def test_repeated_actions(api: webtest.TestApp, stores: Stores, evaluator: Evaluator) -> None:
    alarm_id = create(api, repeat_actions=True, alarm_actions=["log://"], ok_actions=[])
    post(api, 90)
    for _ in range(3):
        assert evaluate(evaluator, stores, alarm_id) == "alarm"
    entries = api.get(f"/v2/alarms/{alarm_id}/history").json
    assert [entry["type"] for entry in entries] == ["state transition", "creation"]
    previous = []
    while one := waiting(stores):
        previous.append((one[0].body["previous"], one[0].body["reason"].split(" due ")[0]))
        stores.evaluation.delete_notification(one[0])
    assert previous == [(UNKNOWN, "Transition to alarm"), *[("alarm", "Remaining as alarm")] * 2]


def test_combination(api: webtest.TestApp, stores: Stores, evaluator: Evaluator) -> None:
    one = create(api, name="one", state="alarm")
    two = create(api, name="two")
    both = create(api, "combination", name="both", alarm_ids=[one, two], alarm_actions=["log://"])
    either = create(api, "combination", name="either", alarm_ids=[one, two], operator="or")
    assert evaluate(evaluator, stores, both) == UNKNOWN
    assert evaluate(evaluator, stores, either) == "alarm"
    api.put_json(f"/v2/alarms/{two}/state", "alarm")
    assert evaluate(evaluator, stores, both) == "alarm"
    (sent,) = waiting(stores)
    assert sent.body["reason_data"] == {"type": "combination", "alarm_ids": [one, two]}
    api.put_json(f"/v2/alarms/{two}/state", "ok")
    assert evaluate(evaluator, stores, both) == "ok"
    api.delete(f"/v2/alarms/{two}")
    assert evaluate(evaluator, stores, both) == UNKNOWN
    (entry, *_) = api.get(f"/v2/alarms/{both}/history").json
    assert json.loads(entry["detail"])["transition_reason"] == f"Alarms {two} are in unknown state"


def test_time_constraints(api: webtest.TestApp, stores: Stores, evaluator: Evaluator) -> None:
    post(api, 90)
    never = {"name": "c", "start": "0 0 * * *", "duration": 60}
    always = {"name": "d", "start": "* * * * *", "duration": 60, "timezone": "Asia/Kathmandu"}
    outside = create(api, time_constraints=[never])
    inside = create(api, name="b", time_constraints=[never, always])
    assert evaluate(evaluator, stores, outside) == UNKNOWN
    assert evaluate(evaluator, stores, inside) == "alarm"


@pytest.mark.parametrize("change", ["state", "rule", "disable", "delete"])
def test_an_alarm_that_changes_while_it_is_evaluated(
    api: webtest.TestApp, stores: Stores, evaluator: Evaluator, change: str
) -> None:
    alarm_id = create(api, alarm_actions=["log://"])
    post(api, 90)
    read = stored(stores, alarm_id)
    url = f"/v2/alarms/{alarm_id}"
    body = api.get(url).json
    match change:
        case "state":
            api.put_json(f"{url}/state", "ok")
        case "rule":
            body["threshold_rule"]["threshold"] = 1000.0
            api.put_json(url, body)
        case "disable":
            api.put_json(url, body | {"enabled": False})
        case "delete":
            api.delete(url)
    assert evaluator.evaluate(read, NOW) is None
    assert waiting(stores) == []
    if change != "delete":
        assert api.get(url).json["state"] == ("ok" if change == "state" else UNKNOWN)


def test_of_several_evaluators_one_changes_the_state(
    api: webtest.TestApp, stores: Stores, evaluator: Evaluator
) -> None:
    alarm_id = create(api, alarm_actions=["log://"])
    post(api, 90)
    read = stored(stores, alarm_id)
    verdicts: list[Any] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        verdicts.append(evaluator.evaluate(dataclasses.replace(read), NOW))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdict is None for verdict in verdicts) == [False, True, True, True]
    assert len(waiting(stores)) == 1
    assert len(api.get(f"/v2/alarms/{alarm_id}/history").json) == 2


def test_broken_alarms_do_not_stop_others(
    api: webtest.TestApp, stores: Stores, evaluator: Evaluator, clean: str, caplog: pytest.LogCaptureFixture
) -> None:
    post(api, 90, now=timestamps.utcnow())
    good = [create(api, name=f"good{number}", period=86400) for number in range(3)]
    rules: list[dict[str, Any]] = [
        {},
        {"period": "x"},
        {"threshold": None},
        {"statistic": "bogus"},
        {"comparison_operator": "~"},
        {"query": [{"x": 1}]},
        {"query": 5},
        {"meter_name": None, "period": None},
    ]
    for number, rule in enumerate(rules):
        alarm = stored(stores, create(api, name=f"broken{number}"))
        alarm.rule = alarm.rule | rule if rule else {}
        stores.alarm.update_alarm(alarm, None)
    constrained = stored(stores, create(api, name="constrained"))
    constrained.time_constraints = [{"start": "0 0 * * *", "duration": 1, "timezone": "Mars/Base"}]
    stores.alarm.update_alarm(constrained, None)
    combined = stored(stores, create(api, "combination", name="combined", alarm_ids=good[:2]))
    combined.rule = {"operator": "xor", "alarm_ids": 5}
    stores.alarm.update_alarm(combined, None)
    bad_query = stored(stores, create(api, name="bad", state="ok"))
    bad_query.rule["query"] = [{"field": "nonsense", "op": "eq", "value": "x"}]
    stores.alarm.update_alarm(bad_query, None)
    evaluation = Evaluation(configuration(clean), stores, evaluator)
    assert evaluation.step(threading.Event()) == len(good) + len(rules) + 3
    assert [stored(stores, alarm_id).state for alarm_id in good] == ["alarm"] * 3
    assert stored(stores, bad_query.alarm_id).state == UNKNOWN
    for record in [constrained, combined]:
        assert stored(stores, record.alarm_id).state == UNKNOWN
        assert f"Alarm {record.alarm_id} cannot be evaluated" in caplog.text
    # At once, nothing is due again.
    assert evaluation.step(threading.Event()) == 0


def test_what_is_not_evaluated(api: webtest.TestApp, stores: Stores, evaluator: Evaluator, clean: str) -> None:
    post(api, 90)
    create(api, enabled=False)
    event = create(api, "event", name="event", event_type="x")
    evaluation = Evaluation(configuration(clean), stores, evaluator)
    assert evaluation.step(threading.Event()) == 1
    assert stored(stores, event).state == UNKNOWN
    assert [alarm["state"] for alarm in api.get("/v2/alarms").json] == [UNKNOWN] * 2


def test_the_parts_have_each_alarm_once(stores: Stores) -> None:
    now = timestamps.utcnow()
    ids = [*(f"{digit}-x" for digit in "0123456789abcdef"), " ", "0", "f", "ffff", "g", "Z", "~", "Ünicode", "9f", "a0"]
    for alarm_id in ids:
        rule: dict[str, Any] = {"alarm_ids": []}
        stores.alarm.create_alarm(
            Alarm(
                alarm_id=alarm_id,
                type="combination",
                enabled=True,
                name=alarm_id,
                description="",
                timestamp=now,
                user_id=None,
                project_id=None,
                state="ok",
                state_timestamp=now,
                ok_actions=[],
                alarm_actions=[],
                insufficient_data_actions=[],
                repeat_actions=False,
                rule=rule,
                time_constraints=[],
                severity="low",
            ),
            None,
        )
    parts = [stores.evaluation.alarms_between(*partition.bounds(part)) for part in PARTS]
    assert sorted(alarm.alarm_id for part in parts for alarm in part) == sorted(ids)
    assert all(parts)


def begun(*partitions: Partition) -> list[str]:
    """Return the parts that these processes begin now."""
    return sorted(part for one in partitions for part in one.due(60) if one.begin(part, 60) is not None)


def test_processes_share_the_parts(stores: Stores) -> None:
    one, two, three = (Partition(stores.evaluation, 120.0) for _ in range(3))
    one.balance()
    assert begun(one) == sorted(PARTS)
    assert begun(one) == []
    two.balance()
    assert two.due(60) == []
    one.balance()
    two.balance()
    assert (len(one.due(0)), len(two.due(0))) == (8, 8)
    assert set(one.due(0)) | set(two.due(0)) == set(PARTS)
    # The other process began them a moment ago.
    assert begun(one, two) == []
    for _ in range(2):
        for process in (three, one, two):
            process.balance()
    assert sorted(len(process.due(0)) for process in (one, two, three)) == [5, 5, 6]
    one.leave()
    assert one.due(0) == []
    two.balance()
    three.balance()
    assert sorted(len(process.due(0)) for process in (two, three)) == [8, 8]
    two.renew()
    assert len(two.due(0)) == 8


def test_the_parts_of_a_dead_process_are_taken(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, alive = Partition(stores.evaluation, 600.0), Partition(stores.evaluation, 600.0)
    dead.balance()
    assert len(begun(dead)) == len(PARTS)
    alive.balance()
    assert alive.due(0) == []
    clock = timestamps.utcnow
    monkeypatch.setattr(timestamps, "utcnow", lambda: clock() + dt.timedelta(seconds=601))
    alive.balance()
    assert len(alive.due(0)) == len(PARTS)
    # One that comes back from the dead begins nothing.
    assert begun(dead) == []
    dead.renew()
    assert dead.due(0) == []
    monkeypatch.setattr(timestamps, "utcnow", lambda: clock() + dt.timedelta(seconds=9000))
    alive.balance()
    assert [lease.owner for lease in stores.evaluation.leases() if lease.name.startswith("process/")] == [alive.owner]


def test_a_lease_ends_without_its_renewal(stores: Stores) -> None:
    process = Partition(stores.evaluation, 0.05)
    process.balance()
    time.sleep(0.1)
    assert not process.owns(PARTS[0])
    assert begun(process) == []


def test_a_clock_that_was_set_back(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Partition(stores.evaluation, 1000.0)
    process.balance()
    assert len(begun(process)) == len(PARTS)
    clock = timestamps.utcnow
    monkeypatch.setattr(timestamps, "utcnow", lambda: clock() - dt.timedelta(seconds=500))
    process.balance()
    assert len(begun(process)) == len(PARTS)
    assert begun(process) == []


def test_what_a_crash_interrupts_in_mongodb(
    api: webtest.TestApp, stores: Stores, evaluator: Evaluator, clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first write has all. The next listing completes the others, even if the alarm was disabled since."""
    if not clean.startswith("mongodb"):
        pytest.skip("for MongoDB alone")
    from telemetry.storage.mongodb import evaluation as driver

    alarm_id = create(api, alarm_actions=["log://"])
    post(api, 90)

    def crash(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(driver, "_finish", crash)
        with pytest.raises(KeyboardInterrupt):
            evaluator.evaluate(stored(stores, alarm_id), NOW)
    assert waiting(stores) == []
    body = api.get(f"/v2/alarms/{alarm_id}").json
    assert body["state"] == "alarm"
    api.put_json(f"/v2/alarms/{alarm_id}", body | {"enabled": False})
    for _ in range(2):
        assert stores.evaluation.alarms_between("", None) == []
        assert len(waiting(stores)) == 1
    kinds = [entry["type"] for entry in api.get(f"/v2/alarms/{alarm_id}/history").json]
    assert sorted(kinds) == ["creation", "rule change", "state transition"]
    with pymongo.MongoClient(clean) as client:  # type: ignore[var-annotated]
        assert "unfinished" not in (client.get_default_database().alarm.find_one({"_id": alarm_id}) or {})


def test_an_evaluator_on_two_databases(make_api: Api, clean: str, tmp_path: Any) -> None:
    """Samples and alarms may be in different databases."""
    url = f"sqlite:///{tmp_path / 'alarms.sqlite'}"
    options = {"database__alarm_connection": url}
    both = Stores(configuration(clean, **options))
    both.driver("alarm").upgrade()
    api = make_api(**options)
    alarm_id = create(api)
    post(api, 90)
    assert evaluate(Evaluator(configuration(clean, **options), both, lambda entry: None), both, alarm_id) == "alarm"
    both.close()
