"""What a program of a release sees of the world: an application's module that reports it, wherever it is started.

Releases of tests hold a copy of this file. It uses the standard library alone. As a program it writes the report into
the file that its last argument names; as a WSGI application it answers with the report, and writes it into the folder
``tmp`` beside the folder of the application when the request is for its health.
"""

from __future__ import annotations

import json
import locale
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

TOOL = ("pecan", "--version")
"""A program of the locked virtualenv, with an argument."""
SUMMER = 1_784_635_200
"""A moment in July 2026, in seconds since the epoch."""


def report() -> dict[str, Any]:
    """Return what this process sees."""
    umask = os.umask(0)
    os.umask(umask)
    limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    try:
        called = subprocess.run(TOOL, capture_output=True, text=True, check=False).stdout
    except OSError as error:
        called = str(error)
    return {
        "os.environ": dict(os.environ),
        "cwd": os.getcwd(),
        "umask": oct(umask),
        "account": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
        "groups": sorted(os.getgroups()),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits},
        "locale": {name: locale.setlocale(getattr(locale, name)) for name in ("LC_CTYPE", "LC_TIME", "LC_NUMERIC")},
        "encoding": [sys.getfilesystemencoding(), locale.getpreferredencoding(False).lower()],
        "zone": [*time.tzname, time.strftime("%z %Z", time.localtime(SUMMER))],
        "sys.path": sys.path,
        "sys.argv": sys.argv,
        "sys.prefix": [sys.prefix, sys.exec_prefix, sys.executable],
        "tool": [shutil.which(TOOL[0]), called],
        "stdin": os.readlink("/proc/self/fd/0"),
    }


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with the report and the WSGI environment, and leave a copy."""
    simple = (str, int, tuple)
    shown = {key: value if isinstance(value, simple) else type(value).__name__ for key, value in environ.items()}
    text = json.dumps({**report(), "environ": shown})
    if environ["wsgi.url_scheme"] != os.environ.get("SCHEME", "http"):
        start_response("301 Moved", [("Location", "https://" + environ["HTTP_HOST"] + "/")])
        return [b""]
    name, _, _ = environ["HTTP_HOST"].partition(":")
    if name not in os.environ.get("NAMES", name).split(","):
        start_response("400 Bad Request", [])
        return [b"this host is not allowed"]
    with open(os.path.join(os.environ["REPORTS"], f"{time.monotonic_ns()}.json"), "w") as stream:
        stream.write(text)
    start_response(os.environ.get("STATUS", "200") + " Answer", [("Content-Type", "application/json")])
    return [text.encode()]


def main() -> None:
    """Write the report into the file that the command line names."""
    with open(sys.argv[-1], "w", encoding="utf-8") as stream:
        json.dump(report(), stream)


if __name__ == "__main__":
    main()
