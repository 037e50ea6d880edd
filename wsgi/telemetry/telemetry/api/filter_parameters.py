"""The parameters of filters in a URL: q.field, q.op, q.value and q.type, and the like.

WSME makes the n-th filter of the n-th q.field, the n-th q.op and so on. A URL may leave out some of them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import webob.multidict
import wsme.types

from telemetry.api.errors import InvalidInput
from telemetry.api.types.query import Query
from telemetry.i18n import _

Items = Sequence[tuple[str, str]]


def completed(definition: Any, parameters: Any) -> Any:
    """Return the parameters of a request for the arguments of a call, with an empty text for each one left out.

    Raises a 400 for a `q.value` without its `q.field`, and for a q.op or q.type of which the URL does not say to which
    field it belongs. WSME would add them to another filter.
    """
    for argument in definition.arguments:
        item = getattr(argument.datatype, "item_type", None)
        if not wsme.types.iscomplex(item):
            continue
        first, *others = (f"{argument.name}.{attribute.name}" for attribute in wsme.types.list_attributes(item))
        count = len(parameters.getall(first))
        for name in others:
            values = parameters.getall(name)
            if len(values) > count:
                raise InvalidInput(name, values[count], _("There is no %s for it") % first)
        # Which aggregate a parameter belongs to depends on the functions: see controllers/v2/meters.py.
        if item is Query:
            parameters = _completed(list(parameters.items()), first, others, count)
    return parameters


def _completed(parameters: Items, first: str, others: Sequence[str], count: int) -> webob.multidict.MultiDict:
    counts = {name: sum(key == name for key, _value in parameters) for name in others}
    partial = [name for name, present in counts.items() if 0 < present < count]
    # A filter without a value is refused later, with a better text.
    optional = [name for name in partial if name != f"{first.rpartition('.')[0]}.value"]
    if not optional:
        return webob.multidict.MultiDict(parameters)
    names = {first, *others}
    blocks = list(_blocks([item for item in parameters if item[0] in names], first))
    if any(len({key for key, _value in block}) < len(block) for block in blocks) or len(blocks) != count:
        value = next(value for key, value in parameters if key == optional[0])
        raise InvalidInput(optional[0], value, _("There must be as many as there are of %s") % first)
    filled = [item for item in parameters if item[0] not in names]
    for block in map(dict, blocks):
        filled += [(name, block.get(name, "")) for name in (first, *others) if name in block or name in optional]
    return webob.multidict.MultiDict(filled)


def _blocks(items: Items, first: str) -> Iterator[Items]:
    """Yield the parameters of each filter. Each filter begins with the parameter `first`."""
    block: list[tuple[str, str]] = []
    for item in items:
        if item[0] == first and block:
            yield block
            block = []
        block.append(item)
    if block:
        yield block
