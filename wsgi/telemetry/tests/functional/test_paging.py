"""Markers and next links: each item once, in order, also if items are added or deleted between the pages."""

import re
from typing import Any

import pytest
import webtest

from tests.functional.calls import ADMIN, post, refused, sample


def walk(api: webtest.TestApp, url: str) -> list[Any]:
    items: list[Any] = []
    following: str | None = url
    while following:
        answer = api.get(following, headers=ADMIN)
        items += answer.json
        link = re.fullmatch(r'<http://localhost(.+)>; rel="next"', answer.headers.get("Link", ""))
        assert link or "Link" not in answer.headers
        following = link[1] if link else None
    return items


@pytest.fixture
def filled(api: webtest.TestApp) -> webtest.TestApp:
    post(
        api,
        *[
            sample(resource_id=f"r{n:02}", counter_name=f"m{n % 3}", timestamp=f"2026-01-01T00:00:{n // 4:02}")
            for n in range(25)
        ],
    )
    api.post_json(
        "/v2/events",
        [{"message_id": f"e{n}", "event_type": "t", "generated": f"2026-01-01T00:00:{n // 3:02}"} for n in range(10)],
    )
    return api


@pytest.mark.parametrize(
    "path",
    [
        "/v2/samples?q.field=user_id&q.value=u1&",
        "/v2/meters?",
        "/v2/meters?unique=true&",
        "/v2/resources?",
        "/v2/resources?q.field=timestamp&q.op=ge&q.value=2026-01-01&",
        "/v2/meters/m1?",
        "/v2/events?",
        "/v2/resources?meter_links=0&q.field=project_id&q.value=p1&",
    ],
)
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_pages_are_the_whole(filled: webtest.TestApp, path: str, limit: int) -> None:
    all_rows = filled.get(f"{path}limit=1000", headers=ADMIN)
    assert "Link" not in all_rows.headers
    assert walk(filled, f"{path}limit={limit}") == all_rows.json


def test_new_items_do_not_shift_pages(filled: webtest.TestApp) -> None:
    first = filled.get("/v2/samples?limit=5")
    post(filled, sample(timestamp="2027-01-01T00:00:00"))
    link = first.headers["Link"].split(">")[0][1:].removeprefix("http://localhost")
    second = filled.get(link)
    assert not {row["id"] for row in first.json} & {row["id"] for row in second.json}


@pytest.mark.parametrize(
    "marker",
    [
        "x",
        "%00",
        "eA",
        "WzFd",
        "W3RydWUsMV0",
        "WzFlOTk5LDFd",
        "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwLDFd",
    ],
)
def test_bad_markers(api: webtest.TestApp, marker: str) -> None:
    post(api, sample())
    for path in ("samples", "meters", "meters/cpu"):
        refused(api, f"/v2/{path}?marker={marker}")


def test_maximum(make_api: Any) -> None:
    """No request gets a longer list than the server allows; pages lead to the rest."""
    api = make_api(api__max_api_return_limit=3)
    post(api, *[sample(resource_id=f"r{n}", timestamp=f"2026-01-01T00:00:0{n}") for n in range(5)])
    for path in ("/v2/samples", "/v2/meters/cpu", "/v2/meters", "/v2/resources"):
        first = api.get(f"{path}?limit=100000")
        assert len(first.json) == 3
        rest = api.get(first.headers["Link"].partition(">")[0][1:])
        assert len(rest.json) == 2
        assert "Link" not in rest.headers
        assert len(api.get(path).json) == 3
    assert len(api.post_json("/v2/query/samples", {"limit": 100000}).json) == 3
    assert len(make_api(api__max_api_return_limit=3, api__default_api_return_limit=2).get("/v2/samples").json) == 2
