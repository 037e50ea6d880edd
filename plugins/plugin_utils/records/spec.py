"""Reading records: their keys, types, choices and defaults, as the argument specs of the role say."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ansible.module_utils.common.validation import check_type_bool

from . import keys, syntax
from .limits import COMPARED_LENGTH, PROBLEMS_SHOWN
from .problems import FAILED_TEMPLATES, WHOLE_RECORD, Problems, kind_of_value, plain, shown

# The options of the role's entry points record_*, by group.
Spec = Mapping[str, Mapping[str, Mapping[str, Any]]]
PREFIX = "record_"
TYPE_NAMES = {
    "str": "a text", "path": "a path", "int": "a whole number", "bool": "true or false", "dict": "a dictionary"
}  # fmt: skip
# Keys whose texts may hold line ends, as a certificate in a variable does.
MANY_LINES = ("environment",)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
# In the place of a required value that is missing or of another type.
EMPTY: Mapping[str, Any] = {"str": "", "path": "", "int": 0, "bool": False, "dict": MappingProxyType({}), "list": ()}


@dataclass(frozen=True)
class Written:
    """A record as it was written, with defaults.

    is_valid: the specs refuse no key, and no template fails. A key with such a fault has its default.
    """

    keys: keys.Keys
    is_valid: bool

    @property
    def name(self) -> str:
        """The application's name."""
        return self.keys.install.name


def record_spec(entry_points: Mapping[str, Mapping[str, Any]]) -> Spec:
    """Return the options of a record's keys, by group, from the entry points of the role's argument specs."""
    return {
        name.removeprefix(PREFIX): point["options"] for name, point in entry_points.items() if name.startswith(PREFIX)
    }


def read_record(raw: object, position: int, spec: Spec, problems: Problems) -> Written | None:
    """Return the record with every key of ``spec``; None when it is no dictionary or has no name.

    ``position`` names a record that has no name.
    """
    if not isinstance(raw, Mapping):
        remedy = "it has to be a dictionary with name, source and entry"
        problems.add(f"number {position}", WHOLE_RECORD, shown(raw), remedy)
        return None
    failures = raw.get(FAILED_TEMPLATES)
    failures = failures if isinstance(failures, Mapping) else {}
    has_name = isinstance(raw.get("name"), str) and raw["name"] != ""
    name = str(raw["name"]) if has_name else f"number {position}"
    own = Problems()
    options = {key: option for group in spec.values() for key, option in group.items()}
    written = {key: value for key, value in raw.items() if key != FAILED_TEMPLATES}
    values = _values(written, options, name, "", own)
    # A key whose template fails is not missing, and nothing is known of a record that is one failed template.
    shown_problems = [problem for problem in own if problem.key not in failures and WHOLE_RECORD not in failures]
    own = Problems()
    for problem in shown_problems:
        own.add(problem.record, problem.key, problem.actual, problem.remedy)
    if raw.get("name") == "":
        own.add(name, "name", "an empty text", "every record has a name of its own")
    for key, reason in failures.items():
        own.add(name, key, f"a template that fails ({reason})", "define what it reads, or correct it")
    for problem in own:
        problems.add(problem.record, problem.key, problem.actual, problem.remedy)
    if not has_name:
        return None
    groups = {
        group: getattr(keys, group.title())(**{key: values[key] for key in members}) for group, members in spec.items()
    }
    return Written(keys.Keys(**groups), is_valid=not own)


def frozen(value: object) -> Any:
    """Return ``value`` with tuples for lists and read-only mappings for dictionaries, and with Python's own types."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return MappingProxyType({frozen(key): frozen(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(frozen(item) for item in value)
    return value


def _values(
    raw: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]], name: str, prefix: str, problems: Problems
) -> dict[str, Any]:
    for key in raw:
        if key not in options:
            # Nobody reads the remedies of so many, and a comparison takes a millisecond.
            compared = str(key)[:COMPARED_LENGTH] if len(problems) <= PROBLEMS_SHOWN else ""
            problems.add(name, f"{prefix}{key}", "an unknown key", _unknown_key(compared, tuple(options)))
    values: dict[str, Any] = {}
    for key, option in options.items():
        value = raw.get(key)
        values[key] = _without_value(option)
        if value is None:
            if option.get("required"):
                problems.add(name, prefix + key, "nothing", f"it is required: {_first_sentence(option)}")
        else:
            try:
                values[key] = frozen(_typed(value, option))
            except (TypeError, ValueError):
                remedy = f"it has to be {_type_name(option)}: {_first_sentence(option)}"
                problems.add(name, prefix + key, shown(value), remedy)
                value = None
        if value is not None:
            faults = _faults(value, option, prefix + key)
            for where, actual, remedy in faults:
                problems.add(name, where, actual, remedy)
            if faults:
                values[key], value = _without_value(option), None
        if value is not None and option.get("choices") and values[key] not in option["choices"]:
            problems.add(name, prefix + key, shown(value), f"it has to be one of {', '.join(option['choices'])}")
        if option.get("options"):
            known = len(problems)
            below = _values(values[key] or {}, option["options"], name, f"{prefix}{key}.", problems)
            if value is None:
                problems.keep(known)
            values[key] = getattr(keys, key.title().replace("_", ""))(**below)
    return values


# The same slip often stands in many records.
@functools.lru_cache(maxsize=1024)
def _unknown_key(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"


def value_faults(value: Any, option: Mapping[str, Any], key: str) -> list[tuple[str, str, str]]:
    """Return key, actual and remedy of each fault of a value that has a spec of its own: of a role's variable, too."""
    if option.get("type") in ("str", "path") and isinstance(value, int) and not isinstance(value, bool):
        return list(syntax.faults(value, key))  # Ansible writes it as a text
    try:
        typed = _typed(value, option)
    except (TypeError, ValueError):
        # A dictionary or a list may hold passwords.
        actual = kind_of_value(value) if isinstance(value, (Mapping, list)) else shown(value)
        return [(key, actual, f"it has to be {_type_name(option)}: {_first_sentence(option)}")]
    if option.get("choices") and typed not in option["choices"]:
        return [(key, shown(value), f"it has to be one of {', '.join(option['choices'])}")]
    return list(syntax.faults(value, key))


def _without_value(option: Mapping[str, Any]) -> Any:
    default = frozen(option.get("default"))
    return EMPTY[option.get("type", "str")] if default is None and option.get("required") else default


def _faults(value: Any, option: Mapping[str, Any], key: str) -> list[tuple[str, str, str]]:
    """Return key, actual and remedy of what no consumer can read. The keys of a dictionary with a spec come later."""
    if option.get("options"):
        return []
    possible = syntax.NOT_FOR_THE_KERNEL if key in MANY_LINES else syntax.CONTROL
    faults = list(syntax.faults(value, key, possible))
    # A list of texts has no further keys, and its messages name the list.
    return [(key, actual, remedy) for _, actual, remedy in faults] if option.get("type") == "list" else faults


def _typed(value: Any, option: Mapping[str, Any]) -> Any:
    kind = option.get("type", "str")
    if kind in ("str", "path"):
        if isinstance(value, bool) and option.get("choices"):
            value = "on" if value else "off"  # YAML reads an unquoted off as a boolean
        if not isinstance(value, str):
            raise TypeError(kind)
        return str(value)
    if kind == "int":
        if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value):
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(kind)
        return int(value)
    if kind == "bool":
        if not isinstance(value, (bool, str, int)):
            raise TypeError(kind)
        return check_type_bool(value)
    if kind == "dict":
        if not isinstance(value, Mapping):
            raise TypeError(kind)
        return plain(value)
    if kind == "list":
        # A list below a key with options of its own is frozen by now.
        if not isinstance(value, (list, tuple)):
            raise TypeError(kind)
        return [_typed(item, {"type": option.get("elements", "str")}) for item in value]
    return plain(value)


def _type_name(option: Mapping[str, Any]) -> str:
    if option.get("type") == "list":
        return f"a list, each element {TYPE_NAMES[option.get('elements', 'str')]}"
    return TYPE_NAMES[option.get("type", "str")]


def _first_sentence(option: Mapping[str, Any]) -> str:
    text = option.get("description", "")
    text = str(text[0] if isinstance(text, list) else text)
    text = re.sub(r"\b[CM]\(([^)]*)\)", r"\1", text)
    return text.split(". ")[0].rstrip(".")
