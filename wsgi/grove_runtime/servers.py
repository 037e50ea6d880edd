"""Try the databases and message brokers that a configuration file of oslo.config names.

Usage: servers.py FILE

A migration begins with this program, run by the release's own Python with its own drivers. For each server that does
not answer or refuses the account, it prints one line with the option, the server, and what to do. The exit code is 1
then. Without this program an operator would get a traceback of the migration.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

CONNECT_SECONDS = 5
"""Seconds that a connection may take: a server on the same network answers in far less."""
DATABASE_SCHEMES = ("mysql", "postgresql")
BROKER_SCHEMES = ("rabbit", "amqp")


def servers(path: str) -> Iterator[tuple[str, str]]:
    """Yield the option, as section.option, and the URL of each database server and broker in the file at ``path``.

    Raises OSError and configparser.Error for a file that cannot be read.
    """
    parser = _parser(path)
    for section in parser.sections():
        for option, value in parser.items(section):
            scheme = urlsplit(value).scheme.partition("+")[0] if "://" in value else ""
            if scheme in (*DATABASE_SCHEMES, *BROKER_SCHEMES):
                yield f"{section}.{option}", value


def keystone_urls(path: str) -> Iterator[str]:
    """Yield the URLs of keystone in the file at ``path``, by which a service asks other ones. Raises as ``servers``."""
    parser = _parser(path)
    for section in parser.sections():
        for option, value in parser.items(section):
            if option == "auth_url" and urlsplit(value).hostname:
                yield value


def options(path: str, section: str) -> dict[str, str]:
    """Return the options of a section of the file at ``path``; empty without the section. Raises as ``servers``."""
    parser = _parser(path)
    return dict(parser.items(section)) if parser.has_section(section) else {}


def _parser(path: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, default_section="\0", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    with open(path, encoding="utf-8") as stream:
        parser.read_file(stream)
    return parser


def try_database(url: str) -> None:
    """Connect to a database and close the connection. Raises what its driver raises."""
    import sqlalchemy

    driver = sqlalchemy.engine.make_url(url).get_dialect().driver
    arguments = {"connect_timeout": CONNECT_SECONDS} if driver in ("pymysql", "mysqldb", "psycopg2", "psycopg") else {}
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool, connect_args=arguments)
    with engine.connect():
        pass


def try_broker(url: str) -> None:
    """Connect to a broker and close the connection. Raises what kombu raises."""
    from kombu import connection

    # oslo.messaging may name several nodes; one that answers is enough.
    nodes, _, virtual_host = url.partition("://")[2].partition("/")
    failure: Exception | None = None
    for node in nodes.split(","):
        address = f"amqp://{node}/{virtual_host.partition('?')[0]}"
        try:
            connect: Any = connection.Connection
            with connect(address, connect_timeout=CONNECT_SECONDS) as opened:
                opened.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
            return
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure


def reason(error: BaseException) -> str:
    """Return the first line of the innermost error, without a URL's password."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"(?<=://)([^\s:/@]*):[^\s/@]+@", r"\1:********@", lines[0])


def remedy(text: str) -> str:
    """Return what to do about an error."""
    if re.search(r"denied|ACCESS_REFUSED|authentication|password|not allowed", text, re.IGNORECASE):
        return "the server runs and refuses the account; compare its password and its rights with the inventory's"
    if re.search(r"unknown database|does not exist|NOT_FOUND|not.found", text, re.IGNORECASE):
        return "the server runs and has no such database or virtual host; run the whole site, which makes it"
    return "see that the server runs and that this host reaches it"


def main(path: str) -> int:
    """Try every server that the file at ``path`` names; return the exit code."""
    exit_code = 0
    for option, url in servers(path):
        parts = urlsplit(url.split(",")[0])
        kind = "database" if parts.scheme.partition("+")[0] in DATABASE_SCHEMES else "message broker"
        attempt: Callable[[str], None] = try_database if kind == "database" else try_broker
        try:
            attempt(url)
        except Exception as error:
            exit_code = 1
            why = reason(error)
            where = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
            print(f"{option}: the {kind} at {where} cannot be used as {parts.username}: {why}; {remedy(why)}")
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
