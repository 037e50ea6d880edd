"""What the consumers of a value can read: Apache, systemd, uv, apt, the kernel, INI files.

A function returns the remedy for a text that its consumer cannot read or would read as something else. For a text that
can be used it returns an empty one. No function looks at a file or a host.
"""

from __future__ import annotations

import ipaddress
import keyword
import math
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from .limits import (
    ARGUMENT_BYTES,
    ENVIRONMENT_BYTES,
    FILE_NAME_BYTES,
    HOST_LABEL_LENGTH,
    HOST_NAME_LENGTH,
    LARGEST_NUMBER,
    PATH_BYTES,
    URL_PATH_LENGTH,
)

# Everything that ends a line for some reader, that a terminal obeys, or that UTF-8 cannot hold. A tab is a space.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What no environment and no command line can hold.
NOT_FOR_THE_KERNEL = re.compile("[\x00\ud800-\udfff]")

LABEL = re.compile(rf"[A-Za-z0-9_]([A-Za-z0-9_-]{{0,{HOST_LABEL_LENGTH - 2}}}[A-Za-z0-9_])?")
URL_PATH = re.compile(r"/[\w./~-]*", re.ASCII)
URL_PATH_REMEDY = "letters, digits, ., _, ~, - and single slashes are possible"
# The path of a URL (RFC 3986) without what is encoded: the trial hands it to the application as PATH_INFO.
HEALTH_PATH = re.compile(r"/[\w.~!$&'()*+,;=:@/-]*", re.ASCII)
# Unquoted in Apache's configuration, in units, in entries of cron and in SELinux's patterns.
PLAIN_PATH = re.compile(r"(/[\w.+@~-]+)+", re.ASCII)
# Debian's and Red Hat's names, with an architecture and a version. apt removes a package whose name ends with a hyphen.
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*(?<!-)(:[a-z0-9]+)?(=[A-Za-z0-9.+~:-]+)?")
DIRECT_URLS = ("https", "http", "file")
GIT_URLS = ("git+https", "git+ssh", "git+http", "git+file", "git+git")
LOCALE = re.compile(r"[A-Za-z0-9_.@-]+")


def control_fault(text: str, possible: re.Pattern[str] = CONTROL) -> str:
    """Return what a text has that one line of text cannot have, as words, or nothing. The text itself is not shown."""
    found = possible.search(text)
    if found is None:
        return ""
    name = "an unpaired surrogate" if "\ud800" <= found[0] <= "\udfff" else "a control character"
    return f"a text with {name} (U+{ord(found[0]):04X})"


def faults(value: object, key: str, possible: re.Pattern[str] = CONTROL) -> Iterator[tuple[str, str, str]]:
    """Yield key, actual and remedy for everything in a value of dictionaries and lists that no consumer can read.

    ``key`` is where the value stands. Texts are not shown: they may be secrets.
    """
    if isinstance(value, str):
        if fault := control_fault(value, possible):
            yield key, fault, "it has to be one line of text; YAML adds a line end after | and >, but not after >-"
    elif isinstance(value, Mapping):
        names: dict[str, object] = {}
        for name, item in value.items():
            if isinstance(name, bool) or not isinstance(name, (str, int)):
                yield f"{key}.{name}", "a name that is no text", "put the name in quotes"
                continue
            if fault := control_fault(str(name)) or ("" if str(name) else "an empty name"):
                yield f"{key}.{name}", fault.replace("a text", "a name"), "a name is one line of text"
            if str(name) in names:
                yield f"{key}.{name}", "two names with the same text", "keep one"
            names[str(name)] = name
            yield from faults(item, f"{key}.{name}", possible)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from faults(item, f"{key}[{number}]", possible)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield key, "a number that is none (NaN or infinity)", "it has to be a number, or a text in quotes"
    elif isinstance(value, int):
        if abs(value) > LARGEST_NUMBER:
            yield key, f"a number with {value.bit_length()} bits", "numbers have 64 bits at most"
    elif value is not None:
        yield key, f"a {type(value).__name__}", "it has to be a text; put it in quotes"


def host_name(text: str, *, wildcard: bool = False) -> str:
    """Check a host name; with ``wildcard`` it may begin with ``*.``."""
    name = text.removeprefix("*.") if wildcard else text
    if len(name) > HOST_NAME_LENGTH or not all(LABEL.fullmatch(label) for label in name.split(".")):
        return (
            f"it has to be a host name: {HOST_NAME_LENGTH} characters at most, and {HOST_LABEL_LENGTH} between two dots"
        )
    return ""


def url_path(text: str) -> str:
    """Check a URL path that Apache gets as a location, an alias and a regular expression."""
    if not text.startswith("/"):
        return "it has to start with /"
    if not URL_PATH.fullmatch(text) or "//" in text:
        return URL_PATH_REMEDY
    return _dots(text) or _length(text)


def health_path(text: str) -> str:
    """Check the path of the health request: a line of HTTP, and an application's PATH_INFO."""
    if not text.startswith("/"):
        return "a path starts with /"
    if not HEALTH_PATH.fullmatch(text) or "//" in text:
        return "it has to be a path without spaces, a query, % and double slashes"
    return _dots(text) or _length(text)


def _dots(path: str) -> str:
    return "Apache resolves . and .., so the path may not have them" if {".", ".."} & set(path.split("/")) else ""


def _length(path: str) -> str:
    return f"it may have {URL_PATH_LENGTH} characters at most" if len(path) > URL_PATH_LENGTH else ""


def network(text: str) -> str:
    """Check an address or a network as Apache's ``Require ip`` and ``RemoteIPInternalProxy`` read it."""
    remedy = "it has to be an address or a network such as 10.0.0.0/8"
    if "%" in text:
        return remedy
    try:
        parsed = ipaddress.ip_network(text)
    except ValueError:
        with_host_bits = None
        try:
            with_host_bits = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return remedy
        return f"the network is {with_host_bits}; the address {text.partition('/')[0]} alone is one, too"
    if isinstance(parsed, ipaddress.IPv6Network) and parsed.network_address.ipv4_mapped is not None:
        return "Apache reads no IPv4 address in the form of IPv6; write the IPv4 address or network"
    if parsed.prefixlen == 0:
        return "Apache reads no network of all addresses; without the key every client is meant"
    mask = text.partition("/")[2]
    if mask and not mask.isdigit() and mask != str(parsed.netmask):
        return f"Apache does not read that mask; write {parsed}"
    return ""


def address(text: str) -> str:
    """Check an IP address, an IPv6 address in brackets or not, without a zone."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return "it has to be an IP address"
    if "%" in bare or (bare != text and parsed.version == 4):
        return "it has to be an IP address, an IPv6 address without a zone"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return "it has to be the IPv4 address itself"
    return ""


def listen_host(text: str) -> str:
    """Check an address as of ``address``, or a host name, on which Apache listens."""
    if not address(text):
        return ""
    # The resolver reads names such as 127.1 as addresses.
    if not host_name(text) and not text.rpartition(".")[2].isdigit():
        return ""
    return "it has to be an IP address, an IPv6 address without a zone, or a host name"


def plain_listen_host(text: str) -> str:
    """Return what ``listen_host`` accepts in its usual form: an address without brackets, or a name in lower case."""
    return ipaddress.ip_address(text.strip("[]")).compressed if not address(text) else text.lower()


def plain_path(text: str) -> str:
    """Check an absolute path that stands without quotes in configuration files, units and entries of cron."""
    if not PLAIN_PATH.fullmatch(text) or {".", ".."} & set(text.split("/")):
        return (
            "it has to be an absolute path of letters, digits, and . _ + @ ~ -, without . and .. and a slash at the end"
        )
    return path_length(text)


def quoted_path(text: str) -> str:
    """Check an absolute path that stands in quotes in Apache's configuration."""
    if (
        not text.startswith("/")
        or control_fault(text)
        or set(text) & set('"\\')
        or "${" in text
        or ".." in text.split("/")
    ):
        return "it has to be an absolute path without .., quotes, backslashes and ${"
    return path_length(text)


def path_length(text: str) -> str:
    """Check a path against the kernel's limits."""
    if len(os.fsencode(text)) > PATH_BYTES or any(len(os.fsencode(name)) > FILE_NAME_BYTES for name in text.split("/")):
        return f"a path has {PATH_BYTES} bytes at most, and each name in it {FILE_NAME_BYTES}"
    return ""


def file_below(text: str) -> str:
    """Check the path of a file or a folder below a folder of the release."""
    if not text or text == "." or os.path.isabs(text) or os.path.normpath(text) != text or ".." in text.split("/"):
        return "it has to be a path inside that folder, without . and .. and a slash at the end"
    return path_length(text)


def package(text: str) -> str:
    """Check the name of a package for apt or dnf."""
    return "" if PACKAGE.fullmatch(text) else "it has to be the name of a package, such as libxml2 or libxml2=2.9.14"


def requirement(text: str) -> str:
    """Check a requirement (PEP 508), or the URL of a package."""
    if text.partition(":")[0] in DIRECT_URLS:
        return _url(text, DIRECT_URLS)
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        return "it has to be a requirement such as bookstore==1.0, a folder, a wheel, or a VCS address"
    return _url(parsed.url, (*DIRECT_URLS, *GIT_URLS)) if parsed.url else ""


def vcs_address(text: str) -> str:
    """Check a VCS address, which uv hands to git."""
    return _url(text, GIT_URLS)


def _url(text: str, schemes: tuple[str, ...]) -> str:
    remedy = f"it has to be a URL without spaces that begins with one of {', '.join(f'{name}://' for name in schemes)}"
    try:
        parts = urlsplit(text)
    except ValueError:
        return remedy
    if parts.scheme not in schemes or not text.startswith(f"{parts.scheme}://") or re.search(r"[\s\"'<>\\^`{|}]", text):
        return remedy
    revision = parts.path.rpartition("@")[2] if "@" in parts.path else ""
    host = parts.netloc.rpartition("@")[2]
    if host.startswith("-") or revision.startswith("-") or not (host or parts.scheme in ("file", "git+file")):
        return "git would take a host or a revision that begins with a hyphen as an option" if host else remedy
    return ""


def wheel_name(path: str) -> str:
    """Check the file name of a wheel, from which uv reads what the wheel holds."""
    try:
        parse_wheel_filename(os.path.basename(path))
    except InvalidWheelFilename:
        return "the file name of a wheel is NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
    return ""


def importable(text: str) -> str:
    """Check a dotted name of Python."""
    for part in text.split("."):
        if not part.isidentifier() or keyword.iskeyword(part) or unicodedata.normalize("NFKC", part) != part:
            return "it has to be names of Python, with dots between them"
    return ""


def argument(text: str) -> str:
    """Check an argument, or a variable with its name, against the kernel's limit."""
    return f"it may have {ARGUMENT_BYTES - 1} bytes at most" if len(os.fsencode(text)) >= ARGUMENT_BYTES else ""


def environment_size(variables: Mapping[str, str]) -> str:
    """Check a whole environment, which shares the kernel's space with the command line."""
    size = sum(len(os.fsencode(f"{name}={value}")) + 1 for name, value in variables.items())
    return f"all variables together may have {ENVIRONMENT_BYTES} bytes" if size > ENVIRONMENT_BYTES else ""
