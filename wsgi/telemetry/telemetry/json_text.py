"""JSON text without NaN and infinite numbers. Python reads and writes them as JSON, and other programs do not."""

import json
import math
from typing import Any


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _null(name: str) -> Any:
    return None


# json.loads with parse_constant would make a decoder for every text.
_STRICT = json.JSONDecoder(parse_constant=_refuse)
_LENIENT = json.JSONDecoder(parse_constant=_null)


def loads(text: str) -> Any:
    """Parse a text. Raises ValueError, for NaN and Infinity too."""
    return _STRICT.decode(text)


def loads_stored(text: str) -> Any:
    """Parse a text of a database. NaN and infinite numbers, which earlier releases stored, become None."""
    return _LENIENT.decode(text)


def dumps(value: Any) -> str:
    """Write a value. Raises ValueError for NaN and infinite numbers."""
    return json.dumps(value, allow_nan=False)


def is_finite(value: Any) -> bool:
    """Tell whether a value that JSON can hold has no NaN and no infinite number in it."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return False
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
    return True


def finite(value: Any) -> Any:
    """Return a copy of a value with None in place of NaN and infinite numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value
