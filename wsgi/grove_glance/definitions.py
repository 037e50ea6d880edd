"""The metadata definitions that files hold, and which of them are not in a database.

A definition is a tuple: its namespace, and what it is in there, such as ``("property", "hw_cpu_policy")``; of the
namespace itself ``("namespace", "")``. Names are in lower case, since MariaDB takes names that differ in case for one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Definition = tuple[str, str, str]
"""Namespace, kind (``namespace``, ``property``, ``object``, ``tag`` or ``resource type``) and name."""


class DefinitionsError(Exception):
    """The files cannot be used; the message is one line."""


def definition(namespace: str, kind: str, name: str) -> Definition:
    """Return a definition whose names can be compared."""
    return namespace.lower(), kind, name.lower()


def in_files(folder: Path) -> set[Definition]:
    """Return what the files of a folder define. Raises DefinitionsError where it has no file, or one cannot be read."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise DefinitionsError(f"metadata_source_path: found no *.json in {folder}")
    found: set[Definition] = set()
    for path in paths:
        try:
            found |= _in_file(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DefinitionsError(f"{path}: cannot be read as definitions: {error!r}") from error
    return found


def _in_file(content: dict[str, Any]) -> set[Definition]:
    namespace = content["namespace"]
    return {
        definition(namespace, "namespace", ""),
        *(definition(namespace, "property", name) for name in content.get("properties", {})),
        *(definition(namespace, "object", one["name"]) for one in content.get("objects", [])),
        *(definition(namespace, "tag", one["name"]) for one in content.get("tags", [])),
        *(definition(namespace, "resource type", one["name"]) for one in content.get("resource_type_associations", [])),
    }
