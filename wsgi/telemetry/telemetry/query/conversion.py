"""Texts of simple queries as typed values."""

import ast
import datetime as dt
from typing import Any

from telemetry import timestamps
from telemetry.i18n import _

TRUE = {"true", "1", "yes", "on", "t", "y"}
FALSE = {"false", "0", "no", "off", "f", "n"}


class ConversionError(ValueError):
    """The text is not of the type; `str()` is the whole message for the caller."""


def boolean(text: str) -> bool:
    """Read a boolean strictly. Raises ValueError."""
    lower = text.strip().lower()
    if lower in TRUE:
        return True
    if lower in FALSE:
        return False
    raise ValueError(text)


def _integer(text: str) -> int:
    return int(text)


def _datetime(text: str) -> dt.datetime:
    return timestamps.parse_utc(text)


CONVERTERS: dict[str, Any] = {
    "integer": _integer,
    "float": float,
    "string": str,
    "boolean": boolean,
    "datetime": _datetime,
}


def guess(text: str) -> Any:
    """Read a text as a Python literal (`1`, `1.5`, `True`, `[1]`), else leave it text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def convert(text: str, kind: str | None, supported: tuple[str, ...] = tuple(CONVERTERS)) -> Any:
    """Return a text as a value of type `kind`, or guess when it has none. Raises ConversionError."""
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
