"""The version document, and paths that do not exist."""

import pytest
import webtest


def test_version_document(api: webtest.TestApp) -> None:
    (version,) = api.get("/", headers={"Host": "telemetry.example:8777"}).json["versions"]["values"]
    assert version["id"] == "v2"
    assert version["status"] == "stable"
    assert version["updated"] == "2013-02-13T00:00:00Z"
    assert version["links"][0] == {"href": "http://telemetry.example:8777/v2", "rel": "self"}
    assert version["media-types"] == [
        {"base": "application/json", "type": "application/vnd.openstack.telemetry-v2+json"},
        {"base": "application/xml", "type": "application/vnd.openstack.telemetry-v2+xml"},
    ]


def test_application_url_has_the_script_name(api: webtest.TestApp) -> None:
    answer = api.get("/", extra_environ={"SCRIPT_NAME": "/metering", "HTTP_HOST": "telemetry.example:80"})
    assert answer.json["versions"]["values"][0]["links"][0]["href"] == "http://telemetry.example/metering/v2"


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/meters"])
def test_v1_was_removed(api: webtest.TestApp, path: str) -> None:
    answer = api.get(path, status=404)
    assert answer.content_type == "application/json"
    assert "Version 1 of the API was removed: use /v2" in answer.json["error_message"]
    answer = api.get(path, status=404, headers={"Accept": "application/xml"})
    assert answer.body == b"<error_message>404</error_message>"
    assert api.head(path, status=404).body == b""


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/bogus", "/v3", "/v2/query", "/v2/query/bogus"])
def test_unknown_paths(api: webtest.TestApp, path: str) -> None:
    message = api.get(path, status=404, headers={"Accept": "application/json"}).json["error_message"]
    assert message == "404 Not Found\n\nThe resource could not be found.\n\n   "
    assert "<title>404 Not Found</title>" in api.get(path, status=404, headers={"Accept": "*/*"}).json["error_message"]
