"""Helpers for requests."""

from typing import Any

import webtest

ADMIN = {"X-Roles": "admin", "X-User-Id": "admin-user", "X-Project-Id": "admin-project"}
MEMBER = {"X-Roles": "member", "X-User-Id": "u1", "X-Project-Id": "p1"}


def sample(**members: Any) -> dict[str, Any]:
    """Return a sample to post."""
    return {
        "counter_name": "cpu",
        "counter_type": "gauge",
        "counter_unit": "percent",
        "counter_volume": 1.5,
        "resource_id": "r1",
        "project_id": "p1",
        "user_id": "u1",
        "timestamp": "2026-01-01T00:00:00",
        **members,
    }


def post(api: webtest.TestApp, *samples: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    """Post samples, one request for each sample. Return the samples of the answers."""
    answers: list[dict[str, Any]] = []
    for one in samples:
        response = api.post_json(f"/v2/meters/{one['counter_name']}?direct=true", [one], headers=headers)
        assert response.status_int == 201
        answers += response.json
    return answers


def fault(response: webtest.TestResponse) -> str:
    """Return the text of a WSME fault."""
    error = response.json["error_message"]
    assert error["debuginfo"] is None
    assert error["faultcode"] == ("Client" if response.status_int < 500 else "Server")
    text: str = error["faultstring"]
    return text


def refused(api: webtest.TestApp, url: str, status: int = 400, **headers: str) -> str:
    """GET a URL that must be refused. Return the text of the fault."""
    return fault(api.get(url, status=status, headers=headers))
