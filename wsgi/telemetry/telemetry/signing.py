"""The HMAC signature of a sample message, as ceilometer's agents compute it."""

import hmac
from collections.abc import Iterator, Mapping
from typing import Any

# An exact type is looked up here first: isinstance(value, Mapping) is slow, and bulk requests sign many values.
PLAIN = frozenset({str, int, float, bool, type(None)})


def _pairs(message: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in sorted(message):
        value = message[name]
        if type(value) in PLAIN:
            yield name, value
        elif isinstance(value, Mapping):
            for inner, leaf in _pairs(value):
                yield f"{name}:{inner}", leaf
        elif isinstance(value, tuple | list):
            yield name, _encoded(value)
        else:
            yield name, value


def _encoded(value: Any) -> Any:
    """Return a list in the form in which agents sign it: objects sorted by key, and text as bytes (`[b'a']`)."""
    if isinstance(value, Mapping):
        return {_encoded(name): _encoded(item) for name, item in sorted(value.items())}
    if isinstance(value, tuple | list):
        return [_encoded(item) for item in value]
    return value.encode() if isinstance(value, str) else value


def sign(message: Mapping[str, Any], secret: str) -> str:
    """Return the hex HMAC-SHA256 of the message's sorted pairs, without `message_signature`; '' for an empty secret."""
    if not secret:
        return ""
    text = "".join([f"{name}{value}" for name, value in _pairs(message) if name != "message_signature"])
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def is_signed(message: Mapping[str, Any], secret: str) -> bool:
    """Tell whether the message has the right signature. With an empty secret, every message is accepted."""
    if not secret:
        return True
    return hmac.compare_digest(sign(message, secret).encode(), str(message.get("message_signature") or "").encode())
