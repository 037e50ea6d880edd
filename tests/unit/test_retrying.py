"""Requests of programs that ask again (wsgi/grove_runtime/retrying.py), and of ready.py, which starts such programs."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

READY = Path(__file__).resolve().parents[2] / "wsgi" / "grove_runtime" / "ready.py"
PROGRAM = """
import sys
from keystoneauth1 import adapter, exceptions, session, token_endpoint

def start():
    pass

def main():
    options = {"status_code_retries": int(sys.argv[2])} if sys.argv[2:] else {}
    login = session.Session(auth=token_endpoint.Token(sys.argv[1], "token"))
    client = adapter.Adapter(login, service_type="network", **options)
    try:
        print(client.post("/ports", json={"port": {}}).status_code)
    except exceptions.ServiceUnavailable as error:
        print(error.http_status)
"""


class Service(ThreadingHTTPServer):
    """A service that answers its first requests with 503. ``seen`` has the bodies of all requests."""

    def __init__(self, refused: int) -> None:
        self.refused = refused
        self.seen: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers for a Service."""

    server: Service

    def do_POST(self) -> None:
        self.server.seen.append(self.rfile.read(int(self.headers["Content-Length"])))
        refused = len(self.server.seen) <= self.server.refused
        self.send_response(503 if refused else 201)
        if refused:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with Service(request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(folder: Path, service: Service, *options: str, words: tuple[str, ...] = ()) -> str:
    """Return the last answer that a program gets which posts to the service."""
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(READY), *options, "program:start", "program:main"]
    url = f"http://127.0.0.1:{service.server_port}"
    environment = {"PYTHONPATH": str(folder)}
    done = subprocess.run([*command, url, *words], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("service", [3], indirect=True)
def test_a_program_asks_again_until_the_service_is_back(tmp_path: Path, service: Service) -> None:
    assert ask(tmp_path, service, "--attempts", "5") == "201"
    assert service.seen == [b'{"port": {}}'] * 4


@pytest.mark.parametrize("service", [3], indirect=True)
def test_a_program_gives_up_after_the_last_attempt(tmp_path: Path, service: Service) -> None:
    assert ask(tmp_path, service, "--attempts", "2") == "503"
    assert len(service.seen) == 3


@pytest.mark.parametrize("service", [3], indirect=True)
def test_a_program_asks_once_by_itself(tmp_path: Path, service: Service) -> None:
    assert ask(tmp_path, service) == "503"
    assert len(service.seen) == 1


@pytest.mark.parametrize("service", [3], indirect=True)
def test_the_number_of_a_caller_counts(tmp_path: Path, service: Service) -> None:
    assert ask(tmp_path, service, "--attempts", "5", words=("1",)) == "503"
    assert len(service.seen) == 2


@pytest.mark.parametrize("service", [0], indirect=True)
@pytest.mark.parametrize("options", [["--attempts"], ["--attempts", "many"], ["--attempts", "-1"]])
def test_a_number_of_attempts_that_is_none(tmp_path: Path, service: Service, options: list[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ask(tmp_path, service, *options)
    assert "Usage: ready.py" in caught.value.stderr
    assert service.seen == []
