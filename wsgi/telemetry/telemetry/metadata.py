"""Metadata of resources: nested objects in stores, flat text for clients, dotted keys in queries."""

from collections.abc import Iterator, Mapping
from typing import Any

Metadata = Mapping[str, Any]
# The name of a metadata field is one of these prefixes and the key.
PREFIXES = ("metadata.", "resource_metadata.")


def key_of(field: str) -> str | None:
    """Return the metadata key that a field of a query names, or None for a field that is not metadata."""
    for prefix in PREFIXES:
        if field.startswith(prefix):
            return field.removeprefix(prefix)
    return None


def nest(flat: Metadata) -> dict[str, Any]:
    """Turn dotted keys into nested objects: {"a.b": 1} becomes {"a": {"b": 1}}.

    A key stays as it is if a part of it has a value of its own, so no value is lost.
    """
    nested: dict[str, Any] = {}
    for key in sorted(flat):
        parts = key.split(".")
        target = nested
        for part in parts[:-1]:
            inner = target.setdefault(part, {})
            if not isinstance(inner, dict):
                nested[key] = flat[key]
                break
            target = inner
        else:
            if parts[-1] in target:
                nested[key] = flat[key]
            else:
                target[parts[-1]] = flat[key]
    return nested


def flatten(nested: Metadata) -> dict[str, str]:
    """Turn nested objects into flat text as Ceilometer shows it.

    The first separator of a key is a dot, and the others are colons. A dot or a colon in a key of the metadata is a
    separator, too: {"a": {"b.c": 1}} becomes {"a.b:c": "1"}.
    """
    return {_shown(key): str(value) for key, value in _walk(nested)}


def _shown(key: str) -> str:
    return key.replace(".", ":").replace(":", ".", 1)


def _walk(nested: Metadata) -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, Mapping):
            for inner, leaf in _walk(value):
                yield f"{key}:{inner}", leaf
        else:
            yield key, value


def leaves(nested: Metadata) -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, scalar) for each value that a query can name. An item of a list has the key `key[0]`."""
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
