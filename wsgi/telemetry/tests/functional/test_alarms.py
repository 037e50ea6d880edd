"""Alarms, their state and history."""

import json
from typing import Any

import pytest
import webtest

from tests.functional.calls import ADMIN, MEMBER, fault, refused

OTHER = {"X-Roles": "member", "X-User-Id": "u2", "X-Project-Id": "p2"}


def alarm(name: str = "a", **members: Any) -> dict[str, Any]:
    return {"name": name, "type": "threshold", "threshold_rule": {"meter_name": "cpu", "threshold": 80}, **members}


def create(api: webtest.TestApp, body: dict[str, Any] | None = None, /, **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = api.post_json("/v2/alarms", body or alarm(), headers=headers, status=201).json
    return answer


def test_create(api: webtest.TestApp) -> None:
    created = create(api, **MEMBER)
    assert created["threshold_rule"] == {
        "meter_name": "cpu",
        "threshold": 80.0,
        "period": 60,
        "comparison_operator": "eq",
        "statistic": "avg",
        "evaluation_periods": 1,
        "exclude_outliers": False,
        "query": [{"field": "project_id", "op": "eq", "value": "p1"}],
    }
    varying = ("alarm_id", "timestamp", "state_timestamp", "threshold_rule")
    assert {name: created[name] for name in created if name not in varying} == {
        "name": "a",
        "description": "Alarm when cpu is eq a avg of 80.0 over 60 seconds",
        "enabled": True,
        "ok_actions": [],
        "alarm_actions": [],
        "insufficient_data_actions": [],
        "repeat_actions": False,
        "type": "threshold",
        "time_constraints": [],
        "project_id": "p1",
        "user_id": "u1",
        "state": "insufficient data",
        "severity": "low",
    }
    assert created["timestamp"] == created["state_timestamp"]
    assert api.get(f"/v2/alarms/{created['alarm_id']}").json == created
    assert api.get("/v2/alarms").json == [created]


def test_members_are_kept(api: webtest.TestApp) -> None:
    created = create(
        api,
        alarm(
            description="d",
            enabled=False,
            severity="critical",
            state="ok",
            repeat_actions=True,
            alarm_actions=["http://h/a", "http://h/a", "log://"],
            ok_actions=["https://h/o"],
            time_constraints=[{"name": "t", "start": "0 11 * * *", "duration": "300", "timezone": "Europe/Prague"}],
            threshold_rule={
                "meter_name": "m",
                "threshold": 1,
                "period": 10,
                "statistic": "max",
                "comparison_operator": "gt",
                "evaluation_periods": 3,
                "query": [{"field": "metadata.a", "op": "eq", "value": "1", "type": "string"}],
            },
        ),
    )
    assert created["alarm_actions"] == ["http://h/a", "log://"]
    assert created["time_constraints"] == [
        {
            "name": "t",
            "start": "0 11 * * *",
            "duration": 300,
            "timezone": "Europe/Prague",
            "description": "Time constraint at 0 11 * * * lasting for 300 seconds",
        }
    ]
    assert created["threshold_rule"]["query"][0]["field"] == "metadata.a"
    assert (created["enabled"], created["severity"], created["state"]) == (False, "critical", "ok")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"threshold_rule": None}, "threshold_rule must be set for threshold type alarm"),
        (
            {"combination_rule": {"alarm_ids": ["a", "b"]}},
            "threshold_rule and combination_rule cannot be set at the same time",
        ),
        ({"state": "bogus"}, "Invalid input for field/attribute state. Value: 'bogus'. Value should be one of: "),
        ({"type": "bogus"}, "Invalid input for field/attribute type. Value: 'bogus'. Value should be one of: "),
        (
            {"threshold_rule": {"meter_name": "m", "threshold": 1, "period": 0}},
            "Invalid input for field/attribute period. Value: '0'. Value should be greater or equal to 1",
        ),
        (
            {"time_constraints": [{"name": "t", "start": "bad", "duration": 1}]},
            "Invalid input for field/attribute start. Value: 'bad'. "
            "Exactly 5 or 6 columns has to be specified for iteratorexpression.",
        ),
        (
            {"time_constraints": [{"name": "t", "start": "99 99 * * *", "duration": 1}]},
            "Invalid input for field/attribute start. Value: '99 99 * * *'. ",
        ),
        (
            {"time_constraints": [{"name": "t", "start": "0 0 * * *", "duration": 1}] * 2},
            "Time constraint names must be unique for a given alarm.",
        ),
        (
            {"time_constraints": [{"name": "t", "start": "0 0 * * *", "duration": 1, "timezone": "Moon/Base"}]},
            "Timezone Moon/Base is not valid",
        ),
        ({"alarm_actions": ["ftp://x"]}, "Unsupported action ftp://x"),
        ({"alarm_actions": ["http://[x"]}, "Unable to parse action http://[x"),
        ({"name": "x" * 256}, "Invalid input for field/attribute name. "),
        (
            {
                "threshold_rule": {
                    "meter_name": "m",
                    "threshold": 1,
                    "query": [{"field": "timestamp", "op": "gt", "value": "2026-01-01"}],
                }
            },
            'Unknown argument: "timestamp": not valid for this resource',
        ),
        ({"bogus": 1}, "Unknown attribute for argument data: bogus"),
    ],
)
def test_refused(api: webtest.TestApp, members: dict[str, Any], text: str) -> None:
    assert fault(api.post_json("/v2/alarms", alarm(**members), status=400)).startswith(text)


def test_mandatory_members(api: webtest.TestApp) -> None:
    text = fault(api.post_json("/v2/alarms", {"type": "threshold"}, status=400))
    assert text == "Invalid input for field/attribute name. Value: 'None'. Mandatory field missing."


def test_combination(api: webtest.TestApp) -> None:
    one, two = create(api, alarm("1"))["alarm_id"], create(api, alarm("2"))["alarm_id"]

    def combine(*ids: str, status: int = 201) -> Any:
        body = {"name": "c", "type": "combination", "combination_rule": {"alarm_ids": list(ids)}}
        return api.post_json("/v2/alarms", body, status=status)

    created = combine(one, two).json
    assert created["combination_rule"] == {"operator": "and", "alarm_ids": [one, two]}
    assert created["description"] == f"Combined state of alarms {one} and {two}"
    for ids in ([one], [one, one], []):
        assert fault(combine(*ids, status=400)) == (
            "Alarm combination rule should contain at least two different alarm ids."
        )
    assert fault(combine(one, "nobody", status=404)) == "Alarm nobody not found"
    created["combination_rule"]["alarm_ids"] = [one, created["alarm_id"]]
    text = fault(api.put_json(f"/v2/alarms/{created['alarm_id']}", created, status=400))
    assert text == f"Cannot specify alarm {created['alarm_id']} itself in combination rule"


def test_query_of_a_rule_comes_back_as_it_was_sent(api: webtest.TestApp) -> None:
    parts = [
        {"field": "metadata.a", "op": "eq", "value": "1"},
        {"field": "metadata.b", "op": "eq", "value": "1", "type": "integer"},
        {"field": "metadata.c", "op": "eq", "value": "1", "type": ""},
    ]
    for kind, rule in (("threshold", {"meter_name": "m", "threshold": 1}), ("event", {"event_type": "x"})):
        created = create(api, {"name": kind, "type": kind, f"{kind}_rule": {**rule, "query": parts}})
        url = f"/v2/alarms/{created['alarm_id']}"
        assert created[f"{kind}_rule"]["query"] == parts
        assert api.get(url).json == created
        assert api.put_json(url, created).json[f"{kind}_rule"]["query"] == parts
        filter_ = json.dumps({"=": {"alarm_id": created["alarm_id"]}})
        (found,) = api.post_json("/v2/query/alarms", {"filter": filter_}).json
        assert found[f"{kind}_rule"]["query"] == parts


def test_on_behalf_of_another_project(api: webtest.TestApp) -> None:
    """An alarm uses only what its owner sees, whoever made it."""
    one, two = (create(api, alarm(name), **MEMBER)["alarm_id"] for name in "ab")
    rule = {"name": "c", "type": "combination", "combination_rule": {"alarm_ids": [one, two]}}

    def refused_for(body: dict[str, Any], status: int, **headers: str) -> str:
        return fault(api.post_json("/v2/alarms", body, headers=headers, status=status))

    for caller in (ADMIN, {}):
        assert refused_for({**rule, "project_id": "p2"}, 404, **caller) == f"Alarm {one} not found in project p2"
        body = alarm("t", project_id="p2")
        body["threshold_rule"]["query"] = [{"field": "project", "op": "eq", "value": "p1"}]
        assert refused_for(body, 401, **caller) == "Not Authorized to access project p1"
        body["threshold_rule"]["query"] = []
        created = create(api, {**body, "name": f"t{len(caller)}"}, **caller)
        assert created["threshold_rule"]["query"] == [{"field": "project_id", "op": "eq", "value": "p2"}]
    url = f"/v2/alarms/{create(api, {**rule, 'project_id': 'p1'}, **ADMIN)['alarm_id']}"
    own = {**rule, "project_id": "admin-project", "name": "of the admin"}
    assert create(api, own, **ADMIN)["combination_rule"]["alarm_ids"] == [one, two]
    text = fault(api.put_json(url, {**rule, "project_id": "p2"}, headers=ADMIN, status=404))
    assert text == f"Alarm {one} not found in project p2"
    body = alarm("t")
    body["threshold_rule"]["query"] = [{"field": "project_id", "op": "eq", "value": "p2"}]
    assert refused_for(body, 401, **MEMBER) == "Not Authorized to access project p2"
    kind = "gnocchi_aggregation_by_resources_threshold"
    own_rule: dict[str, Any] = {
        "metric": "m",
        "query": "{}",
        "resource_type": "t",
        "threshold": 1,
        "aggregation_method": "mean",
    }
    body = {"name": kind, "type": kind, f"{kind}_rule": own_rule, "project_id": "p2"}
    created = create(api, body, **ADMIN)
    query = json.loads(created[f"{kind}_rule"]["query"])
    assert query == {"and": [{"=": {"created_by_project_id": "p2"}}, {}]}
    changed = api.put_json(f"/v2/alarms/{created['alarm_id']}", created, headers=ADMIN).json
    assert json.loads(changed[f"{kind}_rule"]["query"]) == query
    body[f"{kind}_rule"] = {**own_rule, "query": "{"}
    assert "Invalid input for field/attribute query." in refused_for(body, 400, **ADMIN)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("event", {"event_type": "compute.*"}),
        (
            "gnocchi_resources_threshold",
            {"metric": "m", "resource_id": "r", "resource_type": "t", "threshold": 1, "aggregation_method": "mean"},
        ),
        ("gnocchi_aggregation_by_metrics_threshold", {"metrics": ["m"], "threshold": 1, "aggregation_method": "mean"}),
        (
            "gnocchi_aggregation_by_resources_threshold",
            {"metric": "m", "query": "{}", "resource_type": "t", "threshold": 1, "aggregation_method": "mean"},
        ),
    ],
)
def test_other_rules(api: webtest.TestApp, kind: str, rule: dict[str, Any]) -> None:
    created = create(api, {"name": kind, "type": kind, f"{kind}_rule": rule})
    assert created[f"{kind}_rule"].items() >= rule.items()
    if kind != "event":
        assert created[f"{kind}_rule"]["granularity"] == 60
    assert api.put_json(f"/v2/alarms/{created['alarm_id']}", created).json[f"{kind}_rule"] == created[f"{kind}_rule"]


def test_change(api: webtest.TestApp) -> None:
    created = create(api, **MEMBER)
    url = f"/v2/alarms/{created['alarm_id']}"
    body = {**created, "name": "b", "state": "ok"}
    del body["user_id"], body["project_id"]
    changed = api.put_json(url, body, headers=MEMBER).json
    assert (changed["name"], changed["state"], changed["user_id"]) == ("b", "ok", "u1")
    assert changed["state_timestamp"] > created["state_timestamp"]
    again = api.put_json(url, changed, headers=MEMBER).json
    assert again["state_timestamp"] == changed["state_timestamp"]
    without = {**changed}
    del without["state"]
    assert api.put_json(url, without, headers=MEMBER).json["state"] == "insufficient data"
    assert fault(api.put_json("/v2/alarms/nobody", created, status=404)) == "Alarm nobody not found"


def test_names_are_unique_in_a_project(api: webtest.TestApp) -> None:
    create(api, **MEMBER)
    create(api, **OTHER)
    text = fault(api.post_json("/v2/alarms", alarm(), headers=MEMBER, status=409))
    assert text == "Alarm with name='a' exists"
    second = create(api, alarm("b"), **MEMBER)
    text = fault(api.put_json(f"/v2/alarms/{second['alarm_id']}", {**second, "name": "a"}, headers=MEMBER, status=409))
    assert text == "Alarm with name=a exists"


def test_delete(api: webtest.TestApp) -> None:
    url = f"/v2/alarms/{create(api)['alarm_id']}"
    assert api.delete(url, status=204).body == b""
    api.get(url, status=404)
    api.delete(url, status=404)


def test_state(api: webtest.TestApp) -> None:
    url = f"/v2/alarms/{create(api)['alarm_id']}/state"
    assert api.get(url).json == "insufficient data"
    assert api.put_json(url, "alarm").json == "alarm"
    assert api.get(url).json == "alarm"
    assert fault(api.put_json(url, "bad", status=400)) == "state invalid"
    api.put_json("/v2/alarms/nobody/state", "ok", status=404)


def test_history(api: webtest.TestApp) -> None:
    created = create(api, **MEMBER)
    url = f"/v2/alarms/{created['alarm_id']}"
    api.put_json(url, {**created, "severity": "critical"}, headers=MEMBER)
    api.put_json(url, {**created, "severity": "critical"}, headers=MEMBER)
    api.put_json(f"{url}/state", "ok", headers=ADMIN)
    api.delete(url, headers=MEMBER)
    changes = api.get(f"{url}/history", headers=MEMBER).json
    assert [one["type"] for one in changes] == ["deletion", "state transition", "rule change", "creation"]
    assert json.loads(changes[1]["detail"]) == {"state": "ok"}
    assert (changes[1]["user_id"], changes[1]["on_behalf_of"]) == ("admin-user", "p1")
    assert json.loads(changes[2]["detail"]) == {"severity": "critical"}
    assert json.loads(changes[3]["detail"])["rule"]["meter_name"] == "cpu"
    assert api.get(f"{url}/history", headers=OTHER).json == []
    assert api.get("/v2/alarms/nobody/history").json == []
    (one,) = api.get(f"{url}/history?q.field=type&q.value=creation").json
    assert one["type"] == "creation"
    assert len(api.get(f"{url}/history?q.field=timestamp&q.op=gt&q.value=2026-01-01").json) == 4
    for field in ("alarm_id", "on_behalf_of"):
        assert refused(api, f"{url}/history?q.field={field}&q.value=x").startswith("Unknown argument")


def test_no_history(make_api: Any) -> None:
    api = make_api(alarm__record_history=False)
    assert api.get(f"/v2/alarms/{create(api)['alarm_id']}/history").json == []


def test_listing_filters(api: webtest.TestApp) -> None:
    create(api, alarm("a", enabled=False))
    create(api, alarm("b", severity="critical", state="ok"), **MEMBER)
    for query, names in (
        ("name&q.value=a", ["a"]),
        ("enabled&q.value=no", ["a"]),
        ("state&q.value=ok", ["b"]),
        ("meter&q.value=cpu", ["b", "a"]),
        ("meter&q.value=x", []),
        ("type&q.value=threshold", ["b", "a"]),
        ("severity&q.value=critical", ["b"]),
        ("project_id&q.value=p1", ["b"]),
        ("user_id&q.value=None", ["a"]),
    ):
        assert [one["name"] for one in api.get(f"/v2/alarms?q.field={query}").json] == names, query
    refused(api, "/v2/alarms?q.field=enabled&q.value=maybe")


def test_limited_callers(api: webtest.TestApp) -> None:
    other = create(api, **OTHER)
    url = f"/v2/alarms/{other['alarm_id']}"
    text = f"Alarm {other['alarm_id']} not found in project p1"
    assert fault(api.get(url, headers=MEMBER, status=404)) == text
    assert fault(api.put_json(url, other, headers=MEMBER, status=404)) == text
    assert fault(api.delete(url, headers=MEMBER, status=404)) == text
    assert api.get("/v2/alarms", headers=MEMBER).json == []
    assert fault(api.post_json("/v2/alarms", alarm(project_id="p2"), headers=MEMBER, status=401)) == (
        "Not Authorized to access project p2"
    )
    assert fault(api.post_json("/v2/alarms", alarm(user_id="u2"), headers=MEMBER, status=401)) == (
        "Not Authorized to access user u2"
    )
    body = alarm(alarm_actions=["log://"])
    assert fault(api.post_json("/v2/alarms", body, headers=MEMBER, status=401)) == (
        "You are not authorized to create action: log://"
    )


def test_quotas_and_maximum(make_api: Any) -> None:
    api = make_api(alarm__project_alarm_quota=1, alarm__alarm_max_actions=1)
    create(api, **MEMBER)
    text = fault(api.post_json("/v2/alarms", alarm("b"), headers=MEMBER, status=403))
    assert text == "Alarm quota exceeded for user u1 on project p1"
    body = alarm("c", ok_actions=["http://a", "http://b"])
    text = fault(api.post_json("/v2/alarms", body, status=400))
    assert text == "ok_actions count exceeds maximum value 1"


def test_complex_queries(api: webtest.TestApp) -> None:
    created = create(api, alarm("a", state="ok"), **MEMBER)
    create(api, alarm("b", enabled=False), **OTHER)

    def names(expression: Any, **headers: str) -> list[str]:
        answer = api.post_json("/v2/query/alarms", {"filter": json.dumps(expression)}, headers=headers)
        return [one["name"] for one in answer.json]

    assert names({"=": {"state": "ok"}}) == ["a"]
    assert names({"=": {"enabled": False}}) == ["b"]
    assert names({"=~": {"name": "^[ab]$"}}) == ["b", "a"]
    assert names({"=~": {"name": "^[ab]$"}}, **MEMBER) == ["a"]
    assert names({">": {"state_timestamp": "2026-01-01"}}) == ["b", "a"]
    api.post_json("/v2/query/alarms", {"filter": '{"=": {"enabled": "x"}}'}, status=400)
    url = "/v2/query/alarms/history"
    body = {"filter": json.dumps({"=": {"alarm_id": created["alarm_id"]}}), "orderby": '[{"timestamp": "asc"}]'}
    assert [one["type"] for one in api.post_json(url, body).json] == ["creation"]
    assert [one["on_behalf_of"] for one in api.post_json(url, {}, headers=OTHER).json] == ["p2"]
    body = {"filter": '{"=": {"on_behalf_of": "p1"}}'}
    assert fault(api.post_json(url, body, headers=OTHER, status=401)) == "Not Authorized to access project p1"
