"""Lets schemathesis write bulk bodies, for which OpenAPI has no schema but text."""

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """Return a body with what was generated in the places of a sample where it could do harm."""
    sample = {
        "counter_name": "fuzzed",
        "counter_type": "gauge",
        "counter_unit": value,
        "counter_volume": 1,
        "resource_id": value,
        "resource_metadata": {str(value): value},
        "message_id": value,
    }
    return json.dumps(sample).encode()
