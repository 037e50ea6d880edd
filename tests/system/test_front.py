"""What reaches an application, and what does not: a real Apache and mod_wsgi, with the roles' own configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from front_server import Front, running
from system.test_templates import ONE, TWO, app, mod_wsgi

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl")
__all__ = ["mod_wsgi"]

PLAIN, ALLOWING, PROXIED, PROXIED_ALLOWING = 18311, 18312, 18321, 18322


@pytest.fixture(scope="module")
def front(mod_wsgi: dict[str, Path]) -> Iterator[Front]:
    """Two applications. 127.0.0.1 is no trusted proxy."""
    apps = [
        app(ONE, listen=PLAIN, processes=1, threads=2),
        app(TWO, listen=ALLOWING, processes=1, threads=2, client_headers=["X-HTTP-Method-Override"]),
    ]
    with running(mod_wsgi, apps, httpd_trusted_proxies=["192.0.2.1"]) as server:
        yield server


@pytest.fixture(scope="module")
def behind_proxy(mod_wsgi: dict[str, Path]) -> Iterator[Front]:
    """Two applications. 127.0.0.1 is a trusted proxy."""
    apps = [
        app(ONE, listen=PROXIED, processes=1, threads=2),
        app(TWO, listen=PROXIED_ALLOWING, processes=1, threads=2, proxy_headers=["X-Real-IP", "X-Forwarded-Port"]),
    ]
    variables = {"httpd_trusted_proxies": ["127.0.0.1"], "wsgi_app_door": "127.0.0.1:18281"}
    with running(mod_wsgi, apps, **variables) as server:
        yield server


CLAIMS = (
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Scheme"),
    *("X-Forwarded-Server", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL"),
    *("X-Script-Name", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Front-End-Https"),
    *("X-Url-Scheme", "X-HTTP-Method-Override", "X-User-Id", "X-Roles", "X-Identity-Status", "X-Auth-User", "Proxy"),
)


def claimed(environ: dict[str, str]) -> set[str]:
    return {name for name, value in environ.items() if name.startswith("HTTP_") and value == "claim"}


@pytest.mark.parametrize("change", [str, str.upper, str.lower, lambda name: name.replace("-", "_")])
def test_a_client_claims_nothing(front: Front, change: type[str]) -> None:
    lines = [f"{change(name)}: claim" for name in CLAIMS]
    for _ in range(3):
        environ = front.ask(PLAIN, "/", *lines, "X-Auth-Token: kept").environ
        assert claimed(environ) == set()
        assert (environ["HTTP_X_AUTH_TOKEN"], environ["wsgi.url_scheme"]) == ("kept", "http")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("character", ["_", ".", "!", "~", "'", "+"])
def test_no_spelling_of_a_claim_passes(front: Front, character: str) -> None:
    lines = [f"{name.replace('-', character)}: claim" for name in CLAIMS if "-" in name]
    assert claimed(front.ask(PLAIN, "/", *lines).environ) == set()


def test_a_record_lets_a_header_of_every_client_through(front: Front) -> None:
    lines = [f"{name}: claim" for name in CLAIMS]
    assert claimed(front.ask(ALLOWING, "/", *lines).environ) == {"HTTP_X_HTTP_METHOD_OVERRIDE"}


def test_a_client_cannot_say_that_it_is_trusted(front: Front) -> None:
    lines = ["GROVE_TRUSTED_PROXY: X-Real-IP", "GROVE-TRUSTED-PROXY: X-Real-IP", "X-Real-IP: claim"]
    environ = front.ask(PLAIN, "/", *lines, "GROVE_CLIENT_HEADERS: X-Real-IP").environ
    assert claimed(environ) == set()
    assert "GROVE_TRUSTED_PROXY" not in environ


def test_a_trusted_proxy_says_what_it_may(behind_proxy: Front) -> None:
    lines = [f"{name}: claim" for name in CLAIMS]
    environ = behind_proxy.ask(PROXIED, "/", *lines).environ
    assert claimed(environ) - {"HTTP_X_FORWARDED_FOR"} == {
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PREFIX",
    }
    assert claimed(behind_proxy.ask(PROXIED_ALLOWING, "/", *lines).environ) - claimed(environ) == {
        "HTTP_X_REAL_IP",
        "HTTP_X_FORWARDED_PORT",
    }
    environ = behind_proxy.ask(PROXIED, "/", "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.7").environ
    assert (environ["wsgi.url_scheme"], environ["REMOTE_ADDR"]) == ("https", "192.0.2.7")
