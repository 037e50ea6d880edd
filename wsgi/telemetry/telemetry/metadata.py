"""Metadata of resources: nested objects in storage, flat text on the wire, dotted keys in queries."""

from collections.abc import Iterator, Mapping
from typing import Any

Metadata = Mapping[str, Any]
# What precedes a metadata key in the name of a field.
PREFIXES = ("metadata.", "resource_metadata.")


def key_of(field: str) -> str | None:
    """Return the metadata key that a field of a query names, or None for a field that is not metadata."""
    for prefix in PREFIXES:
        if field.startswith(prefix):
            return field.removeprefix(prefix)
    return None


def nest(flat: Metadata) -> dict[str, Any]:
    """Turn dotted keys into nested objects: {"a.b": 1} becomes {"a": {"b": 1}}.

    A key that cannot be nested because a part of it already has a value stays as it is, so that nothing is lost.
    """
    nested: dict[str, Any] = {}
    for key in sorted(flat):
        parts = key.split(".")
        place = nested
        for part in parts[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                nested[key] = flat[key]
                break
            place = inner
        else:
            if parts[-1] in place:
                nested[key] = flat[key]
            else:
                place[parts[-1]] = flat[key]
    return nested


def flatten(nested: Metadata) -> dict[str, str]:
    """Turn nested objects into the flat text of the API: first level joined with a dot, deeper ones with a colon."""
    flat: dict[str, str] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            for inner, text in _walk(value, ":"):
                flat[f"{key}.{inner}"] = str(text)
        else:
            flat[key] = str(value)
    return flat


def _walk(nested: Metadata, separator: str) -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, Mapping):
            for inner, leaf in _walk(value, separator):
                yield f"{key}{separator}{inner}", leaf
        else:
            yield key, value


def leaves(nested: Metadata) -> Iterator[tuple[str, Any]]:
    """Yield what queries can name: (dotted key, scalar); items of lists are `key[0]`."""
    for key, value in nested.items():
        yield from _leaf(key, value)


def _leaf(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _leaf(f"{key}.{inner}", item)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _leaf(f"{key}[{number}]", item)
    else:
        yield key, value
