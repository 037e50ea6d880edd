"""Markers of pages: the sort key of the last item, as opaque text that is safe in a URL."""

import base64
import binascii
import json

from telemetry.errors import BadQueryError

Key = tuple[int | str, ...]
BIGGEST = 2**63 - 1


def encode(key: Key) -> str:
    """Return the marker for a sort key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(marker: str, kinds: tuple[type, ...]) -> Key:
    """Return the sort key of a marker, whose members must be of these types. Raises BadQueryError."""
    try:
        key = json.loads(base64.urlsafe_b64decode(marker.encode() + b"=" * (-len(marker) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadQueryError(f"The marker {marker} is not one of this list's") from error
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise BadQueryError(f"The marker {marker} is not one of this list's")
    if any(isinstance(part, int) and abs(part) > BIGGEST for part in key):
        raise BadQueryError(f"The marker {marker} is not one of this list's")
    return tuple(key)
