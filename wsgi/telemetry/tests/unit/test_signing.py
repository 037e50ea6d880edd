"""Signatures, compared with values computed from the specification, and with those of an agent."""

import hashlib
import hmac

from telemetry import signing


def test_signature() -> None:
    message = {"b": {"y": 2, "x": 1}, "a": "v", "message_signature": "ignored"}
    expected = hmac.new(b"secret", b"avb:x1b:y2", hashlib.sha256).hexdigest()
    assert signing.sign(message, "secret") == expected
    assert signing.is_signed({**message, "message_signature": expected}, "secret")
    assert not signing.is_signed(message, "secret")
    assert not signing.is_signed({"a": 1}, "secret")


def test_no_secret() -> None:
    assert signing.sign({"a": 1}, "") == ""
    assert signing.is_signed({"a": 1}, "")


def test_messages_of_an_agent() -> None:
    """Made by ceilometer 27.0.0: ceilometer.publisher.utils.meter_message_from_counter and message_from_event."""
    sample = {
        "source": "openstack",
        "counter_name": "cpu",
        "counter_type": "cumulative",
        "counter_unit": "ns",
        "counter_volume": 12345678901,
        "user_id": "u",
        "user_name": "U",
        "project_id": "p",
        "project_name": "P",
        "resource_id": "polled-r",
        "timestamp": "2026-01-01T00:00:00.123456+00:00",
        "resource_metadata": {
            "display_name": "vm",
            "flavor": {"vcpus": 2, "ram": 512, "extra": {"hw:cpu": "x"}},
            "tags": ["a", "b"],
            "disks": [{"z": 1, "a": True}],
            "none": None,
            "ratio": 0.5,
            "état": "é",
        },
        "message_id": "polled",
        "monotonic_time": 1.25,
        "publisher_id": "poller",
        "message_signature": "970a4fde98df9cdbd21abb8097d9e1f35941a850a6a6762e8dbcf76ac35f3bd8",
    }
    event = {
        "message_id": "agent-e1",
        "event_type": "compute.instance.create.end",
        "generated": "2026-01-01T00:00:00",
        "traits": [["instance_id", 1, "i1"], ["vcpus", 2, 2], ["at", 4, "2026-01-01T01:00:00"]],
        "raw": {"a": [1, {"b": "é"}]},
        "message_signature": "a3aac47576d963bcffb92fd5d83f9e9cd462fe42691abf8ff94ad884cb7447f3",
    }
    for message in (sample, event):
        assert signing.is_signed(message, "change this for valid signing")
