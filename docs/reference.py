#!/usr/bin/env python3
"""Generate files from the argument specs of the roles, the only place where variables and keys are described.

Writes docs/reference.md, and plugins/plugin_utils/records/keys.py with the types of a record's keys.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference.md"
KEYS = REPOSITORY / "plugins" / "plugin_utils" / "records" / "keys.py"
RECORD = "record_"
ROLES = (
    "wsgi_app",
    "mod_wsgi",
    "httpd",
    "uv",
    "metrics",
    "audit",
    "telemetry",
    "openstack",
    "keystone",
    "placement",
    "glance",
    "neutron",
    "nova",
    "gnocchi",
    "cinder",
    "aodh",
    "openstack_client",
    "database",
    "message_bus",
    "cache",
    "load_balancer",
    "debian_packages",
)
HEAD = """# Reference

Generated from `roles/*/meta/argument_specs.yml` by `docs/reference.py`; change it there.
"""
RECORD_HEAD = """## A record of wsgi_apps

A record describes one application. Only `name`, `source` and `entry` are required. The keys stand in groups:
"""
TABLE_HEAD = ["| name | type | default | meaning |", "|---|---|---|---|"]

KEYS_HEAD = '''"""The keys of a record, with their types. Written by docs/reference.py from the argument specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
'''
TYPES = {"str": "str", "path": "str", "int": "int", "bool": "bool", "dict": "Mapping[str, Any]", "raw": "Any"}


def specs(role: str) -> dict[str, dict[str, Any]]:
    """Return the entry points of a role."""
    content = yaml.safe_load((REPOSITORY / "roles" / role / "meta" / "argument_specs.yml").read_text())
    points: dict[str, dict[str, Any]] = content["argument_specs"]
    return points


def text(description: str | list[str]) -> str:
    """Return a description as Markdown, with Ansible's C(), V() and M() marks as code."""
    joined = " ".join(description) if isinstance(description, list) else description
    return re.sub(r"\b[CMV]\(([^)]*)\)", r"`\1`", joined.strip())


def rows(options: dict[str, dict[str, Any]], prefix: str = "") -> list[str]:
    """Return a table row for each option. The options of a nested dictionary follow the row of the dictionary."""
    lines = []
    for name, option in options.items():
        kind = option.get("type", "str")
        if kind == "list":
            elements = option.get("elements", "str")
            kind = "list" if elements == "raw" else f"list of {elements}"
        if option.get("choices"):
            kind = " or ".join(f"`{choice}`" for choice in option["choices"])
        default = "required" if option.get("required") else ""
        if "default" in option:
            default = f"`{yaml.safe_dump(option['default'], default_flow_style=True, width=1000).splitlines()[0]}`"
        lines.append(f"| `{prefix}{name}` | {kind} | {default} | {text(option['description'])} |")
        lines += rows(option.get("options", {}), f"{prefix}{name}.")
    return lines


def section(title: str, point: dict[str, Any]) -> str:
    """Return the section of an entry point: its subject, its example if it has one, and its options."""
    parts = [f"{title}\n", f"{text(point.get('description', point['short_description']))}\n"]
    if "examples" in point:
        parts.append(f"```yaml\n{point['examples'].rstrip()}\n```\n")
    return "\n".join([*parts, *TABLE_HEAD, *rows(point["options"])]) + "\n"


def record_page(points: dict[str, dict[str, Any]]) -> list[str]:
    """Return the sections of a record's keys, and the list of them."""
    groups = {name: point for name, point in points.items() if name.startswith(RECORD)}
    titles = {name: point["short_description"] for name, point in groups.items()}
    links = [
        f"- [{title}](#{title.lower().replace(' ', '-')}): {', '.join(f'`{key}`' for key in groups[name]['options'])}"
        for name, title in titles.items()
    ]
    sections = [section(f"### {titles[name]}", point) for name, point in groups.items()]
    return ["\n".join([RECORD_HEAD, *links]) + "\n", *sections]


def role_variables(points: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the entry point of a role's variables; for one with several, the last, with the options of all."""
    own = [point for name, point in points.items() if not name.startswith(RECORD)]
    options = {name: option for point in own for name, option in point["options"].items()}
    return {**own[-1], "options": options}


def page() -> str:
    """Return the whole reference. The record comes first, since most readers look for it."""
    parts = [HEAD]
    for role in ROLES:
        points = specs(role)
        parts += record_page(points) if role == "wsgi_app" else []
        parts.append(section(f"## Variables of the role {role}", role_variables(points)))
    return "\n".join(parts)


def annotation(key: str, option: dict[str, Any]) -> str:
    """Return the Python type of an option's checked value."""
    kind = option.get("type", "str")
    if "options" in option:
        name = key.title().replace("_", "")
    elif kind == "list":
        name = f"tuple[{TYPES[option.get('elements', 'str')]}, ...]"
    else:
        name = TYPES[kind]
    optional = not option.get("required") and option.get("default") is None and name != "Any"
    return f"{name} | None" if optional else name


def classes(name: str, about: str, options: dict[str, dict[str, Any]]) -> list[str]:
    """Return the class of some options. The classes of nested dictionaries stand before it."""
    nested = [
        text
        for key, option in options.items()
        if "options" in option
        for text in classes(key.title().replace("_", ""), f"The key ``{key}``", option["options"])
    ]
    fields = [f"    {key}: {annotation(key, option)}" for key, option in options.items()]
    return [*nested, class_text(name, about, fields)]


def class_text(name: str, about: str, fields: list[str]) -> str:
    """Return a frozen dataclass."""
    return "\n".join(["@dataclass(frozen=True)", f"class {name}:", f'    """{about}."""', "", *fields]) + "\n"


def keys_module() -> str:
    """Return the module with a class for each group of keys, and one for all groups."""
    groups = {name.removeprefix(RECORD): point for name, point in specs("wsgi_app").items() if name.startswith(RECORD)}
    parts = [KEYS_HEAD]
    for group, point in groups.items():
        parts += classes(group.title(), point["short_description"], point["options"])
    fields = [f"    {group}: {group.title()}" for group in groups]
    parts.append(class_text("Keys", "All keys of a record, by group", fields))
    return "\n\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    KEYS.write_text(keys_module())
