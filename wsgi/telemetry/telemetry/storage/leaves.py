"""The values in metadata, with their types, as stores keep them for queries."""

import sys
from typing import Any

from telemetry.storage.limits import BIGGEST_INT


def typed_leaf(value: Any) -> dict[str, Any]:
    """Return the columns for a metadata value: its kind, its text, and its number if it is one."""
    columns: dict[str, Any] = {"kind": "text", "text_value": str(value), "int_value": None, "float_value": None}
    if isinstance(value, bool):
        columns.update(kind="bool", int_value=int(value))
    elif isinstance(value, int) and abs(value) <= BIGGEST_INT:
        columns.update(kind="int", int_value=value)
    elif isinstance(value, int | float) and abs(value) <= sys.float_info.max:
        columns.update(kind="float", float_value=float(value))
    return columns
