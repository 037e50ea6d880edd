"""Signatures, against values computed by the rule of the specification."""

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
