"""Placeholders in a record's values: ``{NAME}`` stands for a folder of the release, a value of the record, or a brace.

The controller fills in the record's values. The host fills in the folders, since a release's own is known there, and
the brace (``expand`` in ``wsgi/grove_runtime/launch.py``). Templates of configuration files are Jinja's, and get
variables instead: a brace in them is a brace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import ID_MARK

if TYPE_CHECKING:
    from .problems import Problems
    from .record import Record

FOLDERS = ("etc", "release", "state", "logs")
BRACE = "lbrace"
"""The name that HTML gives to ``{``. Doubled braces would be Jinja's in an inventory, and a command line splits away a
backslash."""
IN_STATE = "{state}"
"""The beginning of a folder in ``static`` that is in the state of the application, and not in its source."""
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)


def values_of(record: Record) -> dict[str, str]:
    """Return the values of a record that have placeholders, by name; a brace in them is one for the host."""
    values = {
        "name": record.name,
        "home": record.home,
        "path": record.path,
        "port": str(record.port),
        "processes": str(record.processes),
        "python": record.python,
        "server_name": record.server_name or "",
        "threads": str(record.threads),
        "url": record.url,
    }
    # The host reads them once more.
    return {name: value.replace("{", f"{{{BRACE}}}") for name, value in values.items() if value}


def check_placeholders(record: Record, key: str, text: str, problems: Problems) -> None:
    """Refuse placeholders that stand for nothing. The text may be a secret, and is not shown."""
    values = values_of(record)
    for name in PLACEHOLDER.findall(text):
        if name not in (*FOLDERS, *values, BRACE):
            known = ", ".join(f"{{{one}}}" for one in (*FOLDERS, *values))
            remedy = f"the placeholders are {known}; for the text {{{name}}} itself write {{{BRACE}}}{name}}}"
            problems.add(record.name, key, f"{{{name}}}", remedy)


def fill(value: Any, values: Mapping[str, str]) -> Any:
    """Return a value of a record in which the texts have ``values`` in the place of placeholders; others stay."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, Mapping):
        return {fill(key, values): fill(item, values) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fill(item, values) for item in value)
    return value


def variables_of(record: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables of a template of a configuration file; ``record`` is the build view of its record.

    The id of a release is a hash of its files. So the host puts it into the place of ``ID_MARK``.
    """
    release = f"{record['folder']}/releases/{ID_MARK}"
    places = {"release": release, "etc": f"{release}/etc", "state": record["state"], "logs": record["logs"]}
    seen = fill(dict(environment), {**places, BRACE: "{"})
    return {**places, "record": {**record, "environment": seen}}
