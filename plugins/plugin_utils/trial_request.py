"""The request of a release's trial: what Apache would hand to the application for a request for its health.

The test ``tests/system/test_world.py`` compares it with a real Apache's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .records import syntax

SET_ENV = re.compile(r"""\s*SetEnv\s+(?P<name>"[^"]*"|\S+)(?:\s+(?P<value>"(?:[^"\\]|\\.)*"|\S+))?\s*""", re.IGNORECASE)
# Where Apache serves files from when nothing else is configured.
DOCUMENT_ROOT = "/var/www/html"


def request_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request: ``environ``, the variables that are texts, and what is expected of the answer.

    ``record`` is the build view of a record. ``multithread`` is that of WSGI, ``statuses`` are the statuses that the
    answer may have, and ``locale`` is that of the daemon processes. The trial itself adds what only the running program
    knows.
    """
    check = record["health_check"]
    headers = {name.lower(): text for name, text in check["headers"].items()}
    scheme = "http" if record["tls"] == "off" else "https"
    host, script_name = check["host"], record["path"].rstrip("/")
    address = "127.0.0.1" if record["address"] == "*" else record["address"].strip("[]")
    name, port = _split(host)
    path_info = record["health_path"][len(script_name) :]
    secure = scheme == "https" or headers.get("x-forwarded-proto") == "https"
    environ = {
        **{f"HTTP_{header.upper().replace('-', '_')}": text for header, text in headers.items()},
        "HTTP_HOST": host,
        "HTTP_CONNECTION": "close",
        "HTTP_ACCEPT_ENCODING": headers.get("accept-encoding", "identity"),
        "HTTP_USER_AGENT": headers.get("user-agent", "grove"),
        "WSGI_SLOT": record["groups"]["blue"],
        "SCRIPT_URL": record["health_path"],
        "SCRIPT_URI": f"{scheme}://{host}{record['health_path']}",
        "SERVER_SOFTWARE": "Apache",
        "SERVER_NAME": name.lower(),
        "SERVER_ADDR": address,
        "SERVER_PORT": port or ("80" if scheme == "http" else "443"),
        "SERVER_ADMIN": "[no address given]",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": address,
        "DOCUMENT_ROOT": DOCUMENT_ROOT,
        "CONTEXT_DOCUMENT_ROOT": DOCUMENT_ROOT,
        "CONTEXT_PREFIX": "",
        "REQUEST_SCHEME": scheme,
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": record["health_path"],
        "QUERY_STRING": "",
        "SCRIPT_FILENAME": f"{record['folder']}/slot.wsgi",
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path_info,
        "mod_wsgi.script_name": script_name,
        "mod_wsgi.path_info": path_info,
        "mod_wsgi.process_group": record["groups"]["blue"],
        "mod_wsgi.application_group": "",
        "mod_wsgi.callable_object": "application",
        "mod_wsgi.request_handler": "wsgi-script",
        "mod_wsgi.handler_script": "",
        "mod_wsgi.listener_host": "" if record["address"] == "*" else address,
        "mod_wsgi.listener_port": str(record["port"]),
        "wsgi.url_scheme": "https" if secure else "http",
    }
    if scheme == "https" and not syntax.host_name(name) and syntax.address(name):
        environ["SSL_TLS_SNI"] = name
    for variable, names in (("CLIENT", record["client_headers"]), ("PROXY", record["proxy_headers"])):
        if names:
            environ[f"GROVE_{variable}_HEADERS"] = ",".join(names)
    return {
        "environ": {**environ, **_variables(record["directives"])},
        "multithread": record["threads"] > 1,
        "locale": record["daemon_options"]["locale"],
        "statuses": check["statuses"],
    }


def _split(host: str) -> tuple[str, str]:
    """Return name and port of a Host header; the port is empty where there is none."""
    match = re.fullmatch(r"(.*?)(?::([0-9]+))?", host)
    return (match[1], match[2] or "") if match else (host, "")


def _variables(directives: list[str]) -> dict[str, str]:
    """Return the variables that directives set for every request. Conditions are Apache's business."""
    variables = {}
    for line in directives:
        if match := SET_ENV.fullmatch(line):
            value = match["value"] or ""
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            variables[match["name"].strip('"')] = value
    return variables
