"""Run a program that does not tell systemd when it is ready, and tell systemd when one of its functions has returned.

Usage: ready.py [--attempts NUMBER] MODULE:FUNCTION MODULE:FUNCTION [ARGUMENT...]

The first function is the one that makes the program ready, and may be a method of a class (MODULE:CLASS.METHOD). The
second one is the program itself, as an entry point of its package names it. Without systemd, the program runs alone.

With ``--attempts``, the program makes so many more attempts at a request that a service answers with 503 (retrying.py).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import runpy
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def notify() -> None:
    """Tell systemd once that this process is ready; see sd_notify(3)."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if not address:
        return
    # systemd that is away does not end a program that is ready.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.connect("\0" + address[1:] if address.startswith("@") else address)
        systemd.send(b"READY=1")


def located(text: str) -> tuple[Any, str, Callable[..., Any]]:
    """Return the object that has the function MODULE:FUNCTION as an attribute, the attribute's name, and the function.

    Raises ValueError, ImportError and AttributeError.
    """
    module, colon, path = text.partition(":")
    if not colon:
        raise ValueError(f"{text} is not MODULE:FUNCTION")
    *parents, name = path.split(".")
    holder = functools.reduce(getattr, parents, importlib.import_module(module))
    return holder, name, getattr(holder, name)


def main(words: list[str]) -> object:
    """Run the program; return what it returns."""
    attempts = 0
    if words[:1] == ["--attempts"]:
        attempts = int(words[1]) if words[1:] and words[1].isdecimal() else sys.exit(__doc__)
        words = words[2:]
    if len(words) < 2:
        sys.exit(__doc__)
    # A program may have to be imported first, as one that patches modules before others import them.
    _, name, program = located(words[1])
    if attempts:
        # The folder of this file is not where the program's modules are looked for.
        runpy.run_path(str(Path(__file__).with_name("retrying.py")))["ask_again"](attempts)
    holder, attribute, function = located(words[0])

    @functools.wraps(function)
    def notifying(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        notify()
        return result

    setattr(holder, attribute, notifying)
    sys.argv = [name, *words[2:]]
    return program()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))  # type: ignore[arg-type]
