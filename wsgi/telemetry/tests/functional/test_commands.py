"""telemetry-api and telemetry-upgrade, each as a process."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from telemetry.storage.sqlalchemy import schema

from tests import servers


def ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command, *arguments = words
    return subprocess.run(
        [sys.executable, "-m", f"telemetry.cmd.{command}", "--config-file", str(folder / "telemetry.conf"), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (port,) = servers.free_ports(1)
    (tmp_path / "telemetry.conf").write_text(
        f"[DEFAULT]\nauth_strategy = noauth\nstate_path = {tmp_path}\n[api]\nport = {port}\n"
    )
    (tmp_path / "port").write_text(str(port))
    return tmp_path


def test_api_serves_the_pipeline(folder: Path) -> None:
    refused = run(folder, "api")
    assert refused.returncode == 1
    assert "Run: telemetry-upgrade" in refused.stderr
    assert run(folder, "upgrade").returncode == 0
    url = f"http://127.0.0.1:{(folder / 'port').read_text()}"
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "telemetry.cmd.api", "--config-file", str(folder / "telemetry.conf")],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 240
        while "Listening on" not in (folder / "log").read_text():
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert json.loads(ask(url)[1])["versions"]["values"][0]["links"][0]["href"] == f"{url}/v2"
        assert ask(f"{url}/v2/meters") == (200, b"[]")
        status, body = ask(f"{url}/v1/meters")
        assert (status, "use /v2" in json.loads(body)["error_message"]) == (404, True)
        assert ask(f"{url}/healthcheck")[0] == 200
        assert ask(f"{url}/v2/meters/cpu", b"x", **{"Content-Type": "text/plain"})[0] == 415
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(120) == 0


def test_schema_of_another_release(folder: Path) -> None:
    for _ in range(2):
        assert run(folder, "upgrade").stdout == f"SQLDriver: schema {schema.HEAD}\n"
    with contextlib.closing(sqlite3.connect(folder / "telemetry.sqlite")) as database:
        database.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
        database.commit()
    for command in ("api", "upgrade"):
        refused = run(folder, command)
        assert refused.returncode == 1
        assert f"newer than {schema.HEAD}" in refused.stderr
        assert f"telemetry-upgrade --revision {schema.HEAD}" in refused.stderr
    unknown = run(folder, "upgrade", "--revision", "8888")
    assert unknown.returncode == 1
