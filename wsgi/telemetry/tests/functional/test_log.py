"""The log driver: posted samples and events are in the log, and every query is answered 501."""

import json
import logging
from typing import Any

import pytest

from tests.functional.calls import fault, sample


def test_samples_and_events_are_logged(make_api: Any, caplog: pytest.LogCaptureFixture) -> None:
    api = make_api(database__metering_connection="log://", database__event_connection="log://")
    event = {"message_id": "e1", "event_type": "t", "generated": "2026-01-01T00:00:00", "traits": []}
    bulk = b"".join(json.dumps(sample(message_id=f"m{n}", counter_name="bulk")).encode() + b"\n" for n in range(3))
    with caplog.at_level(logging.INFO, logger="telemetry.storage.log"):
        api.post_json("/v2/meters/cpu", [sample(), sample(counter_volume=2)], status=201)
        assert api.post("/v2/samples", bulk, content_type="application/x-ndjson").json["stored"] == 3
        api.post_json("/v2/events", [event], status=201)
    logged = [record.getMessage() for record in caplog.records if record.name == "telemetry.storage.log"]
    assert logged == [
        "metering data cpu for r1: 1.5",
        "metering data cpu for r1: 2.0",
        *["metering data bulk for r1: 1.5"] * 3,
        "event t e1",
    ]


@pytest.mark.parametrize("path", ["meters", "samples", "resources", "meters/cpu/statistics", "events", "event_types"])
def test_questions_are_not_implemented(make_api: Any, path: str) -> None:
    api = make_api(database__metering_connection="log://", database__event_connection="log://")
    assert fault(api.get(f"/v2/{path}", status=501))
    capabilities = api.get("/v2/capabilities").json
    assert not capabilities["storage"]["storage:production_ready"]
    assert not any(value for name, value in capabilities["api"].items() if name.startswith("samples"))
    assert api.get("/v2/alarms").json == []
