"""Policy and scope."""

import http.server
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.calls import ADMIN, MEMBER, fault, post, refused, sample

CALLS = [
    ("get_meters", "GET", "/v2/meters"),
    ("get_samples", "GET", "/v2/samples"),
    ("get_samples", "GET", "/v2/meters/m"),
    ("get_sample", "GET", "/v2/samples/x"),
    ("create_samples", "POST", "/v2/meters/m"),
    ("compute_statistics", "GET", "/v2/meters/m/statistics"),
    ("get_resource", "GET", "/v2/resources/x"),
    ("get_resources", "GET", "/v2/resources"),
    ("query_sample", "POST", "/v2/query/samples"),
    ("get_alarms", "GET", "/v2/alarms"),
    ("get_alarm", "GET", "/v2/alarms/x"),
    ("delete_alarm", "DELETE", "/v2/alarms/x"),
    ("get_alarm_state", "GET", "/v2/alarms/x/state"),
    ("change_alarm_state", "PUT", "/v2/alarms/x/state"),
    ("alarm_history", "GET", "/v2/alarms/x/history"),
    ("query_alarm", "POST", "/v2/query/alarms"),
    ("query_alarm_history", "POST", "/v2/query/alarms/history"),
    ("events:index", "GET", "/v2/events"),
    ("events:show", "GET", "/v2/events/x"),
]
BODIES = {"/v2/meters/m": [sample(counter_name="m")], "/v2/alarms/x/state": "ok"}


@pytest.mark.parametrize(("rule", "method", "path"), CALLS)
def test_each_rule(make_api: Any, policy_file: Callable[[str], str], rule: str, method: str, path: str) -> None:
    api = make_api(oslo_policy__policy_file=policy_file(f'"telemetry:{rule}": "role:chosen"'))

    def call(**headers: str) -> int:
        body: dict[str, Any] = {} if method == "GET" or method == "DELETE" else {"params": BODIES.get(path, {})}
        verb = {"GET": api.get, "DELETE": api.delete, "POST": api.post_json, "PUT": api.put_json}[method]
        status: int = verb(path, headers=headers, expect_errors=True, **body).status_int
        return status

    assert call(**MEMBER) == 403
    assert call(**{**MEMBER, "X-Roles": "other,chosen"}) in (200, 201, 404)


def test_text(make_api: Any, policy_file: Callable[[str], str]) -> None:
    api = make_api(oslo_policy__policy_file=policy_file('"telemetry:get_meters": "!"'))
    answer = api.get("/v2/meters", status=403, headers={"Accept": "application/json"})
    assert answer.json["error_message"] == (
        "403 Forbidden\n\nAccess was denied to this resource.\n\n RBAC Authorization Failed  "
    )


def test_default_decides_for_rules_left_out(make_api: Any, policy_file: Callable[[str], str]) -> None:
    api = make_api(oslo_policy__policy_file=policy_file('"default": "!"\n"telemetry:get_meters": ""'))
    assert api.get("/v2/meters", headers=ADMIN)
    api.get("/v2/samples", headers=ADMIN, status=403)


def test_a_changed_file_is_read(make_api: Any, policy_file: Callable[[str], str]) -> None:
    path = policy_file('"telemetry:get_meters": "!"')
    api = make_api(oslo_policy__policy_file=path)
    api.get("/v2/meters", status=403)
    changed = os.stat(path).st_mtime + 1
    policy_file('"telemetry:get_samples": "!"')
    os.utime(path, (changed, changed))
    deadline = time.monotonic() + 120
    while api.get("/v2/meters", expect_errors=True).status_int == 403:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    api.get("/v2/samples", status=403)


def test_rule_that_asks_a_server(make_api: Any, policy_file: Callable[[str], str]) -> None:
    class Judge(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"True" if b"chosen" in body else b"False")

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        rule = f"http://127.0.0.1:{server.server_address[1]}/judge"
        api = make_api(oslo_policy__policy_file=policy_file(f'"telemetry:get_meters": "{rule}"'))
        api.get("/v2/meters", headers=MEMBER, status=403)
        assert api.get("/v2/meters", headers={**MEMBER, "X-Roles": "chosen"}).json == []
        server.shutdown()


def test_segregation(make_api: Any, policy_file: Callable[[str], str]) -> None:
    api = make_api(oslo_policy__policy_file=policy_file('"segregation": "role:auditor"'))
    post(api, sample(), sample(project_id="p2"))
    assert len(api.get("/v2/samples", headers={**MEMBER, "X-Roles": "auditor"}).json) == 2
    assert len(api.get("/v2/samples", headers=MEMBER).json) == 1
    assert len(api.get("/v2/samples").json) == 2


@pytest.mark.parametrize(
    "path", ["/v2/meters", "/v2/samples", "/v2/meters/cpu", "/v2/resources", "/v2/alarms", "/v2/meters/cpu/statistics"]
)
@pytest.mark.parametrize("field", ["project", "project_id"])
def test_other_project(api: Any, path: str, field: str) -> None:
    text = refused(api, f"{path}?q.field={field}&q.value=p2", 401, **MEMBER)
    assert text == "Not Authorized to access project p2"
    assert api.get(f"{path}?q.field={field}&q.value=p1", headers=MEMBER)


def test_limited_statistics_and_samples_of_a_meter(api: Any) -> None:
    post(api, sample(counter_volume=1), sample(counter_volume=5, project_id="p2"))
    assert api.get("/v2/meters/cpu/statistics", headers=MEMBER).json[0]["sum"] == 1
    assert [row["counter_volume"] for row in api.get("/v2/meters/cpu", headers=MEMBER).json] == [1]


def test_fault_lists_the_added_filter(api: Any) -> None:
    text = fault(api.get("/v2/meters?q.field=bogus&q.value=1", headers=MEMBER, status=400))
    assert "[<Query 'bogus' eq '1' Unset>, <Query 'project_id' eq 'p1' Unset>]" in text


LISTS = [
    "/v2/meters",
    "/v2/samples",
    "/v2/meters/cpu",
    "/v2/meters/cpu/statistics",
    "/v2/resources",
    "/v2/alarms",
    "/v2/event_types",
    "/v2/resources/r1",
]


@pytest.mark.parametrize("roles", ["", "member", "reader"])
@pytest.mark.parametrize("strategy", ["noauth", "keystone"])
def test_user_without_a_project(make_api: Any, strategy: str, roles: str) -> None:
    """A token that is unscoped, or scoped to a domain or the system, names a user and no project."""
    post(make_api(), sample())
    api = make_api(auth_strategy=strategy)
    caller = {"X-User-Id": "u1", "X-Roles": roles}
    for path in LISTS:
        assert "the token belongs to no project" in api.get(path, headers=caller, status=403).json["error_message"]
        assert api.get(path, headers={**caller, "X-Roles": "admin"}).status_int == 200
    for path in ("/v2/query/samples", "/v2/query/alarms", "/v2/query/alarms/history"):
        api.post_json(path, {}, headers=caller, status=403)
    api.post_json("/v2/meters/cpu", [sample()], headers=caller, status=403)
    assert api.get("/v2/capabilities", headers=caller)
