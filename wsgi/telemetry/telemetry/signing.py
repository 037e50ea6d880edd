"""The HMAC signature of a sample message, as ceilometer's agents compute it."""

import hmac
from collections.abc import Iterator, Mapping
from typing import Any

# Looked for by identity, since bulk requests are signed here and asking each value for Mapping is slow.
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
            # Items of a list are sorted within, so that the order of an object's keys does not matter.
            yield name, [dict(_pairs(item)) if isinstance(item, Mapping) else item for item in value]
        else:
            yield name, value


def sign(message: Mapping[str, Any], secret: str) -> str:
    """Return the hex HMAC-SHA256 over the message's sorted pairs but `message_signature`; an empty secret gives ''."""
    if not secret:
        return ""
    text = "".join([f"{name}{value}" for name, value in _pairs(message) if name != "message_signature"])
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def is_signed(message: Mapping[str, Any], secret: str) -> bool:
    """Tell whether the message carries the right signature; with an empty secret every message does."""
    if not secret:
        return True
    return hmac.compare_digest(sign(message, secret).encode(), str(message.get("message_signature") or "").encode())
