"""Checking the methods and headers of requests that reach an application, and the headers of its answers."""

from __future__ import annotations

import re

from .headers import check_answer_headers
from .problems import Problems, shown
from .record import Record

# mod_wsgi passes no header whose name has another character.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)
# Headers that say where a client is, or which address it has asked for. Only a proxy can know better than Apache.
OF_PROXIES = re.compile(
    r"(X-)?(Forward|Original|Originating|Rewrit|Real-|True-|Cluster-|CF-|Fastly-|Front-End-|Script-Name|Path-Info)\S*"
    r"|(X-)?(Client|Remote|Proxy-Client|WL-Proxy-Client)-?(IP|Addr)\S*|(WL-)?Proxy|X-(Url-|Request-)?(Scheme|Proto|Host|Port|Prefix)",
    re.IGNORECASE,
)
# Tokens of RFC 9110; methods are case-sensitive, and all that are in use have capital letters.
METHOD = re.compile(r"[A-Z][A-Z0-9-]{0,31}", re.ASCII)
# CONNECT asks for a tunnel, and Apache refuses TRACE (TraceEnable).
NO_METHODS = ("CONNECT", "TRACE")


def check_requests(record: Record, problems: Problems) -> None:
    """Check ``methods``, ``client_headers``, ``proxy_headers`` and ``headers``."""
    methods = record.keys.reach.methods
    for method in methods:
        if not METHOD.fullmatch(method) or method in NO_METHODS:
            remedy = "it has to be a method in capital letters, such as PROPFIND; CONNECT and TRACE are not possible"
            problems.add(record.name, "methods", shown(method), remedy)
    if "GET" not in methods:
        problems.add(record.name, "methods", shown(methods), "GET has to be one of them, which the health check uses")
    _check_headers(record, problems)
    check_answer_headers(record.name, record.keys.reach.headers, problems)


def _check_headers(record: Record, problems: Problems) -> None:
    reach = record.keys.reach
    for key, names in (("client_headers", reach.client_headers), ("proxy_headers", reach.proxy_headers)):
        for name in names:
            if not NAME.fullmatch(name):
                remedy = "the name of a header has letters, digits and -, such as X-HTTP-Method-Override"
                problems.add(record.name, key, shown(name), remedy)
            elif name.lower() == "proxy":
                remedy = "programs take this header for the address of their own proxy; remove it"
                problems.add(record.name, key, shown(name), remedy)
            elif key == "client_headers" and OF_PROXIES.fullmatch(name):
                remedy = "no client may say this; name it in proxy_headers, and the proxy in httpd_trusted_proxies"
                problems.add(record.name, key, shown(name), remedy)
