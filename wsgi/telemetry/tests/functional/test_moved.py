"""Redirects to Aodh and Panko, and 410 if Gnocchi has the samples."""

from typing import Any

import pytest

from tests.functional.calls import sample


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("/v2/alarms", "aodh"),
        ("/v2/alarms/x/state", "aodh"),
        ("/v2/query/alarms", "aodh"),
        ("/v2/query/alarms/history", "aodh"),
        ("/v2/events", "panko"),
        ("/v2/event_types/t/traits", "panko"),
    ],
)
def test_redirect(make_api: Any, path: str, option: str) -> None:
    api = make_api(**{f"api__{option}_url": "http://elsewhere:8042/"})
    answer = api.get(f"{path}?q.field=a&q.value=b", status=308)
    assert answer.headers["Location"] == f"http://elsewhere:8042{path}?q.field=a&q.value=b"


def test_disabled_or_unknown(make_api: Any) -> None:
    api = make_api(api__aodh_url="http://elsewhere", api__aodh_is_enabled=False)
    assert api.get("/v2/alarms").json == []
    api = make_api(api__aodh_is_enabled=True, api__panko_is_enabled=True)
    assert "alarms URLs is unavailable when Aodh is disabled or unavailable." in api.get("/v2/alarms", status=410).text
    api.get("/v2/events", status=410)


@pytest.mark.parametrize("path", ["/v2/meters", "/v2/meters/cpu", "/v2/samples", "/v2/resources/x"])
def test_gnocchi(make_api: Any, path: str) -> None:
    api = make_api(api__gnocchi_is_enabled=True)
    assert (
        "This telemetry installation is configured to use Gnocchi. Please use the Gnocchi API available on the metric "
        "endpoint to retrieve data."
    ) in api.get(path, status=410, headers={"Accept": "application/json"}).json["error_message"]
    api.post_json("/v2/query/samples", {}, status=410)
    assert api.get("/v2/alarms").json == []


def test_posting_with_gnocchi(make_api: Any) -> None:
    api = make_api(api__gnocchi_is_enabled=True)
    text = api.post_json("/v2/meters/cpu?direct=yes", [sample()], status=400).text
    assert "direct option cannot be true when Gnocchi is enabled." in text
    api.post_json("/v2/meters/cpu", [sample()], status=410)
