"""The call of an entry whose application is made by a function of a package, such as ``flaskr:create_app()``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .keys import Entry
from .limits import ENTRY_DEPTH
from .placeholders import fill
from .problems import kind_of_value, plain

LITERALS = (str, bytes, bool, int, float, type(None))
CALL_REMEDY = (
    "the arguments have to be literals of Python, such as create_app('production', debug=False); give others with the"
    " environment or a configuration file"
)
ARGUMENTS_REMEDY = "it has to be a list of arguments, or a dictionary with their names"
ARGUMENT_REMEDY = "an argument has to be a text, a number, true, false, null, or a list or a dictionary of these"


@dataclass(frozen=True)
class Call:
    """The function as ``package.module:function``, and the Python source of the list of its arguments and of the
    dictionary of those with names.
    """

    function: str
    arguments: str
    keywords: str


class CallError(ValueError):
    """An entry names no call that can be made; ``actual`` was found under ``key``."""

    def __init__(self, key: str, actual: str, remedy: str) -> None:
        super().__init__(f"{key}: found {actual}; {remedy}")
        self.key, self.actual, self.remedy = key, actual, remedy


def call_of(entry: Entry, values: Mapping[str, str]) -> Call | None:
    """Return the call that makes the application; None where the entry makes it in another way, or cannot be used.

    ``values`` replace placeholders in texts.
    """
    if not is_call(entry):
        return None
    try:
        function, arguments, keywords = parts(entry)
    except CallError:
        return None
    return Call(function, repr(fill(arguments, values)), repr(fill(keywords, values)))


def is_call(entry: Entry) -> bool:
    """Return whether the application is made by a call."""
    return entry.factory is not None or (entry.module is not None and "(" in entry.module)


def parts(entry: Entry) -> tuple[str, list[Any], dict[str, Any]]:
    """Return the name of the function, its arguments, and those with names. Raises CallError."""
    if entry.factory is None:
        function, arguments, keywords = _parsed(entry.module or "")
        key = "entry.module"
    else:
        function, key, arguments, keywords = entry.factory, "entry.arguments", [], {}
        if isinstance(entry.arguments, Mapping):
            keywords = plain(entry.arguments)
        elif isinstance(entry.arguments, (list, tuple)):
            arguments = plain(entry.arguments)
        elif entry.arguments is not None:
            raise CallError(key, kind_of_value(entry.arguments), ARGUMENTS_REMEDY)
    for value in (*arguments, *keywords.values()):
        if actual := _fault(value):
            raise CallError(key, actual, ARGUMENT_REMEDY)
    for name in keywords:
        if not isinstance(name, str) or not name.isidentifier():
            raise CallError(
                key, repr(name), "an argument's name has letters, digits and _, and no digit at its beginning"
            )
    return function, arguments, keywords


def texts(value: object) -> Iterator[str]:
    """Yield the texts in an argument."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from (*texts(key), *texts(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)


def _parsed(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    module, _, expression = text.partition(":")
    try:
        node = ast.parse(expression.strip(), mode="eval").body
        if not isinstance(node, ast.Call):
            raise ValueError(expression)
        arguments = [ast.literal_eval(value) for value in node.args]
        keywords = {str(keyword.arg or ""): ast.literal_eval(keyword.value) for keyword in node.keywords}
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise CallError("entry.module", repr(text), CALL_REMEDY) from error
    return f"{module}:{ast.unparse(node.func)}", arguments, keywords


def _fault(value: object, depth: int = ENTRY_DEPTH) -> str:
    """Return what is wrong with an argument, as text; empty when Python can write it as a literal."""
    if depth == 0:
        return f"more than {ENTRY_DEPTH} lists or dictionaries inside each other"
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set)):
        inner = list(value)
    elif isinstance(value, LITERALS) and (not isinstance(value, float) or abs(value) < float("inf")):
        return ""
    else:
        return kind_of_value(value)
    return next(filter(None, (_fault(part, depth - 1) for part in inner)), "")
