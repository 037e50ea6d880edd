"""What to do about a program of an application that fails, as further lines of a message.

The program's own message says what is wrong inside the application. A remedy says what Grove has for it: a key of the
record, or a package of the host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.release import missing

# A redirect that a proxy would spare the client, and other answers that are perhaps right.
TO_HTTPS = re.compile(r"^\S+ answered 3\d\d .* with a redirect to https:", re.MULTILINE)
TO_PATH = re.compile(
    r"^\S+ answered (?P<status>3\d\d) .* with a redirect to (?:http://[^/\s]+)?(?P<path>/\S*)", re.MULTILINE
)
ANSWER = re.compile(r"^(?P<path>/\S*) answered (?P<status>[234]\d\d) ", re.MULTILINE)
PROXY_HINT = (
    "If a proxy ends TLS in front of this host, name the proxy in httpd_trusted_proxies, and say"
    " health: {headers: {X-Forwarded-Proto: https}}. If Apache is to speak TLS, give the record the key tls"
)
# Variables of the environment that an application wants: the messages of Python, django-environ, decouple and Django.
VARIABLE = (
    re.compile(r"(?:<frozen os>|/os\.py).*\n(?:.*\n)*?KeyError: '(?P<name>\w+)'"),
    re.compile(r"Set the (?P<name>\w+) environment variable"),
    re.compile(r"UndefinedValueError: (?P<name>\w+) not found"),
    re.compile(r"environment variable:? [\"'`]?(?P<name>[A-Z][A-Z0-9_]+)"),
)
NO_WRITING = re.compile(
    r"PermissionError: \[Errno 13\][^\n]*'(?P<path>[^'\n]+)'|Read-only file system: '(?P<read_only>[^'\n]+)'"
    r"|unable to open database file|attempt to write a readonly database"
)
NO_FILE = re.compile(r"FileNotFoundError: \[Errno 2\][^\n]*: '(?P<path>[^/'\n][^'\n]*)'")
# What a package looks for in its own folder: Python's own message, and those of jinja2, Django, Mako and Pyramid.
NOT_PACKAGED = re.compile(
    r"FileNotFoundError: \[Errno 2\][^\n]*'[^'\n]*/site-packages/(?P<file>[^'\n]+)'"
    r"|(?:TemplateNotFound|TemplateDoesNotExist): '?(?P<template>[^\s']+)"
    r"|locate template for uri '/?(?P<uri>[^'\n]+)'|Missing template asset: (?P<asset>[^\s(]+)"
)
LIBRARY = re.compile(
    r"\b(?P<library>lib[\w.+-]+?\.so(?:\.\d+)*): cannot open shared object"
    r"|cannot load library '(?P<named>lib[\w.+-]+)'|failed to find (?P<found>libmagic)"
)
# Libraries whose package has another name than Debian's rule gives.
LIBRARY_PACKAGES = {
    "libgeos_c.so.1": "libgeos-c1v5",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0-0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libjpeg.so.62": "libjpeg62-turbo",
    "libmagic": "libmagic1",
    "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
    "libsasl2.so.2": "libsasl2-2",
    "libxml2.so.2": "libxml2",
    "libxslt.so.1": "libxslt1.1",
}
# What a package that is compiled does not find, and the packages of Debian that bring it.
COMPILER = "build-essential, python3-dev"
BUILDING = (
    (r"pg_config executable not found|libpq-fe\.h", f"libpq-dev, {COMPILER}"),
    (
        r"MYSQLCLIENT_CFLAGS|mysql_config|mysql\.h",
        f"default-libmysqlclient-dev, pkg-config, {COMPILER}",
    ),
    (r"lber\.h|ldap\.h|sasl\.h", f"libldap-dev, libsasl2-dev, {COMPILER}"),
    (r"ffi\.h", f"libffi-dev, {COMPILER}"),
    (r"libxml/\w+\.h|libxslt/\w+\.h|xml2-config|xslt-config", f"libxml2-dev, libxslt1-dev, {COMPILER}"),
    (r"openssl/\w+\.h", f"libssl-dev, {COMPILER}"),
    (r"jpeglib\.h|jpeg.*could not be found", f"libjpeg-dev, zlib1g-dev, {COMPILER}"),
    (r"sql\.h|sqlext\.h", f"unixodbc-dev, {COMPILER}"),
    (r"gdal-config", f"libgdal-dev, {COMPILER}"),
    (r"krb5-config|gssapi\.h", f"libkrb5-dev, {COMPILER}"),
    (r"[Gg]it executable not found", "git"),
    (r"can't find Rust compiler|cargo.*(?:not found|No such file|not installed)", f"cargo, {COMPILER}"),
    (r"Python\.h|(?:gcc|g\+\+|cc|c\+\+)\W.*(?:No such file|not found)|Unknown compiler|No C compiler", COMPILER),
)
# Projects that ask their version control for their version, and the variable that names it instead.
UNVERSIONED = (
    (r"\b(SETUPTOOLS_SCM_PRETEND_VERSION(?:_FOR_[A-Z0-9_]+)?) or ", ""),
    (r"setuptools-scm was unable to detect version", "SETUPTOOLS_SCM_PRETEND_VERSION"),
    (r"Versioning for this project requires either an sdist tarball", "PBR_VERSION"),
    (r"Cannot find the version from SCM", "PDM_BUILD_SCM_VERSION"),
    (r"`uv-dynamic-versioning`: Unable to detect version control", "UV_DYNAMIC_VERSIONING_BYPASS"),
)
HEADER = re.compile(r"fatal error: (?P<header>[\w./+-]+\.h): No such file")


def of_build(output: str) -> str:
    """Return what a failed installation lacks of the host; empty where the output of uv does not say."""
    packages = next((packages for pattern, packages in BUILDING if re.search(pattern, output)), "")
    if packages:
        return (
            "\nOn Debian, these packages bring what is missing. Write into the record:\n"
            f"    system_packages: [{packages}]"
        )
    for pattern, variable in UNVERSIONED:
        if named := re.search(pattern, output):
            return (
                "\nThe project asks its version control for its version, and a release gets no such folder as .git."
                " Name the version with a variable beside wsgi_apps:\n"
                f'    uv_environment: {{{variable or named[1]}: "1.0"}}'
            )
    if header := HEADER.search(output):
        return (
            f"\nA package of the distribution brings {header['header']} (apt-file search {header['header']} names it):"
            " add the package to the key system_packages"
        )
    return ""


def of_release(release: Path, output: str) -> str:
    """Return what may help a program of the release in a folder; empty where its output does not say."""
    if library := LIBRARY.search(output):
        name = library["library"] or library["named"] or library["found"]
        return (
            f"\nThe host has no {name}. On Debian, this package should bring the library. Write into the record:\n"
            f"    system_packages: [{_library_package(name)}]"
        )
    if hint := missing.hint(release, output):
        return hint
    remedy = _of_answer(output) or _of_environment(output) or _of_files(release, output)
    return f"\n{remedy}" if remedy else ""


def _library_package(name: str) -> str:
    """Return Debian's package of a shared library: libpq5 for libpq.so.5, libldap-2.5-0 for libldap-2.5.so.0."""
    if name in LIBRARY_PACKAGES:
        return LIBRARY_PACKAGES[name]
    base, _, version = name.partition(".so")
    base, version = base.lower().replace("_", "-"), version.strip(".").partition(".")[0]
    return f"{base}-{version}" if version and base[-1].isdigit() else f"{base}{version}"


def _of_answer(output: str) -> str:
    if TO_HTTPS.search(output):
        return PROXY_HINT
    if redirect := TO_PATH.search(output):
        return (
            "If this redirect is what a client without a session gets, write into the record one of\n"
            f"    health: {redirect['path']}\n    health: {{path: /, status: {redirect['status']}}}"
        )
    if not (answer := ANSWER.search(output)):
        return ""
    if answer["status"] == "400":
        return "If the application knows its own names alone, give the record one of them as the key server_name"
    return (
        "If a healthy application answers this, write into the record the status, or another path:\n"
        f"    health: {{path: {answer['path']}, status: {answer['status']}}}"
    )


def _of_environment(output: str) -> str:
    for pattern in VARIABLE:
        if match := pattern.search(output):
            return (
                f"The key environment sets variables. Write into the record:\n    environment: {{{match['name']}: …}}"
            )
    return ""


def _of_files(release: Path, output: str) -> str:
    if refused := NO_WRITING.search(output):
        path = refused["path"] or refused["read_only"] or ""
        if not path.startswith("/") or "/releases/" in path:
            return (
                "The application cannot write to its release. It may write to its state folder, {state}, and to its log"
                " folder, {logs}: the keys environment, config and entry may have these words. The key build makes"
                " folders and files of the release"
            )
    if (absent := NOT_PACKAGED.search(output)) and (
        remedy := missing.not_packaged(release, absent[absent.lastgroup or 0])
    ):
        return remedy
    if absent := NO_FILE.search(output):
        places: Mapping[str, str] = {"src": "the source", "etc": "the folder {etc}"}
        for folder, words in places.items():
            if (release / folder / absent["path"]).exists():
                return (
                    f"{absent['path']} is in {words}, which is not the working folder: begin the path at __file__, or"
                    " at {release}/src or {etc} in a value of the record"
                )
    return ""
