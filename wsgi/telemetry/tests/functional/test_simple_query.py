"""The simple query language."""

from urllib.parse import urlencode

import pytest
import webtest

from tests.functional.calls import fault, post, refused, sample


def q(*filters: tuple[str, ...]) -> str:
    """Return the query string of (field, op, value, type) filters."""
    names = ("q.field", "q.op", "q.value", "q.type")
    padded = [(*one, *("",) * (4 - len(one))) for one in filters]
    return urlencode([(name, one[place]) for place, name in enumerate(names) for one in padded])


@pytest.fixture
def filled(api: webtest.TestApp) -> webtest.TestApp:
    post(
        api,
        *[
            sample(
                resource_id=f"r{day}",
                timestamp=f"2026-01-0{day}T00:00:00",
                resource_metadata={"n": str(day), "a.b": "x"},
            )
            for day in (1, 2, 3)
        ],
    )
    return api


def resource_ids(api: webtest.TestApp, *filters: tuple[str, ...]) -> list[str]:
    return sorted(row["resource_id"] for row in api.get(f"/v2/samples?{q(*filters)}").json)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ([("resource_id", "eq", "r1")], ["r1"]),
        ([("resource", "", "r1")], ["r1"]),
        ([("timestamp", "gt", "2026-01-02")], ["r3"]),
        ([("timestamp", "ge", "2026-01-02")], ["r2", "r3"]),
        ([("timestamp", "lt", "2026-01-02T00:00:00")], ["r1"]),
        ([("timestamp", "le", "2026-01-02T00:00:00+05:00")], ["r1"]),
        ([("timestamp", "ge", "2026-01-02T05:30:00+05:30")], ["r2", "r3"]),
        ([("timestamp", "gt", "2026-01-01T19:00:00-05:00")], ["r3"]),
        ([("timestamp", "gt", "2026-01-01"), ("timestamp", "lt", "2026-01-03")], ["r2"]),
        ([("timestamp", "ge", "2026-01-02T00:10:00"), ("search_offset", "eq", "15")], ["r2", "r3"]),
        ([("metadata.n", "eq", "2", "string")], ["r2"]),
        ([("metadata.n", "eq", "2")], []),
        ([("metadata.n", "eq", "2", "integer")], []),
        ([("resource_metadata.a.b", "eq", "x"), ("metadata.n", "eq", "3", "string")], ["r3"]),
        ([("user_id", "eq", "None")], []),
        ([("meter", "eq", "cpu"), ("source", "eq", "p1:openstack"), ("user", "eq", "u1")], ["r1", "r2", "r3"]),
        ([("meter", "eq", "other")], []),
    ],
)
def test_filters(filled: webtest.TestApp, filters: list[tuple[str, ...]], ids: list[str]) -> None:
    assert resource_ids(filled, *filters) == ids


def test_message_id(filled: webtest.TestApp) -> None:
    one = filled.get("/v2/samples").json[1]
    assert resource_ids(filled, ("message_id", "eq", one["id"])) == [one["resource_id"]]


def test_no_owner(api: webtest.TestApp) -> None:
    post(api, sample(user_id=None, resource_id="free"), sample())
    assert resource_ids(api, ("user_id", "eq", "None")) == ["free"]


def test_typed_metadata(api: webtest.TestApp) -> None:
    line = (
        b'{"counter_name":"cpu","counter_type":"gauge","counter_unit":"u","counter_volume":1,"resource_id":"typed",'
        b'"resource_metadata":{"i":1,"f":1.5,"b":true,"n":null,"l":["x",2],"o":{"p":{"q":7}},"t":"1"}}'
    )
    api.post("/v2/samples", line, content_type="application/x-ndjson")
    for name, value, kind in (
        ("i", "1", "integer"),
        ("i", "1", ""),
        ("f", "1.5", "float"),
        ("b", "True", ""),
        ("b", "yes", "boolean"),
        ("n", "None", "string"),
        ("l[0]", "x", ""),
        ("l[1]", "2", "integer"),
        ("o.p.q", "7", ""),
        ("t", "1", "string"),
    ):
        assert resource_ids(api, (f"metadata.{name}", "eq", value, kind)) == ["typed"], (name, kind)
    for name, value, kind in (("i", "1", "string"), ("i", "1", "float"), ("t", "1", ""), ("b", "1", "integer")):
        assert resource_ids(api, (f"metadata.{name}", "eq", value, kind)) == [], (name, kind)
    (row,) = api.get("/v2/samples").json
    assert row["metadata"]["o.p:q"] == "7"
    assert row["metadata"]["l"] == "['x', 2]"


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        (
            [("resource_id", "xx", "1")],
            "Invalid input for field/attribute op. Value: 'xx'. unimplemented operator for resource_id",
        ),
        (
            [("resource_id", "gt", "1")],
            "Invalid input for field/attribute op. Value: 'gt'. unimplemented operator for resource_id",
        ),
        (
            [("timestamp", "eq", "2026-01-01")],
            "Invalid input for field/attribute op. Value: 'eq'. unimplemented operator for timestamp",
        ),
        (
            [("timestamp", "gt", "zz")],
            "Invalid input for field/attribute timestamp. Value: 'zz'. invalid timestamp format",
        ),
        (
            [("search_offset", "eq", "1")],
            "Invalid input for field/attribute field. Value: 'search_offset'. "
            "search_offset cannot be used without timestamp",
        ),
        ([("metadata.n", "eq", "x", "integer")], "Unable to convert the value x to the expected data type integer."),
        (
            [("metadata.n", "eq", "maybe", "boolean")],
            "Unable to convert the value maybe to the expected data type boolean.",
        ),
        (
            [("metadata.n", "eq", "x", "blob")],
            "The data type blob is not supported. The supported data type list is: "
            "['integer', 'float', 'string', 'boolean', 'datetime']",
        ),
        (
            [("bogus", "eq", "1")],
            "Unknown argument: \"bogus\": unrecognized field in query: [<Query 'bogus' eq '1' >], valid keys: "
            "['message_id', 'meter', 'project', 'resource', 'search_offset', 'source', 'timestamp', 'user']",
        ),
    ],
)
def test_texts(api: webtest.TestApp, filters: list[tuple[str, ...]], text: str) -> None:
    assert refused(api, f"/v2/samples?{q(*filters)}") == text


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("meters", "['project', 'resource', 'source', 'unique', 'user']"),
        ("resources", "['project', 'resource', 'search_offset', 'source', 'timestamp', 'user']"),
        ("alarms", "['alarm_id', 'enabled', 'meter', 'name', 'project', 'severity', 'state', 'type', 'user']"),
        (
            "meters/cpu/statistics",
            "['message_id', 'meter', 'project', 'resource', 'search_offset', 'source', 'timestamp', 'user']",
        ),
    ],
)
def test_valid_keys(api: webtest.TestApp, path: str, keys: str) -> None:
    text = refused(api, f"/v2/{path}?q.field=bogus&q.value=1")
    assert text == (
        f"Unknown argument: \"bogus\": unrecognized field in query: [<Query 'bogus' eq '1' Unset>], valid keys: {keys}"
    )


@pytest.mark.parametrize("path", ["meters", "alarms"])
def test_no_times_here(api: webtest.TestApp, path: str) -> None:
    text = refused(api, f"/v2/{path}?q.field=timestamp&q.op=gt&q.value=2026-01-01")
    assert text == 'Unknown argument: "timestamp": not valid for this resource'


def test_list_value(api: webtest.TestApp) -> None:
    answer = api.get(f"/v2/samples?{q(('metadata.n', 'eq', '[1]'))}", status=501)
    assert fault(answer) == "Query on metadata.n is of <class 'list'> type and is not supported"


@pytest.mark.parametrize(
    "query",
    [
        "q.field=resource_id",
        "q.value=1",
        "q.field=resource_id&q.value=1&q.value=2",
        "q.op=eq",
        "q.field=resource_id&q.field=user_id&q.value=1",
        "q=1",
        "q.field=limit&q.value=1",
        "q.field=timestamp&q.op=gt&q.value=2026-01-01&q.field=search_offset&q.op=eq&q.value=x",
        "q.field=timestamp&q.op=gt&q.value=2026-01-01&q.field=search_offset&q.op=eq&q.value=99999999999999",
        "q.field=timestamp&q.op=gt&q.value=10000-01-01",
    ],
)
def test_what_made_the_old_server_fail_or_forget(api: webtest.TestApp, query: str) -> None:
    refused(api, f"/v2/samples?{query}")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("q.field=metadata.n&q.value=2&q.type=string&q.field=user_id&q.value=u1", ["r2"]),
        ("q.field=user_id&q.value=u1&q.field=metadata.n&q.value=2&q.type=string", ["r2"]),
        ("q.field=user_id&q.value=u1&q.field=metadata.n&q.type=string&q.value=2", ["r2"]),
        ("q.field=user_id&q.value=u1&q.field=timestamp&q.op=gt&q.value=2026-01-02", ["r3"]),
        ("q.field=timestamp&q.op=gt&q.value=2026-01-02&q.field=user_id&q.value=u1&limit=9", ["r3"]),
        ("q.field=timestamp&q.field=user_id&q.op=gt&q.op=eq&q.value=2026-01-02&q.value=u1", ["r3"]),
        ("q.field=user&q.field=metadata.n&q.type=&q.type=string&q.value=u1&q.value=2", ["r2"]),
    ],
)
def test_fewer_operators_and_types_than_fields(filled: webtest.TestApp, query: str, ids: list[str]) -> None:
    for path in ("samples", "meters/cpu"):
        assert [row["resource_id"] for row in filled.get(f"/v2/{path}?{query}").json] == ids
    assert [row["resource_id"] for row in filled.get(f"/v2/resources?{query}").json] == ids


@pytest.mark.parametrize(
    "query",
    [
        "q.field=user_id&q.field=metadata.n&q.value=u1&q.value=2&q.type=string",
        "q.field=user_id&q.field=timestamp&q.op=gt&q.value=u1&q.value=2026-01-02",
        "q.type=string&q.field=metadata.n&q.value=2&q.field=user_id&q.value=u1",
        "q.value=u1&q.field=user_id&q.op=gt&q.value=2026-01-02&q.field=timestamp",
    ],
)
def test_an_operator_or_type_of_no_certain_field(filled: webtest.TestApp, query: str) -> None:
    for path in ("samples", "meters/cpu", "meters/cpu/statistics", "resources"):
        assert refused(filled, f"/v2/{path}?{query}").endswith("There must be as many as there are of q.field")


def test_bracket_form(filled: webtest.TestApp) -> None:
    rows = filled.get("/v2/samples?q[0].field=resource_id&q[0].value=r2").json
    assert [row["resource_id"] for row in rows] == ["r2"]


@pytest.mark.parametrize("value", ["9" * 30, "nan", "inf", "1e999", "-" * 50, "(" * 500])
def test_odd_metadata_values(filled: webtest.TestApp, value: str) -> None:
    for kind in ("", "float", "string"):
        query = q(("metadata.n", "eq", value, kind))
        answer = filled.get(f"/v2/samples?{query}", status="*")
        assert answer.status_int in (200, 400)
