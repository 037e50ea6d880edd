#!/usr/bin/env python3
"""Write docs/reference.md from the argument specs of the roles, the only place where variables are described."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference.md"
ROLES = (
    "wsgi_app",
    "mod_wsgi",
    "httpd",
    "uv",
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
    "debian_packages",
)
HEAD = """# Reference

Generated from `roles/*/meta/argument_specs.yml` by `docs/reference.py`; change it there.
"""


def text(description: str | list[str]) -> str:
    """Return a description as Markdown, with Ansible's C(), V() and M() marks as code."""
    joined = " ".join(description) if isinstance(description, list) else description
    return re.sub(r"\b[CMV]\(([^)]*)\)", r"`\1`", joined.strip())


def rows(options: dict[str, dict[str, Any]], prefix: str = "") -> list[str]:
    """Return a table row for each option, those of a nested dictionary behind it."""
    found = []
    for name, option in options.items():
        kind = option.get("type", "str")
        if kind == "list":
            kind = f"list of {option.get('elements', 'str')}"
        if option.get("choices"):
            kind = " or ".join(f"`{choice}`" for choice in option["choices"])
        default = "required" if option.get("required") else ""
        if "default" in option:
            default = f"`{yaml.safe_dump(option['default'], default_flow_style=True, width=1000).splitlines()[0]}`"
        found.append(f"| `{prefix}{name}` | {kind} | {default} | {text(option['description'])} |")
        found += rows(option.get("options", {}), f"{prefix}{name}.")
    return found


def page() -> str:
    """Return the whole reference."""
    parts = [HEAD]
    for role in ROLES:
        specs = yaml.safe_load((REPOSITORY / "roles" / role / "meta" / "argument_specs.yml").read_text())
        points = specs["argument_specs"]
        # The record first: it is what most readers came for.
        for point in sorted(points, key=lambda name: name != "record"):
            title = "A record of wsgi_apps" if point == "record" else f"Variables of the role {role}"
            about = text(points[point].get("description", points[point]["short_description"]))
            table = rows(points[point]["options"])
            parts.append(f"## {title}\n\n{about}\n")
            parts.append("\n".join(["| name | type | default | meaning |", "|---|---|---|---|", *table]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
