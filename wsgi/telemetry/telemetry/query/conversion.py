"""Converts the text values of simple queries to their types."""

import ast
from typing import Any

from telemetry import timestamps
from telemetry.i18n import _

TRUE = {"true", "1", "yes", "on", "t", "y"}
FALSE = {"false", "0", "no", "off", "f", "n"}


class ConversionError(ValueError):
    """The text cannot be converted. `str()` is the message for the client."""


def boolean(text: str) -> bool:
    """Read a boolean. Raises ValueError for any text that is not in TRUE or FALSE."""
    lower = text.strip().lower()
    if lower in TRUE:
        return True
    if lower in FALSE:
        return False
    raise ValueError(text)


CONVERTERS: dict[str, Any] = {
    "integer": int,
    "float": float,
    "string": str,
    "boolean": boolean,
    "datetime": timestamps.parse_utc,
}


def guess(text: str) -> Any:
    """Read a text as a Python literal (`1`, `1.5`, `True`, `[1]`). Any other text stays text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def convert(text: str, kind: str | None, supported: tuple[str, ...] = tuple(CONVERTERS)) -> Any:
    """Return a text as a value of type `kind`, or as `guess` reads it for None. Raises ConversionError."""
    if not kind:
        return guess(text)
    if kind not in supported:
        raise ConversionError(
            _("The data type %(type)s is not supported. The supported data type list is: %(supported)s")
            % {"type": kind, "supported": list(supported)}
        )
    try:
        return CONVERTERS[kind](text)
    except (ValueError, OverflowError):
        raise ConversionError(
            _("Unable to convert the value %(value)s to the expected data type %(type)s.")
            % {"value": text, "type": kind}
        ) from None
