"""Metadata: nested, flat, and as leaves."""

from telemetry import metadata


def test_nest() -> None:
    assert metadata.nest({"a.b.c": 1, "a.d": 2, "e": 3}) == {"a": {"b": {"c": 1}, "d": 2}, "e": 3}


def test_nothing_is_lost_when_a_key_is_also_a_prefix() -> None:
    assert metadata.nest({"a": 1, "a.b": 2}) == {"a": 1, "a.b": 2}
    assert metadata.nest({"a.b": 2, "a": {"c": 1}}) == {"a": {"c": 1, "b": 2}}


def test_flatten() -> None:
    nested = {"a": {"b": {"c": 1}, "d": True}, "e": None, "l": [1, "x"]}
    assert metadata.flatten(nested) == {"a.b:c": "1", "a.d": "True", "e": "None", "l": "[1, 'x']"}


def test_separators_in_keys() -> None:
    assert metadata.flatten({"a": {"b.$1": {"$c": 1}}}) == {"a.b:$1:$c": "1"}
    assert metadata.flatten({"a.b.c": 1, "d": {"e.f": 2}}) == {"a.b:c": "1", "d.e:f": "2"}
    assert metadata.flatten({"a:b:c": 1, "d": {"e:f": 2}}) == {"a.b:c": "1", "d.e:f": "2"}


def test_leaves() -> None:
    nested = {"a": {"b": [1, {"c": "x"}]}, "d": None}
    assert dict(metadata.leaves(nested)) == {"a.b[0]": 1, "a.b[1].c": "x", "d": None}


def test_key_of_a_field() -> None:
    assert metadata.key_of("metadata.a.b") == "a.b"
    assert metadata.key_of("resource_metadata.metadata.a") == "metadata.a"
    assert metadata.key_of("metadata.") == ""
    assert metadata.key_of("user_id") is None
    assert metadata.key_of("metadata") is None
