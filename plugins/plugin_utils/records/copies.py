"""Configuration files that reach a release byte for byte: copies of files of the controller, or texts in base64.

In ``config`` such a file is a dictionary with ``copy`` or ``base64``, whose value is a text, and perhaps ``mode``. In a
dictionary of sections each value is a dictionary.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .problems import Problems, kind_of_value, shown

KINDS = ("copy", "base64")
MODES = ("0640", "0440", "0750", "0550")
"""Root owns the file and the application's group reads it; nobody else may."""
MODE = "0640"


@dataclass(frozen=True)
class Copy:
    """A file that is copied: its path on the controller, None for base64 or a file that is not there; and its mode."""

    path: str | None
    mode: str = MODE


def is_copy(value: object) -> bool:
    """Return whether a value of ``config`` is a file to copy."""
    return isinstance(value, Mapping) and any(kind in value and not _is_section(value[kind]) for kind in KINDS)


def _is_section(value: object) -> bool:
    return isinstance(value, Mapping)


def check_copy(record: str, key: str, value: Mapping[str, Any], problems: Problems) -> None:
    """Check the shape of a file to copy. Its content may be a secret, and is not shown."""
    kinds = [kind for kind in KINDS if kind in value]
    if len(kinds) != 1 or set(value) - {*KINDS, "mode"}:
        actual = f"the keys {', '.join(map(str, value))}"
        problems.add(record, key, actual, "a file to copy has copy or base64, and perhaps mode")
        return
    content = value[kinds[0]]
    if not isinstance(content, str):
        problems.add(record, f"{key}.{kinds[0]}", kind_of_value(content), "it has to be a text")
    elif kinds == ["base64"]:
        try:
            base64.b64decode("".join(content.split()), validate=True)
        except (binascii.Error, ValueError):
            remedy = "it has to be base64 (RFC 4648), as the program base64 writes it"
            problems.add(record, f"{key}.base64", f"a text of {len(content)} characters that is none", remedy)
    mode = value.get("mode", MODE)
    if mode not in MODES:
        remedy = f"it has to be one of {', '.join(MODES)}, in quotes: the application's group reads the file"
        problems.add(record, f"{key}.mode", shown(mode), remedy)


def decoded(text: str) -> bytes:
    """Return the bytes of a text in base64."""
    return base64.b64decode("".join(text.split()), validate=True)
