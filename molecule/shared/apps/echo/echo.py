"""A WSGI application without packaging metadata. It answers with the request's environment and its configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

CONFIG = Path(os.environ["ECHO_CONFIG"]).read_text()
REQUEST_KEYS = (
    "wsgi.url_scheme",
    "SCRIPT_NAME",
    "PATH_INFO",
    "REMOTE_ADDR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 500 at /fail and 200 elsewhere."""
    status = "500 Internal Server Error" if environ["PATH_INFO"] == "/fail" else "200 OK"
    start_response(status, [("Content-Type", "application/json")])
    answer = {"config": CONFIG.strip(), "environ": {key: environ[key] for key in REQUEST_KEYS if key in environ}}
    return [json.dumps(answer).encode()]
