"""Configuration files that a record gives as a dictionary of sections: the INI format of oslo.config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .placeholders import check_placeholders
from .problems import Problems, kind_of_value
from .record import Record
from .syntax import control_fault

SCALARS = (str, bool, int, float)


def check_sections(of: Record, key: str, sections: Mapping[str, Any], problems: Problems) -> None:
    """Check the shape of a file's sections. Values may be secrets, and are not shown."""
    record = of.name
    for section, options in sections.items():
        if not isinstance(section, str) or not section or section != section.strip() or set(section) & set("[]\n"):
            problems.add(record, key, "a section without a usable name", "it has to be a text without brackets")
        if not isinstance(options, Mapping):
            problems.add(record, f"{key}.{section}", kind_of_value(options), "it has to be a dictionary of options")
            continue
        for option, value in options.items():
            where = f"{key}.{section}.{option}"
            if not isinstance(option, str) or not option or option != option.strip() or set(option) & set("=:\n#;["):
                problems.add(record, where, "an option without a usable name", "it has to be a text without = and :")
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is not None and not isinstance(one, SCALARS):
                    remedy = "it has to be a text, a number, true or false, or a list of them"
                    problems.add(record, where, kind_of_value(one), remedy)
                elif isinstance(one, str) and (fault := control_fault(one)):
                    problems.add(record, where, fault, "a value is one line")
                elif isinstance(one, str) and one != one.strip():
                    remedy = "a reader of the file takes them away; remove them"
                    problems.add(record, where, "a text with spaces around it", remedy)
                if isinstance(one, str):
                    check_placeholders(of, where, one, problems)


def render(sections: Mapping[str, Any], comment: str) -> str:
    """Return the file: an option for each value, one for each element of a list, and none for null."""
    lines = [f"# {line}" for line in comment.splitlines()]
    for section, options in sections.items():
        lines += ["", f"[{section}]"]
        for option, value in options.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is not None:
                    lines.append(f"{option} = {str(one).lower() if isinstance(one, bool) else one}")
    return "\n".join(lines) + "\n"
