"""The filter and the resource that an overlay adds to nova's pipelines."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from nova_extras import groups, request_count
from paste.deploy.loadwsgi import loadapp

GROUPS = groups.factory({}, operators="admin manager", auditors="reader")


def ask(application: Any, path: str = "/", method: str = "GET", **headers: str) -> tuple[str, dict[str, str], bytes]:
    environ: dict[str, Any] = {
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        **headers,
    }
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        started.extend((status, dict(headers)))
        return lambda data: None

    body = validator(application)(environ, start_response)
    content = b"".join(body)
    body.close()  # type: ignore[attr-defined]
    return started[0], started[1], content


def member(roles: str) -> dict[str, str]:
    return {"HTTP_X_IDENTITY_STATUS": "Confirmed", "HTTP_X_ROLES": roles, "HTTP_X_PROJECT_ID": "p1"}


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def counted(application: Any, address: str) -> str:
    return ask(application, REMOTE_ADDR=address)[1]["X-Request-Count"]


def test_requests_are_counted_for_each_address() -> None:
    application = request_count.factory({})(hello)
    assert [counted(application, address) for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1")] == [
        *("1", "2", "1", "3")
    ]
    assert ask(application)[2] == b"hello"


def test_the_address_that_has_not_asked_for_longest_is_forgotten() -> None:
    application = request_count.factory({}, addresses="2")(hello)
    assert [counted(application, address) for address in "abacab"] == ["1", "1", "2", "1", "3", "1"]


def test_counts_stay_bounded_and_right_with_many_threads() -> None:
    counts = request_count.Counts(50)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: counts.add("me" if number % 2 else str(number)), range(20_000)))
    assert counts.add("me") == 10_001
    assert len(counts) == 50


@pytest.mark.parametrize("addresses", ["0", "-1", "many"])
def test_a_limit_that_is_none_is_refused(addresses: str) -> None:
    with pytest.raises(ValueError, match=r"addresses|invalid literal"):
        request_count.factory({}, addresses=addresses)


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("member,reader", [{"name": "auditors", "roles": ["reader"], "project_id": "p1"}]),
        (
            "reader, manager,admin",
            [
                {"name": "auditors", "roles": ["reader"], "project_id": "p1"},
                {"name": "operators", "roles": ["admin", "manager"], "project_id": "p1"},
            ],
        ),
        ("member", []),
        ("", []),
    ],
)
def test_groups_are_those_of_the_callers_roles(roles: str, expected: list[dict[str, Any]]) -> None:
    status, headers, body = ask(GROUPS, **member(roles))
    assert status == "200 OK"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"groups": expected}


def test_one_group_is_shown_to_its_members_only() -> None:
    status, _, body = ask(GROUPS, "/auditors", **member("reader"))
    assert (status, json.loads(body)) == (
        "200 OK",
        {"group": {"name": "auditors", "roles": ["reader"], "project_id": "p1"}},
    )
    assert ask(GROUPS, "/operators", **member("reader"))[0] == "404 Not Found"
    assert ask(GROUPS, "/nobody", **member("reader"))[0] == "404 Not Found"


def test_without_a_confirmed_token_no_group_is_shown() -> None:
    assert ask(GROUPS, HTTP_X_ROLES="admin")[0] == "401 Unauthorized"
    assert ask(GROUPS, HTTP_X_ROLES="admin", HTTP_X_IDENTITY_STATUS="Invalid")[0] == "401 Unauthorized"


def test_groups_cannot_be_changed() -> None:
    status, headers, _ = ask(GROUPS, "/auditors", "DELETE", CONTENT_LENGTH="0", **member("admin"))
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")
    assert ask(GROUPS, "/", "HEAD", **member("admin"))[2] == b""


def test_a_group_without_roles_is_refused() -> None:
    with pytest.raises(ValueError, match="member of empty"):
        groups.factory({}, empty=" ", full="admin")


def test_paste_loads_both(tmp_path: Any) -> None:
    (tmp_path / "paste.ini").write_text(
        "[pipeline:main]\npipeline = count groups\n"
        "[filter:count]\npaste.filter_factory = nova_extras.request_count:factory\nheader = X-Count\n"
        "[app:groups]\npaste.app_factory = nova_extras.groups:factory\nauditors = reader\n"
    )
    application = loadapp(f"config:{tmp_path}/paste.ini")
    status, headers, body = ask(application, **member("reader"))
    assert (status, headers["X-Count"], json.loads(body)["groups"][0]["name"]) == ("200 OK", "1", "auditors")
