#!/usr/bin/env python3
"""Show that keystone, in one process with several threads, answers a request with the token of another request.

Usage: keystone_threads.py [THREADS [SECONDS [fixed]]], with a Python that has keystone: pip install keystone

The program makes a keystone with SQLite in a temporary folder, and calls its WSGI application from threads. Half of the
threads have a token of the administrator, the others one of an application credential, which keystone does not let list
OAuth tokens (403). With "fixed", the program first replaces the two methods that keep a token on the middleware.
"""

from __future__ import annotations

import grp
import importlib
import io
import json
import os
import pwd
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

CONFIGURATION = """
[DEFAULT]
default_log_levels = keystone=CRITICAL
[database]
connection = sqlite:///{folder}/keystone.sqlite
[fernet_tokens]
key_repository = {folder}/keys
[fernet_receipts]
key_repository = {folder}/keys
[credential]
key_repository = {folder}/credential-keys
[cache]
enabled = false
"""


def prepare(folder: str, *, fixed: bool) -> Any:
    """Make the database, the keys and the administrator in ``folder``, and return keystone's application."""
    path = f"{folder}/keystone.conf"
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(CONFIGURATION.format(folder=folder))
    manage = [sys.executable, "-c", "from keystone.cmd.manage import main; main()", "--config-file", path]
    owner = ["--keystone-user", pwd.getpwuid(os.getuid()).pw_name]
    owner += ["--keystone-group", grp.getgrgid(os.getgid()).gr_name]
    bootstrap = ["bootstrap", "--bootstrap-password", "admin"]
    for command in (["db_sync"], ["fernet_setup", *owner], ["credential_setup", *owner], bootstrap):
        subprocess.run([*manage, *command], check=True, capture_output=True)
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = path
    sys.argv[1:] = []
    if fixed:
        fix()
    return importlib.import_module("keystone.wsgi.api").application


def fix() -> None:
    """Let the token of a request travel with the request."""
    module = importlib.import_module("keystone.server.flask.request_processing.middleware.auth_context")
    middleware: Any = module.AuthContextMiddleware
    fill_context = middleware.fill_context

    class Rendered(dict[str, Any]):
        """What the answer about a token holds, with the token's model."""

        model: Any = None

    def fetch_token(self: Any, token: str, **_: Any) -> Rendered:
        versions = {"access_rules_support": module.ACCESS_RULES_MIN_VERSION}
        try:
            model = self.token_provider_api.validate_token(token, **versions)
        except module.exception.TokenNotFound:
            raise module.auth_token.InvalidToken("Could not find token") from None
        rendered = Rendered(module.render_token.render_token_response_from_model(model))
        rendered.model = model
        return rendered

    def fill_context_of(self: Any, request: Any) -> None:
        # keystone's own method, with an instance for this request alone: its self.token is nobody else's.
        own = middleware.__new__(middleware)
        own.__dict__.update(self.__dict__, token=getattr(request.token_info, "model", None))
        fill_context(own, request)

    middleware.fetch_token = fetch_token
    middleware.fill_context = fill_context_of


def ask(application: Any, method: str, path: str, token: str = "", body: Any = None) -> tuple[int, dict[str, str], Any]:
    """Send a request. Return the status, the headers and the answer."""
    data = b"" if body is None else json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "5000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:5000",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if token:
        environ["HTTP_X_AUTH_TOKEN"] = token
    started: list[tuple[str, dict[str, str]]] = []

    def start(status: str, headers: Iterable[tuple[str, str]], error: Any = None) -> None:
        started.append((status, dict(headers)))

    content = b"".join(application(environ, start))
    [(status, headers)] = started
    return int(status.split()[0]), headers, json.loads(content or b"null")


def log_in(application: Any, identity: dict[str, Any], **scope: Any) -> tuple[str, str]:
    """Return a token and the id of its user."""
    body = {"auth": {"identity": identity, **scope}}
    status, headers, answer = ask(application, "POST", "/v3/auth/tokens", body=body)
    assert status == 201, answer
    return headers["X-Subject-Token"], answer["token"]["user"]["id"]


def main(number: int = 8, seconds: float = 10, fixed: str = "") -> None:
    """Ask for ``seconds`` from ``number`` threads, and print how many answers were right and wrong."""
    with tempfile.TemporaryDirectory() as folder:
        application = prepare(folder, fixed=bool(fixed))
        user = {"name": "admin", "domain": {"id": "default"}, "password": "admin"}
        project = {"name": "admin", "domain": {"id": "default"}}
        password = {"methods": ["password"], "password": {"user": user}}
        administrator, user_id = log_in(application, password, scope={"project": project})
        body = {"application_credential": {"name": "robot"}}
        path = f"/v3/users/{user_id}/application_credentials"
        status, _, answer = ask(application, "POST", path, administrator, body)
        assert status == 201, answer
        secret = {name: answer["application_credential"][name] for name in ("id", "secret")}
        identity = {"methods": ["application_credential"], "application_credential": secret}
        restricted, _ = log_in(application, identity)
        path = f"/v3/users/{user_id}/OS-OAUTH1/access_tokens"
        until = time.monotonic() + seconds
        answers: Counter[tuple[int, int]] = Counter()
        lock = threading.Lock()

        def repeat(token: str, expected: int) -> None:
            while time.monotonic() < until:
                status, _, _ = ask(application, "GET", path, token)
                with lock:
                    answers[expected, status] += 1

        askers = [(restricted, 403), (administrator, 200)]
        threads = [threading.Thread(target=repeat, args=askers[index % 2]) for index in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for (expected, status), count in sorted(answers.items()):
        print(f"{count} answers {status}{'' if status == expected else f', which had to be {expected}'}")


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((int, float, str), sys.argv[1:], strict=False)))
