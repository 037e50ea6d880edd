"""The headers of answers: those that Grove adds by itself, and those of the key ``headers``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .problems import Problems, shown

NAME = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]+", re.ASCII)
VALUE = re.compile(r"[\t\x20-\x7e]+", re.ASCII)
# Headers that Apache computes for each answer, and those that an application alone can know.
NOT_FIXED = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-range", "content-type", "date", "keep-alive"),
        *("server", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate", "location"),
        *("x-grove-release", "x-grove-process"),
    }
)
# Browsers run what these types hold as a page or a program, and the strict policy of an API would break it.
PAGES = "text/html|application/xhtml|text/javascript|application/(x-)?javascript"

# Safe for the API and the pages of an application that does not think of browsers. A pair has the values for PAGES and
# for all other types.
DEFAULTS: dict[str, str | tuple[str, str]] = {
    # An answer of an API that a browser is made to show loads and runs nothing. Other sites do not frame a page.
    "Content-Security-Policy": ("frame-ancestors 'self'", "default-src 'none'; frame-ancestors 'none'"),
    # URLs may hold names and tokens. The own site gets them: some frameworks compare the Referer of a form.
    "Referrer-Policy": "same-origin",
    # A browser does not guess that an upload is a page.
    "X-Content-Type-Options": "nosniff",
    # For browsers without frame-ancestors.
    "X-Frame-Options": "SAMEORIGIN",
}
WITH_TLS = {"Strict-Transport-Security": "max-age=63072000"}


def answer_headers(written: Mapping[str, Any], *, tls: bool) -> tuple[Mapping[str, Any], ...]:
    """Return the headers of an application's answers, as Apache's template takes them.

    Each has ``name`` and ``value``; ``replaces``, whether it replaces that of the application; and ``types``, empty or
    a condition of Apache on the content type.
    """
    own = {str(name).lower() for name in written}
    headers = []
    for name, value in {**DEFAULTS, **(WITH_TLS if tls else {})}.items():
        if name.lower() in own:
            continue
        if isinstance(value, str):
            headers.append(_header(name, value))
        else:
            headers.append(_header(name, value[0], types=f"%{{CONTENT_TYPE}} =~ m#^({PAGES})#i"))
            headers.append(_header(name, value[1], types=f"%{{CONTENT_TYPE}} !~ m#^({PAGES})#i"))
    headers += [_header(str(name), value, replaces=True) for name, value in written.items() if isinstance(value, str)]
    return tuple(headers)


def _header(name: str, value: str, *, replaces: bool = False, types: str = "") -> dict[str, Any]:
    """Return one header. In its value, Apache takes % for a format and a backslash for a quote."""
    quoted = value.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return {"name": name, "value": quoted, "replaces": replaces, "types": types}


def check_answer_headers(record: str, written: Mapping[str, Any], problems: Problems) -> None:
    """Check the key ``headers`` of the record with that name."""
    seen: set[str] = set()
    for name, value in written.items():
        key = f"headers.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            problems.add(record, "headers", shown(name), "the name of a header has letters, digits and -")
        elif name.lower() in NOT_FIXED:
            problems.add(record, key, "a header that each answer has its own of", "remove it")
        elif name.lower() in seen:
            problems.add(record, key, "the same header twice", "names of headers are the same in any case; remove one")
        elif value is not None and (not isinstance(value, str) or not VALUE.fullmatch(value) or "${" in value):
            remedy = "it has to be one line of printable ASCII characters without ${, or null to remove the header"
            problems.add(record, key, shown(value), remedy)
        seen.add(str(name).lower())
