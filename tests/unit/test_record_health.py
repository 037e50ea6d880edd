"""The key ``health`` of a record: its forms, what follows from them, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.record import Health, Record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view, serving_view
from ansible_collections.grove.wsgi.plugins.plugin_utils.trial_request import request_of
from record_settings import SETTINGS, SPEC


def record(**more: Any) -> dict[str, Any]:
    return {"name": "shop", "source": "shop==1", "entry": {"module": "shop:app"}, "listen": 8080, **more}


def completed(**more: Any) -> Record:
    settings = dataclasses.replace(SETTINGS, trusted_proxies=("10.0.0.1",))
    checked = check_records([record(**more)], SPEC, settings)
    assert [str(problem) for problem in checked.problems] == []
    return checked.records[0]


def keys(proxies: tuple[str, ...] = (), **more: Any) -> list[str]:
    """Return the keys of the problems, which all are of the record."""
    checked = check_records([record(**more)], SPEC, dataclasses.replace(SETTINGS, trusted_proxies=proxies))
    assert {problem.record for problem in checked.problems} <= {"shop"}
    assert all(problem.actual and problem.remedy for problem in checked.problems)
    return [problem.key for problem in checked.problems]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, Health("/", host="127.0.0.1:8080")),
        ({"health": "/up"}, Health("/up", host="127.0.0.1:8080")),
        ({"health": {}}, Health("/", host="127.0.0.1:8080")),
        ({"health": {"path": "/up", "status": 204}}, Health("/up", (204,), host="127.0.0.1:8080")),
        ({"health": {"status": ["200", 401, 401]}}, Health("/", (200, 401), host="127.0.0.1:8080")),
        (
            {"health": {"headers": {"Accept": "a/b", "X-Level": 5}}},
            Health("/", (200,), {"Accept": "a/b", "X-Level": "5"}),
        ),
        # The header Host, as a client sends it.
        ({"server_name": "shop.test"}, Health("/", host="shop.test:8080")),
        ({"server_name": "shop.test", "listen": 80}, Health("/", host="shop.test")),
        ({"server_name": "shop.test", "listen": 443}, Health("/", host="shop.test:443")),
        ({"server_name": "shop.test", "listen": 443, "tls": "private_ca"}, Health("/", host="shop.test")),
        ({"listen": "10.0.0.5:80"}, Health("/", host="10.0.0.5")),
        ({"listen": "[::1]:8080"}, Health("/", host="[::1]:8080")),
        ({"health": {"host": "other.test:81"}}, Health("/", host="other.test:81")),
        (
            {"server_name": "a.test", "server_aliases": ["*.b.test"], "health": {"host": "c.B.test"}},
            Health("/", host="c.B.test"),
        ),
        # The proxy's port is not known; a client who uses https sends none.
        (
            {"server_name": "shop.test", "health": {"headers": {"x-forwarded-proto": "https"}}},
            Health("/", headers={"x-forwarded-proto": "https"}, host="shop.test"),
        ),
    ],
)
def test_forms(written: dict[str, Any], expected: Health) -> None:
    health = completed(**written).health_check
    assert health == dataclasses.replace(expected, host=expected.host or "127.0.0.1:8080")


def test_the_path_is_below_that_of_the_application() -> None:
    shop = completed(path="/shop", health={"path": "/up"})
    assert shop.health_path == "/shop/up"
    assert serving_view(shop)["health_check"]["statuses"] == [200]


HEADERS = ("A b", "A:", "Host", "content-length", "X-Grove-Slot", "Proxy", "connection", "X-Forwarded-For", "X-Real-IP")
VALUES: tuple[object, ...] = (True, 1.5, None, " a", "ü", [])
STATUSES: tuple[object, ...] = (199, 500, 600, "20", "2xx", True, [], [200, "x"], None, 200.0, {"a": 1})
HOSTS: tuple[object, ...] = (5, "", "a b", "a:b", "a:0", "a:70000", "[::1", "-.test", "/")


@pytest.mark.parametrize(
    ("health", "key"),
    [
        (5, "health"),
        (True, "health"),
        (["/"], "health"),
        ({"paht": "/"}, "health.paht"),
        ({"path": "up"}, "health.path"),
        ({"path": 5}, "health.path"),
        ({"path": None}, "health.path"),
        *(({"status": status}, "health.status") for status in STATUSES),
        ({"headers": ["Accept"]}, "health.headers"),
        *(({"headers": {name: "a"}}, f"health.headers.{name}") for name in HEADERS),
        *(({"headers": {"Accept": value}}, "health.headers.Accept") for value in VALUES),
        *(({"host": host}, "health.host") for host in HOSTS),
    ],
)
def test_what_is_refused(health: object, key: str) -> None:
    assert set(keys(health=health)) == {key}


def test_headers_of_proxies() -> None:
    """Without a trusted proxy no application sees them, so the check would not be the request of a client."""
    said = {"headers": {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a"}}
    assert keys(health=said) == ["health.headers.X-Forwarded-Proto", "health.headers.X-Forwarded-Host"]
    assert keys(("10.0.0.1",), health=said) == []
    own = {"headers": {"X-Real-IP": "10.0.0.7"}}
    assert keys(("10.0.0.1",), health=own) == ["health.headers.X-Real-IP"]
    assert keys(("10.0.0.1",), health=own, proxy_headers=["x-real-ip"]) == []


@pytest.mark.parametrize("host", ["b.test", "127.0.0.1", "sub.a.test", "b.test:8080"])
def test_a_name_that_apache_refuses(host: str) -> None:
    assert keys(server_name="a.test", health={"host": host}) == ["health.host"]


def test_no_message_shows_the_value_of_a_header() -> None:
    problems = check_records([record(health={"headers": {"Authorization": " opensesame"}})], SPEC, SETTINGS).problems
    assert [problem.key for problem in problems] == ["health.headers.Authorization"]
    assert "opensesame" not in str(problems)


def test_variables_that_directives_set_reach_the_trial() -> None:
    lines = [
        "SetEnv A b",
        'setenv "C" "d \\"e\\" f"',
        "SetEnv G",
        "SetEnvIf Host x H=1",
        "Header set A b",
        "SetEnv I j k",
    ]
    environ = request_of(build_view(completed(directives=lines)))["environ"]
    own = {key: environ[key] for key in ("A", "C", "G", "H", "I") if key in environ}
    assert own == {"A": "b", "C": 'd "e" f', "G": ""}
