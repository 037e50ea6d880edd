"""The script that Apache loads, in a process with a stand-in for the module mod_wsgi."""

from __future__ import annotations

import io
import json
import re
import resource
import site
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "wsgi" / "slot.wsgi"
PROCESS = """
import json, sys, threading, types
sys.modules["mod_wsgi"] = types.SimpleNamespace(process_group=sys.argv[2])
module = types.ModuleType("script")
module.__file__ = sys.argv[1]
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), module.__dict__)
loaded = "grove_app" in sys.modules
answers = []
def ask():
    answers.append(module.application({}, None))
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
name = type(module.application).__name__
print(json.dumps([loaded, answers, name, sys.modules["grove_app"].loads if answers else 0]))
"""
ENTRY = """
import builtins, time
builtins.loads = loads = getattr(builtins, "loads", 0) + 1
time.sleep(0.1)
def application(environ, start_response):
    return "one"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    release = tmp_path / "releases" / "one"
    release.mkdir(parents=True)
    (release / "app.wsgi").write_text(ENTRY)
    (tmp_path / "slots").mkdir()
    for colour in ("blue", "green"):
        (tmp_path / "slots" / colour).symlink_to("../releases/one")
    (tmp_path / "slot.wsgi").write_text(SCRIPT.read_text())
    (tmp_path / "slot.map").write_text("live my-shop-blue\n")
    return tmp_path


def start(folder: Path, group: str) -> Any:
    """Return whether the release was loaded at once, the answers of eight threads, and the final application."""
    command = [sys.executable, "-c", PROCESS, str(folder / "slot.wsgi"), group]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(completed.stdout)


@pytest.mark.parametrize(
    ("slot_map", "preload", "group", "at_once"),
    [
        ("live my-shop-blue\n", None, "my-shop-blue", True),
        ("live my-shop-blue\n", None, "my-shop-green", False),
        ("live my-shop-green\n", None, "my-shop-green", True),
        ("live my-shop-blue|my-shop-blue|my-shop-green\n", None, "my-shop-green", True),
        ("live my-shop-blue\n", "green\n", "my-shop-green", True),
        ("live my-shop-blue\n", "blue green\n", "my-shop-green", True),
        ("live my-shop-blue\n", "blue\n", "my-shop-green", False),
        (None, None, "my-shop-green", True),
        ("", None, "my-shop-green", True),
    ],
)
def test_which_processes_load_their_release_at_once(
    folder: Path, slot_map: str | None, preload: str | None, group: str, at_once: bool
) -> None:
    if slot_map is None:
        (folder / "slot.map").unlink()
    else:
        (folder / "slot.map").write_text(slot_map)
    if preload is not None:
        (folder / "preload").write_text(preload)
    loaded, answers, became, loads = start(folder, group)
    assert loaded is at_once
    assert answers == ["one"] * 8
    assert (became, loads) == ("function", 1)


def test_a_release_that_was_built_before_it_had_an_app_wsgi(folder: Path) -> None:
    release = folder / "releases" / "one"
    (release / "app.wsgi").rename(release / "entry.py")
    loaded, answers, became, loads = start(folder, "my-shop-blue")
    assert (loaded, answers, became, loads) == (True, ["one"] * 8, "function", 1)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the script defines before it loads a release."""
    text, beginning, _ = SCRIPT.read_text().partition("slot_map = ")
    assert beginning
    monkeypatch.setitem(sys.modules, "mod_wsgi", types.SimpleNamespace(process_group="shop-blue"))
    monkeypatch.setattr(site, "PREFIXES", [sys.prefix])
    for name in ("path", "prefix", "exec_prefix", "executable"):
        value = getattr(sys, name)
        monkeypatch.setattr(sys, name, list(value) if isinstance(value, list) else value)
    namespace: dict[str, Any] = {"__file__": "/srv/wsgi/shop/slot.wsgi"}
    exec(compile(text, str(SCRIPT), "exec"), namespace)
    return namespace


# What proxies, content networks, frameworks and middleware take for the truth about a client.
CLAIMS = """
Forwarded Forwarded-For X-Forwarded X-Forwarded-For X-ForwardedFor X-Forward-For X-Originally-Forwarded-For
X-Forwarded-Scheme X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Server X-Forwarded-Port X-Forwarded-Ssl
X-Forwarded-By X-Forwarded-Prefix X-Forwarded-User X-Forwarded-Client-Cert X-Real-IP X-Original-URL X-Original-Host
X-Originating-IP X-Rewrite-URL X-Script-Name Script-Name X-Client-IP Client-IP X-IP True-Client-IP
X-Cluster-Client-IP CF-Connecting-IP CF-Visitor Fastly-Client-IP Fastly-SSL CloudFront-Forwarded-Proto
X-Azure-ClientIP X-Envoy-Original-Path X-Envoy-External-Address X-ProxyUser-Ip WL-Proxy-Client-IP Proxy-Client-IP
Proxy X-Remote-Addr Remote-Addr X-Path-Info X-Base-Path X-Application-Root X-Request-Uri X-Server-Name
X-Ingress-Path X-Accel-Mapping X-Sendfile-Type Front-End-Https X-Url-Scheme X-Scheme X-Proto X-Host X-HTTPS HTTPS
X-HTTP-Host-Override X-Host-Override X-HTTP-Method-Override X-HTTP-Method X-Method-Override X-SSL-Client-Cert
SSL-Client-Verify X-Client-Cert Client-Cert Client-Cert-Chain X-Client-Verify X-Client-DN X-ARR-ClientCert X-ARR-SSL
X-TLS-Client X-User-Id X-User X-User-Name X-Username X-User-Domain-Id X-Roles X-Role X-Identity-Status
X-Service-Identity-Status X-Project-Id X-Project-Domain-Id X-Tenant X-Tenant-Id X-Domain-Id X-Service-Catalog
X-Service-Roles X-Service-User-Id X-Service-Project-Id X-Is-Admin-Project OpenStack-System-Scope X-Auth-User
X-Auth-Request-Email X-Auth-Project-Id Remote-User X-Remote-User Remote-Groups X-Authenticated-User
X-Authenticated-Userid X-WEBAUTH-USER X-authentik-username X-MS-Client-Principal X-Goog-Authenticated-User-Email
X-Groups X-Goog-Iap-Jwt-Assertion X-Amzn-Oidc-Identity X-Appengine-User-Email OIDC-Claim-Sub MELLON-NAME
Shib-Identity-Provider SM-User Iv-User X-Consumer-Username X-Credential-Identifier Impersonate-User X-Email
X-Subject-DN X-SAML-User Tailscale-User-Login
"""
# What clients send for good reasons: of browsers, of OpenStack's clients, of tracing, and of other APIs.
LEGITIMATE = """
Host User-Agent Accept Accept-Encoding Accept-Language Connection Cookie Referer Origin Authorization Range Expect
Pragma Via TE Cache-Control Date From Prefer If-Match If-None-Match If-Modified-Since Sec-Fetch-Mode Sec-CH-UA
Upgrade-Insecure-Requests DNT Access-Control-Request-Method Access-Control-Request-Headers X-Requested-With
X-CSRF-Token X-API-Key Idempotency-Key X-Auth-Token X-Auth-Key X-Service-Token X-Subject-Token
X-OpenStack-Request-ID X-OpenStack-Nova-API-Version OpenStack-API-Version X-OpenStack-Manila-API-Version
OpenStack-Auth-Receipt OpenStack-Identity-Access-Rules X-OpenStack-Image-Size X-Image-Meta-Name X-Account-Meta-A
X-Container-Meta-B X-Object-Meta-C X-Delete-After X-Instance-ID X-Instance-ID-Signature X-Metadata-Provider
X-Trace-Info X-Trace-HMAC X-Request-ID X-Correlation-ID X-B3-TraceId Traceparent Tracestate X-Amzn-Trace-Id
X-Cloud-Trace-Context X-Amz-Date X-Amz-Security-Token X-Ms-Version X-Ms-Date X-User-Agent X-Client-Version
X-Client-Name X-Application-Id X-App-Version X-Request-Start X-Hub-Signature X-GitHub-Event X-Gitlab-Token
X-Service-Name Proxy-Authorization Proxy-Connection Destination Depth Overwrite Last-Event-ID X-Session-Id
X-Timestamp
"""


def key(name: str) -> str:
    return "HTTP_" + re.sub("[^A-Z0-9]", "_", name.upper())


def seen(script: dict[str, Any], environ: dict[str, str]) -> set[str]:
    """Return the names that an application sees, in the first and in later requests."""
    application = script["without_claims"](lambda environ, start_response: set(environ))
    first, second = (application(dict(environ), None) for _ in range(2))
    assert first == second
    return set(first)


def test_claims_are_dropped_and_nothing_else(script: dict[str, Any]) -> None:
    names = {*map(key, LEGITIMATE.split()), "REMOTE_ADDR", "REMOTE_USER", "SCRIPT_NAME", "HTTPS", "wsgi.input"}
    assert seen(script, dict.fromkeys([*names, *map(key, CLAIMS.split())], "")) == names
    odd = {"HTTP_" + name.upper().replace("-", character) for name in CLAIMS.split() for character in "._~! "}
    assert seen(script, dict.fromkeys(odd, "")) == set()


def test_claims_that_apache_lets_through(script: dict[str, Any]) -> None:
    claims = dict.fromkeys(map(key, CLAIMS.split()), "")
    record = {"GROVE_CLIENT_HEADERS": "X-Roles,x-user-id", "GROVE_PROXY_HEADERS": "X-Real-IP"}
    assert seen(script, {**claims, **record}) - set(record) == {"HTTP_X_ROLES", "HTTP_X_USER_ID"}
    proxy = {**record, "GROVE_TRUSTED_PROXY": "X-Forwarded-For,X-Forwarded-Proto"}
    assert seen(script, {**claims, **proxy}) - set(proxy) == {
        *("HTTP_X_ROLES", "HTTP_X_USER_ID", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"),
    }


def test_a_claim_that_a_proxy_has_made_is_not_learned_for_clients(script: dict[str, Any]) -> None:
    application = script["without_claims"](lambda environ, start_response: set(environ))
    claim = {"HTTP_X_FORWARDED_HOST": ""}
    trusted = {"GROVE_TRUSTED_PROXY": "X-Forwarded-Host"}
    assert application({**claim, **trusted}, None) == {*claim, *trusted}
    assert application(dict(claim), None) == set()


def test_a_process_does_not_remember_every_name(script: dict[str, Any]) -> None:
    application = script["without_claims"](lambda environ, start_response: set(environ))
    remembered = [sets for cell in application.__closure__ if isinstance(sets := cell.cell_contents, tuple)]
    for number in range(3 * script["KNOWN_NAMES"]):
        environ = {f"HTTP_X_NUMBER_{number}": "", f"HTTP_X_ROLES_{number}": ""}
        assert application(environ, None) == {f"HTTP_X_NUMBER_{number}"}
    sizes = [len(names) for pair in remembered for names in pair]
    assert len(sizes) == 4
    assert 0 < max(sizes) <= script["KNOWN_NAMES"]


@pytest.mark.parametrize(
    ("begin", "end", "is_late"),
    [
        # mod_wsgi 6 gives seconds, 4.9 microseconds as text.
        (1.79e9, 1.79e9 + 31, True),
        (1.79e9, 1.79e9 + 29, False),
        ("1790000000000000", "1790000031000000", True),
        ("1790000000000000", "1790000029000000", False),
        # Without daemon processes, and with a clock that was set back, nothing has waited.
        (0.0, 0.0, False),
        (None, None, False),
        (1.79e9, 1.79e9 - 100, False),
    ],
)
def test_a_request_that_has_waited_too_long_gets_504(
    script: dict[str, Any], begin: Any, end: Any, is_late: bool
) -> None:
    application = script["without_claims"](lambda environ, start_response: sorted(environ))
    started, errors = [], io.StringIO()
    environ = {"mod_wsgi.queue_start": begin, "mod_wsgi.daemon_start": end, "wsgi.errors": errors}
    names = sorted(environ)
    answer = application(environ | {"GROVE_QUEUE_TIMEOUT": "30"}, lambda *words: started.append(words))
    if not is_late:
        assert (answer, started, errors.getvalue()) == (names, [], "")
        return
    [(status, headers)] = started
    assert status == "504 Gateway Timeout"
    assert dict(headers)["Content-Length"] == str(len(b"".join(answer)))
    assert errors.getvalue() == "Queue timeout expired for WSGI daemon process 'shop-blue'.\n"
    # A configuration that was written before has mod_wsgi's own option, and no limit here.
    assert application(dict(environ), None) == names


@pytest.mark.parametrize(
    ("attributes", "outer", "limit"),
    [
        ({}, -1, 4096),
        ({"maximum_processes": 2, "threads_per_process": 3}, -1, 4096),
        ({"maximum_processes": 100, "threads_per_process": 100}, -1, 40_000),
        ({}, 1000, 1000),
    ],
)
def test_a_process_limits_the_tasks_of_its_account(
    folder: Path, attributes: dict[str, int], outer: int, limit: int
) -> None:
    program = f"""
import resource, sys, types
if {outer} > 0:
    resource.setrlimit(resource.RLIMIT_NPROC, ({outer}, {outer}))
sys.modules["mod_wsgi"] = types.SimpleNamespace(process_group="my-shop-blue", **{attributes})
module = types.ModuleType("script")
module.__file__ = sys.argv[1]
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), module.__dict__)
print(*resource.getrlimit(resource.RLIMIT_NPROC))
"""
    command = [sys.executable, "-c", program, str(folder / "slot.wsgi")]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    assert completed.stdout.split() == [str(limit if most < 0 else min(limit, most))] * 2
