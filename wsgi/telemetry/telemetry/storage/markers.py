"""Markers of pages: the sort key of the last item of a page, as opaque text."""

import base64
import binascii
import json
from collections.abc import Sequence

from telemetry.errors import BadQueryError
from telemetry.storage.limits import BIGGEST_INT

Key = tuple[int | str, ...]


def encode(key: Key) -> str:
    """Return the marker for a sort key: opaque text that is safe in a URL."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(marker: str, kinds: Sequence[type]) -> Key:
    """Return the sort key of a marker. Raises BadQueryError unless the key's members have these types."""
    try:
        key = json.loads(base64.urlsafe_b64decode(marker.encode() + b"=" * (-len(marker) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadQueryError(f"The marker {marker} is not one of this list's") from error
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise BadQueryError(f"The marker {marker} is not one of this list's")
    if any(isinstance(part, int) and abs(part) > BIGGEST_INT for part in key):
        raise BadQueryError(f"The marker {marker} is not one of this list's")
    return tuple(key)
