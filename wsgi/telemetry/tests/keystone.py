"""A server that answers keystonemiddleware as keystone does, for tests of tokens."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

KINDS = ("public", "internal", "admin")


def token(number: str, **scope: object) -> dict[str, object]:
    """Return a token as keystone describes it. One that is unscoped has no project, no roles and no catalog."""
    return {
        "methods": ["password"],
        "user": {
            "id": f"user-{number}",
            "name": f"user-{number}",
            "domain": {"id": "default", "name": "Default"},
            "password_expires_at": None,
        },
        "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": "2999-01-01T00:00:00.000000Z",
        **scope,
    }


def roles(*names: str) -> list[dict[str, str]]:
    return [{"id": f"role-{name}", "name": name} for name in names]


PROJECT = {"project": {"id": "p1", "name": "p1", "domain": {"id": "default", "name": "Default"}}, "is_domain": False}
TOKENS = {
    "unscoped": token("1"),
    "domain": token("1", domain={"id": "default", "name": "Default"}, roles=roles("member")),
    "system-reader": token("1", system={"all": True}, roles=roles("reader")),
    "system-admin": token("1", system={"all": True}, roles=roles("admin")),
    "project": token("1", **PROJECT, roles=roles("member")),
}


@contextlib.contextmanager
def keystone() -> Iterator[str]:
    """Answer the requests of keystonemiddleware as keystone does: log-in of the service, and checks of TOKENS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.rstrip("/") == "/v3":
                self._answer(200, {"version": {"id": "v3.14", "status": "stable", "links": [link]}})
                return
            name = self.headers.get("X-Subject-Token", "")
            if name in TOKENS:
                self._answer(200, {"token": TOKENS[name]})
            else:
                self._answer(404, {"error": {"code": 404, "title": "Not Found", "message": "no such token"}})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            endpoints = [{"id": "e", "interface": kind, "region": "R", "region_id": "R", "url": url} for kind in KINDS]
            catalog = [{"id": "s", "type": "identity", "name": "keystone", "endpoints": endpoints}]
            service = token("service", **PROJECT, roles=roles("service"), catalog=catalog)
            self._answer(201, {"token": service})

        def _answer(self, status: int, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.send_header("X-Subject-Token", "of-the-service")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/v3"
        link = {"rel": "self", "href": url}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()
