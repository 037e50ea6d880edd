"""WSME results as JSON.

Each type is analysed once. WSME's own encoder looks up the type of every member of every item, which takes longer than
the database needs for a list of a hundred.
"""

import datetime as dt
import functools
import json
from collections.abc import Callable
from typing import Any

import pecan
import pecan.templating
import wsme.types

from telemetry import json_text
from telemetry.api.types.base import Timestamp

Convert = Callable[[Any], Any]
PLAIN = (str, int, float, bool, object)


@functools.cache
def converter(datatype: Any) -> Convert | None:
    """Return the function that converts a value of the type to JSON types, or None if no conversion is needed.

    The function does not take None.
    """
    if datatype in PLAIN:
        return None
    if isinstance(datatype, Timestamp):
        return dt.datetime.isoformat
    if isinstance(datatype, wsme.types.UserType):
        return converter(datatype.basetype)
    if isinstance(datatype, wsme.types.ArrayType):
        item = converter(datatype.item_type)
        return None if item is None else lambda values: [None if value is None else item(value) for value in values]
    if isinstance(datatype, wsme.types.DictType):
        return None
    if wsme.types.iscomplex(datatype):
        return _object(datatype)
    raise TypeError(f"{datatype!r} cannot be rendered")


def _object(datatype: Any) -> Convert:
    plan = [(member.key, member.name, converter(member.datatype)) for member in wsme.types.list_attributes(datatype)]
    unset = wsme.types.Unset

    def convert(value: Any) -> dict[str, Any]:
        members = {}
        for key, name, inner in plan:
            member = getattr(value, key)
            if member is not unset:
                members[name] = inner(member) if inner is not None and member is not None else member
        return members

    return convert


class JSONRenderer:
    """Pecan's renderer for the return value of `expose`: a fault, or a result with its type."""

    def __init__(self, path: str, extra_vars: Any) -> None:
        pass

    def render(self, template_path: str, namespace: dict[str, Any]) -> str:
        """Return JSON text."""
        if "faultcode" in namespace:
            return json.dumps(namespace)
        result = namespace["result"]
        convert = converter(namespace["datatype"])
        value = convert(result) if convert is not None and result is not None else result
        try:
            return json_text.dumps(value)
        except ValueError:
            # One such number from an older release or another program must not make a whole list unreadable.
            return json_text.dumps(json_text.finite(value))


pecan.templating._builtin_renderers["telemetryjson"] = JSONRenderer
json_answer = pecan.expose(template="telemetryjson:", content_type="application/json", generic=False)
