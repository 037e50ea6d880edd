"""A record against the argument specs of the role: keys, types, choices and defaults."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.validation import check_type_bool, check_type_int

from .problems import Check, plain, shown

Spec = Mapping[str, Mapping[str, Any]]
NAMES = {"str": "a text", "path": "a path", "int": "a whole number", "bool": "true or false", "dict": "a dictionary"}


def against_spec(raw: object, position: int, spec: Spec, result: Check) -> dict[str, Any] | None:
    """Return the record with every key of ``spec``; None when it is no dictionary.

    Problems go into ``result``. ``position`` names a record that has no name.
    """
    if not isinstance(raw, Mapping):
        right = "it has to be a dictionary with name, source and entry"
        result.add(f"number {position}", "(whole record)", shown(raw), right)
        return None
    name = str(raw["name"]) if isinstance(raw.get("name"), str) else f"number {position}"
    return _level(raw, spec, name, "", result)


def _level(raw: Mapping[str, Any], spec: Spec, name: str, prefix: str, result: Check) -> dict[str, Any]:
    for key in raw:
        if key not in spec:
            near = difflib.get_close_matches(str(key), list(spec), n=1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(spec)}"
            result.add(name, f"{prefix}{key}", "an unknown key", hint)
    checked: dict[str, Any] = {}
    for key, option in spec.items():
        value = raw.get(key)
        if value is None:
            if option.get("required"):
                result.add(name, prefix + key, "nothing", f"it is required: {_first_sentence(option)}")
            checked[key] = copy.deepcopy(option.get("default"))
            continue
        try:
            checked[key] = _typed(value, option)
        except (TypeError, ValueError):
            right = f"it has to be {_type_name(option)}: {_first_sentence(option)}"
            result.add(name, prefix + key, shown(value), right)
            continue
        if option.get("choices") and checked[key] not in option["choices"]:
            result.add(name, prefix + key, shown(value), f"it has to be one of {', '.join(option['choices'])}")
        if option.get("options"):
            checked[key] = _level(checked[key], option["options"], name, f"{prefix}{key}.", result)
    return checked


def _typed(value: Any, option: Mapping[str, Any]) -> Any:
    kind = option.get("type", "str")
    if kind in ("str", "path"):
        if isinstance(value, bool) and option.get("choices"):
            value = "on" if value else "off"  # YAML reads an unquoted off as a boolean
        if not isinstance(value, str):
            raise TypeError(kind)
        return str(value)
    if kind == "int":
        if isinstance(value, (bool, float)):
            raise TypeError(kind)
        return check_type_int(value)
    if kind == "bool":
        return check_type_bool(value)
    if kind == "dict":
        if not isinstance(value, Mapping):
            raise TypeError(kind)
        return plain(value)
    if kind == "list":
        if not isinstance(value, list):
            raise TypeError(kind)
        return [_typed(item, {"type": option.get("elements", "str")}) for item in value]
    return plain(value)


def _type_name(option: Mapping[str, Any]) -> str:
    if option.get("type") == "list":
        return f"a list, each element {NAMES[option.get('elements', 'str')]}"
    return NAMES[option.get("type", "str")]


def _first_sentence(option: Mapping[str, Any]) -> str:
    text = option.get("description", "")
    text = str(text[0] if isinstance(text, list) else text)
    text = re.sub(r"\b[CM]\(([^)]*)\)", r"\1", text)
    return text.split(". ")[0].rstrip(".")
