"""The map and the explanation as lines of text, and as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .parts import Answer, Code, Node, Request, Step

RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder of Grove's own packages in a release, which is not in the application's path."""


def place(code: Code | None) -> str:
    """Return name, file and line; the file is relative to its entry in Python's path, as an import names it."""
    if code is None:
        return ""
    if not code.file:
        return code.name
    entries = [entry for entry in [*sys.path, RUNTIME] if entry and code.file.startswith(entry.rstrip("/") + "/")]
    file = code.file[len(max(entries, key=len).rstrip("/")) + 1 :] if entries else code.file
    return f"{code.name} ({file}:{code.line})" if code.line else f"{code.name} ({file})"


def tree(node: Node, depth: int = 0) -> list[str]:
    """Return the lines of a node and what is below it."""
    words = [node.kind, ",".join(node.methods), node.path, node.name, place(node.code)]
    line = "  " * depth + " ".join(word for word in words if word)
    if node.arguments:
        line += f" [{', '.join(node.arguments)}]"
    if node.content_types:
        line += f" -> {', '.join(node.content_types)}"
    inner = "  " * (depth + 1)
    lines = [line]
    lines += [f"{inner}# {note}" for note in node.notes if note]
    if node.dynamic:
        lines.append(f"{inner}# dynamic: {node.dynamic}")
    for child in node.children:
        lines += tree(child, depth + 1)
    return lines


def explanation(request: Request, steps: Sequence[Step], answer: Answer) -> list[str]:
    """Return the lines that tell what a request passes through, and what answers it."""
    query = f"?{request.query}" if request.query else ""
    lines = [f"{request.method} {request.path}{query}"]
    lines += [
        "  " + " ".join(word for word in (f"{step.kind:<14}", step.text, place(step.code)) if word) for step in steps
    ]
    if answer.kind == "function":
        lines.append(f"answered by {place(answer.code)}")
    elif answer.kind == "refused":
        lines.append(f"answered with {answer.status}: {answer.text}")
    else:
        lines.append(f"cannot be told without the request: {answer.text}")
        if answer.code:
            lines.append(f"  see {place(answer.code)}")
    if answer.kind == "function" and answer.text:
        lines.append(f"  {answer.text}")
    lines += [f"  {name} = {value!r}" for name, value in answer.arguments.items()]
    return lines


def data(thing: Any) -> Any:
    """Return a node, step or answer as JSON can hold it; other values than texts and numbers as Python shows them."""
    return _plain(asdict(thing))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)
