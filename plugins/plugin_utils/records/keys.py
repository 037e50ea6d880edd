"""The keys of a record, with their types. Written by docs/reference.py from the argument specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Install:
    """What to install."""

    name: str
    source: str
    lock: str | None
    exclude: tuple[str, ...]
    requirements: tuple[str, ...]
    python: str | None
    system_packages: tuple[str, ...]
    extras: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """The key ``entry``."""

    pecan: str | None
    paste: str | None
    name: str | None
    module: str | None
    factory: str | None
    arguments: Any


@dataclass(frozen=True)
class Servers:
    """The key ``servers``."""

    config: str | None
    queues: tuple[str, ...]


@dataclass(frozen=True)
class Make:
    """How the WSGI callable is made."""

    entry: Entry
    config: Mapping[str, Any]
    paste: Mapping[str, Any]
    servers: Servers
    environment: Mapping[str, Any]
    build: Any
    argv: tuple[str, ...]
    home: str | None
    pecan_pieces: bool
    pecan_signatures: bool
    pecan_requests: bool
    pecan_routing: bool
    pecan_accept: bool
    pecan_responses: bool


@dataclass(frozen=True)
class Reach:
    """How clients reach the application."""

    listen: Any
    server_name: str | None
    server_aliases: tuple[str, ...]
    path: str
    health: Any
    static: Mapping[str, Any]
    tls: str
    tls_certificate: str | None
    tls_key: str | None
    allow_from: tuple[str, ...]
    methods: tuple[str, ...]
    client_headers: tuple[str, ...]
    proxy_headers: tuple[str, ...]
    headers: Mapping[str, Any]
    waf: str
    directives: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """How the application runs."""

    processes: int | None
    threads: int | None
    daemon_options: Mapping[str, Any]
    agents: Mapping[str, Any]
    timers: Mapping[str, Any]
    sandbox: Mapping[str, Any]


@dataclass(frozen=True)
class Replace:
    """How a release replaces another."""

    idle: str
    start_timeout: int
    drain_timeout: int
    prepare: Any
    migrate: Any
    migrate_on: str
    migrate_reads: Mapping[str, Any]
    contract: Any
    after: Any
    after_on: str


@dataclass(frozen=True)
class Limits:
    """The limits of requests and processes."""

    max_body: int
    max_url: int
    max_header: int
    max_response_header: int
    chunked_bodies: bool
    buffer_body: int
    buffer_answer: int
    memory_limit: int | None
    request_timeout: int
    max_log: int
    log_days: int


@dataclass(frozen=True)
class Keys:
    """All keys of a record, by group."""

    install: Install
    make: Make
    reach: Reach
    run: Run
    replace: Replace
    limits: Limits
