"""The OpenAPI description is valid and complete, and no request that follows it is answered 500."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from wsgiref import simple_server

import pytest
import webtest
from telemetry.api import openapi
from telemetry.api.app import VersionSelector, make_v2
from telemetry.api.controllers.root import ROUTES
from telemetry.cmd.api import Server
from telemetry.storage.stores import Stores

from tests import servers
from tests.conftest import configuration

EXAMPLES = 15
PATHS = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(clean: str) -> Iterator[str]:
    """The URL of the application, served on the loopback address."""
    conf = configuration(clean)
    application = VersionSelector(make_v2(conf, Stores(conf)))
    (port,) = servers.free_ports(1)
    with simple_server.make_server("127.0.0.1", port, application, Server, Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        server.shutdown()


def test_description(api: webtest.TestApp) -> None:
    description = api.get("/v2/openapi.json").json
    assert description["openapi"] == "3.1.0"
    assert description["servers"] == [{"url": "http://localhost"}]
    calls = {(path, method) for path, methods in description["paths"].items() for method in methods}
    assert len(calls) == 30
    assert ("/v2/alarms/{alarm_id}/state", "put") in calls
    statistics = description["paths"]["/v2/meters/{meter_name}/statistics"]["get"]
    assert [one["name"] for one in statistics["parameters"]] == [
        "meter_name",
        "q.field",
        "q.op",
        "q.value",
        "q.type",
        "groupby",
        "period",
        "aggregate.func",
        "aggregate.param",
    ]
    sample = description["components"]["schemas"]["OldSample"]
    assert sample["required"] == ["counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id"]
    assert openapi.describe("http://localhost", {route.path: route.controller for route in ROUTES}) == description


def test_valid(api: webtest.TestApp) -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(api.get("/v2/openapi.json").json)


def test_schemathesis_finds_no_500(served: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"{served}/v2/openapi.json",
            "--checks",
            "not_a_server_error",
            "--max-examples",
            str(EXAMPLES),
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "1",
            "--exclude-path",
            "/v2/openapi.json",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks", "PYTHONPATH": PATHS},
    )
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
