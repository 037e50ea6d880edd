"""Checking the headers of requests that a record lets through to its application."""

from __future__ import annotations

import re

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


def check_request_headers(record: Record, problems: Problems) -> None:
    """Check ``client_headers`` and ``proxy_headers``."""
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
