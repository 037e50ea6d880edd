"""Tell which code of this release answers a request.

Without --explain: the map of URLs. The release is loaded as a daemon process loads it, and gets no request.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from . import read_paste, registry, text
from .parts import parse_request
from .walking import Walk

BAD_REQUEST, NOT_LOADED = 2, 1


def main(words: list[str], load: Callable[[str], Any], release: str = "") -> int:
    """Run the command with the ``words`` of its command line; return the exit code.

    ``load`` returns the WSGI callable of the release in a folder. Without ``release``, the command file's own is taken.
    """
    parser = argparse.ArgumentParser(prog="grove_routes", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--explain", metavar="REQUEST", help="tell what answers 'METHOD URL', or 'METHOD URL JSON'")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE", help="a header of that request")
    parser.add_argument(
        "--lookup", action="store_true", help="call the methods of the application that choose a controller"
    )
    options = parser.parse_args(words)
    try:
        request = parse_request(options.explain, options.header) if options.explain is not None else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return BAD_REQUEST
    folder = release or os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    sys.argv[:] = ["mod_wsgi"]
    names = read_paste.Names()
    with _quiet() as output:
        try:
            names.install()
            application = load(folder)
        except BaseException as error:
            traceback.print_exc()
            print(
                f"the release cannot be loaded, so its map cannot be read: {type(error).__name__}: {error}",
                file=sys.stderr,
            )
            return NOT_LOADED
        walk = Walk(registry.READERS, names.named, options.lookup)
        try:
            if request is None:
                node = walk.node(application)
                lines, content = text.tree(node), text.data(node)
            else:
                answer = walk.explain(application, request)
                lines = text.explanation(request, walk.steps, answer)
                steps = [text.data(step) for step in walk.steps]
                content = {"request": text.data(request), "steps": steps, "answer": text.data(answer)}
        except Exception as error:
            traceback.print_exc()
            last = f" after {text.place(walk.steps[-1].code) or walk.steps[-1].text}" if walk.steps else ""
            print(f"the map cannot be read{last}: {type(error).__name__}: {error}", file=sys.stderr)
            return NOT_LOADED
        output.write(json.dumps(content, indent=1) + "\n" if options.json else "\n".join(lines) + "\n")
    return 0


@contextlib.contextmanager
def _quiet() -> Iterator[TextIO]:
    """Yield the standard output, to which nothing else writes meanwhile: an application may print while it loads."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as output, contextlib.redirect_stdout(sys.stderr):
            yield output
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
