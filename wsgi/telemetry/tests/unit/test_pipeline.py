"""The package's paste file, loaded as Grove loads it: by the name of its application, in a separate process."""

import json
import subprocess
import sys
from pathlib import Path

from telemetry.cmd.api import SHIPPED

from tests.keystone import TOKENS, keystone

ASK = """
import json, sys, resource
from paste.deploy import loadapp
import webob
application = loadapp("config:" + sys.argv[1], "main")
answers = []
for path, headers, body in json.loads(sys.argv[2]):
    method = headers.pop(":method", "GET")
    request = webob.Request.blank(path, headers=headers, method=method)
    if body:
        request.method, request.body = "POST", body.encode()
    if "Transfer-Encoding" in headers:
        # As mod_wsgi hands over a body whose length it does not know.
        request.content_length = None
        request.environ["wsgi.input_terminated"] = True
    answer = request.get_response(application)
    answers.append([answer.status_int, dict(answer.headers), answer.text])
status = open("/proc/self/status").read()
rss = next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))
print(json.dumps({"answers": answers, "rss": rss, "modules": [m for m in ("alembic", "eventlet", "jsonschema",
    "keystonemiddleware", "oslo_messaging", "psycopg2", "pygments", "pymysql", "requests") if m in sys.modules]}))
"""
Answer = tuple[int, dict[str, str], str]


def run(folder: Path, options: str, *requests: tuple[str, dict[str, str], str]) -> tuple[dict[str, object], str]:
    (folder / "api_paste.ini").write_text(SHIPPED.read_text())
    (folder / "telemetry.conf").write_text(f"[DEFAULT]\nstate_path = {folder}\n{options}")
    subprocess.run(
        [sys.executable, "-m", "telemetry.cmd.upgrade", "--config-file", str(folder / "telemetry.conf")],
        check=True,
        capture_output=True,
    )
    ended = subprocess.run(
        [sys.executable, "-c", ASK, str(folder / "api_paste.ini"), json.dumps(requests)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    log, _, last = ended.stdout.rstrip().rpartition("\n")
    report: dict[str, object] = json.loads(last)
    return report, log + ended.stderr


def answers(report: dict[str, object]) -> list[Answer]:
    listed = report["answers"]
    assert isinstance(listed, list)
    return [(one[0], one[1], one[2]) for one in listed]


def test_noauth(tmp_path: Path) -> None:
    report, log = run(
        tmp_path,
        "auth_strategy = noauth\n[oslo_middleware]\nmax_request_body_size = 1000\n",
        ("/v2/meters", {}, ""),
        ("/healthcheck", {}, ""),
        ("/v1/x", {}, ""),
        ("/v2/meters/cpu", {"Content-Type": "application/json"}, "[" + " " * 2000 + "]"),
        ("/v2/samples", {"Origin": "http://elsewhere"}, ""),
    )
    listing, health, v1, large, cross = answers(report)
    assert listing[0] == 200
    assert listing[1]["x-openstack-request-id"].startswith("req-")
    assert health[0] == 200
    assert v1[0] == 404
    assert "use /v2" in v1[2]
    assert large[0] == 413
    assert cross[0] == 200
    assert "noauth" in log
    assert report["modules"] == []
    assert isinstance(report["rss"], int)
    assert report["rss"] < 100


def test_body_without_a_length(tmp_path: Path) -> None:
    line = json.dumps(
        {
            "counter_name": "cpu",
            "counter_type": "gauge",
            "counter_unit": "u",
            "counter_volume": 1,
            "resource_id": "r",
        }
    )
    chunked = {"Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}
    report, _ = run(
        tmp_path,
        "auth_strategy = noauth\n[oslo_middleware]\nmax_request_body_size = 1000\n",
        ("/v2/samples", chunked, line),
        ("/v2/samples", chunked, f"{line}\n" * 100),
        ("/v2/meters/cpu", {**chunked, "Content-Type": "application/json"}, "[" + " " * 2000 + "]"),
    )
    assert [answer[0] for answer in answers(report)] == [201, 413, 413]


def test_cross_origin_and_proxy(tmp_path: Path) -> None:
    preflight = {"Origin": "http://dashboard", "Access-Control-Request-Method": "GET"}
    report, _ = run(
        tmp_path,
        "auth_strategy = noauth\n[cors]\nallowed_origin = http://dashboard\n"
        "[oslo_middleware]\nenable_proxy_headers_parsing = true\n",
        ("/v2/meters", {"Origin": "http://dashboard"}, ""),
        ("/v2/meters", {"Origin": "http://elsewhere"}, ""),
        ("/v2/meters", {**preflight, ":method": "OPTIONS"}, ""),
        ("/", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "telemetry.example"}, ""),
    )
    allowed, other, preflight_answer, version = answers(report)
    assert allowed[1]["Access-Control-Allow-Origin"] == "http://dashboard"
    assert "Access-Control-Allow-Origin" not in other[1]
    assert preflight_answer[0] == 200
    assert preflight_answer[1]["Access-Control-Allow-Methods"] == "GET"
    assert "https://telemetry.example/v2" in version[2]


def test_keystone(tmp_path: Path) -> None:
    report, _ = run(
        tmp_path,
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:9/\nusername = u\npassword = p\n"
        "project_name = p\nuser_domain_id = default\nproject_domain_id = default\n",
        ("/v2/meters", {"X-Roles": "admin"}, ""),
        ("/healthcheck", {}, ""),
    )
    refused, health = answers(report)
    assert refused[0] == 401
    assert health[0] == 200


def test_tokens_without_a_project(tmp_path: Path) -> None:
    paths = ("/v2/samples", "/v2/meters/cpu/statistics", "/v2/alarms", "/v2/event_types")
    with keystone() as url:
        report, log = run(
            tmp_path,
            f"[keystone_authtoken]\nauth_type = password\nauth_url = {url}\nwww_authenticate_uri = {url}\n"
            "username = u\npassword = p\nproject_name = p\nuser_domain_id = default\nproject_domain_id = default\n",
            *((path, {"X-Auth-Token": name}, "") for name in (*TOKENS, "forged") for path in paths),
            # The middleware drops what a client says about itself.
            ("/v2/samples", {"X-Auth-Token": "unscoped", "X-Roles": "admin", "X-Project-Id": "p1"}, ""),
        )
    assert report["modules"]
    statuses = [answer[0] for answer in answers(report)]
    by_token = {name: statuses[place * 4 : place * 4 + 4] for place, name in enumerate([*TOKENS, "forged"])}
    assert by_token == {
        "unscoped": [403] * 4,
        "domain": [403] * 4,
        "system-reader": [403] * 4,
        "system-admin": [200] * 4,
        # A member of a project sees its samples, and no event types.
        "project": [200, 200, 200, 401],
        "forged": [401] * 4,
    }, log
    assert statuses[-1] == 403
