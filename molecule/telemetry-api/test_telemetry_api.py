"""The Telemetry v2 API behind Apache: each command of its client, several writers, an alarm, the timer, the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import browser
import pytest
from served import Host

PORT = 8777
CLIENT = Path(sys.executable).parent / "ceilometer"


@pytest.fixture(params=["web1", "web2"])
def server(request: pytest.FixtureRequest, hosts: dict[str, Host]) -> Host:
    return hosts[request.param]


def ceilometer(server: Host, *words: str) -> str:
    """Run the client and return what it prints; fail with its errors."""
    command = [str(CLIENT), "--os-endpoint", f"http://{server.address}:{PORT}", "--os-token", "x", *words]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "COLUMNS": "200"}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    output = completed.stdout + completed.stderr
    assert completed.returncode == 0, f"{' '.join(words)}: exit status {completed.returncode}\n{output}"
    return completed.stdout


def post(server: Host, path: str, content: object) -> None:
    body = json.dumps(content).encode()
    answer = server.ask(PORT, path, method="POST", body=body, headers={"Content-Type": "application/json"})
    assert answer.status == 201, answer


def get(server: Host, path: str) -> Any:
    answer = server.ask(PORT, path)
    assert answer.status == 200, answer
    return json.loads(answer.text)


def sample(meter: str, resource: str, volume: float, **more: object) -> dict[str, object]:
    return {
        "counter_name": meter,
        "counter_type": "gauge",
        "counter_unit": "percent",
        "counter_volume": volume,
        "resource_id": resource,
        **more,
    }


def test_every_command_of_the_client(server: Host) -> None:
    used: set[str] = set()

    def run(*words: str) -> str:
        used.add(words[0])
        return ceilometer(server, *words)

    def created(*words: str) -> str:
        """Make an alarm and return its id."""
        row = re.search(r"\| alarm_id +\| (\S+)", run(*words))
        assert row is not None, words
        return row.group(1)

    meter = f"cpu-{uuid.uuid4().hex[:8]}"
    one = ["-r", "r1", "-m", meter, "--meter-type", "gauge", "--meter-unit", "percent", "--sample-volume"]
    run("sample-create", *one, "40", "--project-id", "p1", "--resource-metadata", '{"flavor": "m1"}')
    run("sample-create", *one, "60", "--direct", "True")
    run("sample-create-list", json.dumps([sample(meter, "r2", 80.0), sample(meter, "r2", 20.0)]))
    assert run("meter-list", "-q", "resource_id=r1").count(meter) == 1
    listed = run("sample-list", "-m", meter)
    assert listed.count(meter) == 4
    first = get(server, f"/v2/samples?q.field=meter&q.value={meter}")[0]["id"]
    assert meter in run("sample-show", first)
    assert run("query-samples", "-f", json.dumps({"=": {"meter": meter}}), "-l", "3").count(meter) == 3
    figures = run("statistics", "-m", meter)
    assert re.search(r"80\.0.*20\.0.*50\.0.*200\.0.*\b4\b", figures), figures
    by_resource = run("statistics", "-m", meter, "-g", "resource_id", "-a", "stddev", "-a", "cardinality<-resource_id")
    assert "r1" in by_resource
    assert re.search(r"\b10\.0\b", by_resource), by_resource
    assert "r1" in run("resource-list")
    assert re.search(r"resource_id +\| r1 ", run("resource-show", "r1"))

    events = [
        {
            "message_id": uuid.uuid4().hex,
            "event_type": "compute.instance.create",
            "generated": "2026-11-01T10:00:00",
            "traits": [{"name": "instance_id", "type": "string", "value": "i1"}],
        }
    ]
    post(server, "/v2/events", events)
    identifier = str(events[0]["message_id"])
    assert identifier in run("event-list", "-q", "event_type=compute.instance.create")
    assert "compute.instance.create" in run("event-show", identifier)
    assert "compute.instance.create" in run("event-type-list")
    assert "instance_id" in run("trait-description-list", "-e", "compute.instance.create")
    assert "i1" in run("trait-list", "-e", "compute.instance.create", "-t", "instance_id")

    name = uuid.uuid4().hex
    # The evaluator, which looks at every alarm, has the samples in view all the time.
    own = ["--name", f"t-{name}", "-m", meter, "--threshold", "80", "--period", "86400"]
    threshold = created("alarm-threshold-create", *own)
    old = created("alarm-create", "--name", f"o-{name}", "-m", meter, "--threshold", "80")
    combined = created("alarm-combination-create", "--name", f"c-{name}", "--alarm_ids", threshold, "--alarm_ids", old)
    event = created("alarm-event-create", "--name", f"e-{name}", "--event-type", "compute.*")
    rule = ["--threshold", "1", "--aggregation-method", "mean"]
    kinds = {
        "resources-threshold": ["-m", "met", "--resource-type", "instance", "--resource-id", "r1"],
        "aggregation-by-metrics-threshold": ["-m", "met1", "-m", "met2"],
        "aggregation-by-resources-threshold": [
            "-m",
            "met",
            "--resource-type",
            "instance",
            "--query",
            '{"=": {"a": 1}}',
        ],
    }
    gnocchi = {
        kind: created(f"alarm-gnocchi-{kind}-create", "--name", f"{kind}-{name}", *words, *rule)
        for kind, words in kinds.items()
    }
    assert run("alarm-list").count(name) == 7
    assert f"t-{name}" in run("alarm-show", threshold)
    assert "90.0" in run("alarm-update", threshold, "--threshold", "90")
    assert "95.0" in run("alarm-threshold-update", threshold, "--threshold", "95")
    assert "and" in run("alarm-combination-update", combined, "--operator", "and")
    assert "network.*" in run("alarm-event-update", event, "--event-type", "network.*")
    for kind, alarm in gnocchi.items():
        assert "9.0" in run(f"alarm-gnocchi-{kind}-update", alarm, "--threshold", "9")
    run("alarm-state-set", "--state", "ok", threshold)
    assert "ok" in run("alarm-state-get", threshold)
    assert "state transition" in run("alarm-history", threshold)
    assert f"t-{name}" in run("query-alarms", "-f", json.dumps({"=": {"name": f"t-{name}"}}))
    assert "creation" in run("query-alarm-history", "-f", json.dumps({"=": {"alarm_id": threshold}}))
    for alarm in (combined, threshold, old, event, *gnocchi.values()):
        run("alarm-delete", alarm)
    assert name not in run("alarm-list")
    assert "statistics:aggregation:selectable:stddev" in run("capabilities")

    commands = set(re.findall(r"^    ([a-z][a-z-]+)(?:  |$)", ceilometer(server, "help"), re.MULTILINE))
    assert len(commands) >= 37
    assert commands - used == {"help", "bash-completion"}


def test_several_writers_lose_nothing(server: Host) -> None:
    """The requests meet in several processes, on one SQLite file."""
    meter = f"written-{uuid.uuid4().hex[:8]}"
    lists = [[sample(meter, f"r{writer}", float(number)) for number in range(25)] for writer in range(40)]
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda content: post(server, f"/v2/meters/{meter}", content), lists))
    statistics = get(server, f"/v2/meters/{meter}/statistics?aggregate.func=count")[0]
    assert statistics["count"] == 1000
    assert len(server.daemons("telemetry", server.live("telemetry")[0])) == 3


def test_what_has_passed_its_time_is_deleted_by_the_timer(server: Host) -> None:
    meter = f"old-{uuid.uuid4().hex[:8]}"
    old = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=3)
    content = [sample(meter, "old", 1.0, timestamp=old.isoformat()), sample(meter, "new", 1.0)]
    post(server, f"/v2/meters/{meter}", content)
    assert len(get(server, f"/v2/meters/{meter}")) == 2
    timers = server.run("systemctl", "list-timers", "--all", "grove-*")
    assert "grove-telemetry-expire.timer" in timers
    assert server.run("systemctl", "is-enabled", "grove-telemetry-expire.timer") == "enabled\n"
    server.run("systemctl", "start", "grove-telemetry-expire.service")
    assert [stored["resource_id"] for stored in get(server, f"/v2/meters/{meter}")] == ["new"]


RECEIVER = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as file:
            file.write(json.dumps(body) + chr(10))
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""


def test_an_alarm_fires_once_and_recovers(server: Host) -> None:
    """Through the agents evaluator and notifier, at a receiver on the host."""
    name = uuid.uuid4().hex[:8]
    received, unit, port = f"/run/received-{name}", f"receiver-{name}", 9461
    server.run("touch", received)
    server.run("systemd-run", f"--unit={unit}", "/usr/bin/python3", "-c", RECEIVER, str(port), received)
    rule = {"meter_name": name, "statistic": "min", "comparison_operator": "gt", "threshold": 80, "period": 600}
    hook = [f"http://{server.address}:{port}/{name}"]
    alarm = {"name": name, "type": "threshold", "threshold_rule": rule, "alarm_actions": hook, "ok_actions": hook}

    def states() -> list[str]:
        return [json.loads(line)["current"] for line in server.run("cat", received).splitlines()]

    def wait_for(expected: list[str]) -> None:
        deadline = time.monotonic() + 240
        while states() != expected:
            assert time.monotonic() < deadline, (
                expected,
                states(),
                server.run("journalctl", "-u", "grove-telemetry-*"),
            )
            time.sleep(0.5)

    try:
        agents = [f"grove-telemetry-{agent}.service" for agent in ("evaluator", "notifier")]
        assert server.run("systemctl", "is-active", *agents).split() == ["active"] * 2
        post(server, "/v2/alarms", alarm)
        post(server, f"/v2/meters/{name}", [sample(name, "r1", 90.0)])
        wait_for(["alarm"])
        # Two more evaluations.
        time.sleep(5)
        assert states() == ["alarm"]
        post(server, f"/v2/meters/{name}", [sample(name, "r1", 10.0)])
        wait_for(["alarm", "ok"])
        (stored,) = get(server, f"/v2/alarms?q.field=name&q.value={name}")
        assert stored["state"] == "ok"
        history = get(server, f"/v2/alarms/{stored['alarm_id']}/history")
        assert [entry["type"] for entry in history] == ["state transition", "state transition", "creation"]
    finally:
        server.run("systemctl", "stop", unit)


def test_commands_in_the_environment_of_the_live_release(server: Host) -> None:
    run = "/srv/wsgi/telemetry/run"
    release = server.live("telemetry")[1]
    output = server.run(run, "sh", "-c", "id -un; pwd; echo $GROVE_RELEASE $VIRTUAL_ENV; cat {etc}/telemetry.conf")
    lines = output.splitlines()
    assert lines[:2] == ["telemetry", f"/srv/wsgi/telemetry/releases/{release}"]
    assert lines[2] == f"{release} /srv/wsgi/telemetry/releases/{release}/venv"
    assert "auth_strategy = noauth" in output
    assert server.run(run, "telemetry-upgrade", "--config-file", "{etc}/telemetry.conf") is not None
    other = server.try_run("setpriv", "--reuid=www-data", "--clear-groups", run, "id")
    assert (other.returncode, other.stderr) == (1, "run: only root and telemetry may run commands of telemetry\n")
    none = server.try_run(run, "--timer", "rotate")
    assert none.stderr == "run: --timer takes one of the live release's timers: expire\n"


def test_the_database_is_the_applications_own(server: Host) -> None:
    owner_and_mode = server.run("stat", "-c", "%U %G %a", "/var/lib/telemetry/telemetry.sqlite").split()
    assert owner_and_mode[:2] == ["telemetry", "telemetry"]
    assert owner_and_mode[2][-1] == "0"
    history = server.run("cat", "/srv/wsgi/telemetry/history.jsonl").splitlines()
    assert [event["what"] for event in map(json.loads, history)].count("migrated") == 1


def test_the_version_document_and_the_description(server: Host) -> None:
    assert "v2" in server.ask(PORT, "/").text
    assert get(server, "/v2/openapi.json")["openapi"].startswith("3.1")
    assert server.ask(PORT, "/v1/meters").status == 404
    assert server.ask(PORT, "/healthcheck").status == 200


def test_the_page_in_a_browser(server: Host, tmp_path: Path) -> None:
    """Apache serves the page, the page asks the API, and the browser finds nothing to complain about."""
    meter, resource = f"<b>{uuid.uuid4().hex[:8]}<b>", uuid.uuid4().hex
    now = datetime.now(UTC).replace(tzinfo=None)
    times = [(now - timedelta(minutes=minutes)).isoformat() for minutes in range(1, 300, 10)]
    content = [sample(meter, resource, number, timestamp=time) for number, time in enumerate(times)]
    post(server, f"/v2/meters/{quote(meter, safe='')}", content)
    root = f"http://{server.address}:{PORT}/ui"
    with browser.running(tmp_path) as chromium:
        # Without the slash, Apache leads to the page.
        chromium.open(f"{root}#/meters")
        wait_for(chromium, "return document.querySelector('tbody a') !== null")
        assert chromium.ask("return location.pathname") == "/ui/"
        names = "return [...document.querySelectorAll('tbody a')].map(one => one.textContent)"
        assert chromium.ask(names).count(meter) == 1
        query = urlencode({"meter": meter, "groupby": "resource_id", "period": "3600", "range": "6hours"})
        chromium.open("about:blank")
        chromium.open(f"{root}/#/chart?{query}")
        wait_for(chromium, "return document.querySelector('.plot path.line') !== null")
        shown = chromium.ask("return document.querySelector('.summary').textContent")
        assert f"Samples{len(times)}" in shown
        assert chromium.ask("return document.querySelectorAll('main b').length") == 0
        assert chromium.messages() == []


def wait_for(chromium: browser.Browser, script: str) -> None:
    """Wait until a script returns true."""
    end = time.monotonic() + 240
    while not chromium.ask(script):
        assert time.monotonic() < end, chromium.ask("return document.body.innerText")
        time.sleep(0.2)


def test_how_apache_serves_the_page(server: Host) -> None:
    """The policy is strict, browsers ask again after each release, and nothing beside the page is served."""
    page = server.ask(PORT, "/ui/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert (page.headers["cache-control"], page.headers["x-frame-options"]) == ("no-cache", "DENY")
    script = server.ask(PORT, "/ui/app.js")
    assert (script.status, script.headers["content-type"]) == (200, "text/javascript")
    same = {"If-None-Match": script.headers["etag"]}
    assert server.ask(PORT, "/ui/app.js", headers=same).status == 304
    assert server.ask(PORT, "/ui/views/").status == 403
    for path in ("/ui/none.js", "/ui/%2e%2e/%2e%2e/etc/telemetry.conf", "/ui/..%2f..%2fetc/telemetry.conf"):
        answer = server.ask(PORT, path)
        assert (answer.status in (400, 404), "auth_strategy" in answer.text) == (True, False)
