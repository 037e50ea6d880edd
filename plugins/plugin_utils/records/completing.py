"""Completing a record: defaults that depend on the host, files of the controller, and the places that follow from it.

Completing refuses nothing. Where a value cannot be used, the field has an empty one, and a check names the problem.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ..mpm import per_core
from . import mod_wsgi_options, syntax
from .copies import MODE, Copy, is_copy
from .factory import call_of
from .headers import answer_headers
from .health import host_header, read_health
from .keys import Entry, Keys
from .limits import PORT_DIGITS, PORTS, THREADS
from .placeholders import values_of
from .record import COLOURS, Agent, PasteFile, Record, Source, Timer
from .settings import Settings
from .spec import frozen

ENTRY_KINDS = ("pecan", "paste", "module", "factory")
# For a check without a host.
USUAL_CORES = 2
MEGABYTE = 2**20
# No name of the Internet ends so (RFC 6761).
BALANCED_DOMAIN = "fleet.invalid"

Program = TypeVar("Program", Agent, Timer)


def complete(keys: Keys, settings: Settings, host: Mapping[str, Any] | None = None) -> Record:
    """Return the record. ``host`` is what the module ``host_info`` returns; None for what the controller can see."""
    name = keys.install.name
    kind = kind_of(keys.make.entry)
    python = keys.install.python or settings.python
    abi = ((host["pythons"].get(python) or {}).get("abi", "")) if host else ""
    cores = int(host["cores"]) if host else USUAL_CORES
    state = f"{settings.state_base}/{name}"
    address, port = listen_address(keys.reach.listen, settings) or ("*", 0)
    path = "/" + keys.reach.path.strip("/")
    health = read_health(keys.reach.health)
    balanced = settings.balanced and keys.reach.tls != "off"
    # Behind load balancers, these show a given certificate to the clients.
    private = keys.reach.tls == "private_ca" or balanced
    limits = keys.limits.memory_limit
    longest = keys.limits.max_response_header
    extras = (find(folder, settings.folders) for folder in keys.install.extras)
    record = Record(
        keys=keys,
        kind=kind,
        entry=_entry(keys.make.entry, kind),
        call=None,
        source=source_of(keys.install.source, settings.folders),
        lock=find(keys.install.lock, settings.folders) if keys.install.lock else None,
        extras=tuple(folder for folder in extras if folder is not None),
        config=frozen({str(file): _template(value, settings.folders) for file, value in keys.make.config.items()}),
        copies=frozen(
            {str(file): _copy(value, settings.folders) for file, value in keys.make.config.items() if is_copy(value)}
        ),
        paste=frozen({str(file): _paste_file(value) for file, value in keys.make.paste.items()}),
        environment=frozen({str(variable): str(value) for variable, value in keys.make.environment.items()}),
        python=python,
        abi=abi,
        home=keys.make.home or state,
        account=name,
        folder=f"{settings.base}/{name}",
        state=state,
        logs=f"{settings.log_base}/{name}",
        groups=frozen({colour: f"{name}-{colour}" for colour in COLOURS}),
        door=settings.door,
        doors=frozen({colour: f"{colour}.{name}.door" for colour in COLOURS}),
        address=address,
        port=port,
        path=path,
        health_path=path.rstrip("/") + health.path,
        health_check=dataclasses.replace(
            health,
            host=host_header(health, _client_host(keys, address), port, tls=keys.reach.tls != "off"),
        ),
        url=_url(keys, address, port, path),
        site=f"{address}:{port}|{(keys.reach.server_name or '').lower()}",
        tls_certificate=f"{settings.tls_dir}/{name}.crt" if private else keys.reach.tls_certificate,
        tls_key=f"{settings.tls_dir}/{name}.key" if private else keys.reach.tls_key,
        private=private,
        balanced_name=_balanced_name(keys, settings) if balanced else "",
        staples=bool(host and host.get("ocsp_responders", {}).get(keys.reach.tls_certificate) and not private),
        answer_headers=answer_headers(keys.reach.headers, tls=keys.reach.tls != "off"),
        processes=per_core(settings.processes, cores) if keys.run.processes is None else keys.run.processes,
        threads=THREADS.get(kind, THREADS["module"]) if keys.run.threads is None else keys.run.threads,
        daemon_options=frozen(
            {
                # start_timeout is Grove's own limit: as startup-timeout, a changed value would need a reload.
                **mod_wsgi_options.DEFAULTS,
                **({} if limits is None else {"memory-limit": str(limits * MEGABYTE)}),
                **({} if longest == mod_wsgi_options.HEADER_BUFFER_SIZE else {"header-buffer-size": str(longest)}),
                **{str(option): str(value) for option, value in keys.run.daemon_options.items()},
            }
        ),
        agents=_programs(Agent, keys.run.agents),
        timers=_programs(Timer, keys.run.timers),
        several=settings.several,
    )
    return dataclasses.replace(record, call=call_of(keys.make.entry, values_of(record)))


def kind_of(entry: Entry) -> str:
    """Return the kind of an entry; empty unless the entry has exactly one."""
    kinds = [kind for kind in ENTRY_KINDS if getattr(entry, kind) is not None]
    return kinds[0] if len(kinds) == 1 else ""


def _entry(entry: Entry, kind: str) -> Entry:
    return dataclasses.replace(entry, name=entry.name or "main") if kind == "paste" else entry


def source_kind(source: str) -> str:
    """Return what a record's ``source`` is: ``vcs``, ``wheel``, ``folder`` or ``requirement``."""
    if re.match(r"(git|hg|bzr|svn)\+", source):
        return "vcs"
    if "://" not in source and source.endswith(".whl"):
        return "wheel"
    if source.startswith((".", "/")) or ("/" in source and "@" not in source and "://" not in source):
        return "folder"
    return "requirement"


def source_of(text: str, folders: Iterable[str]) -> Source:
    """Return the source of a record; its path is None unless it is a folder or a wheel that exists."""
    kind = source_kind(text)
    path = find(text, folders) if kind in ("folder", "wheel") else None
    has_kind = os.path.isdir if kind == "folder" else os.path.isfile
    return Source(kind, text, path if path is not None and has_kind(path) else None)


def find(path: str, folders: Iterable[str]) -> str | None:
    """Return the first existing path on the controller that ``path`` may mean; None where there is none."""
    if not path:
        return None
    parents = ["/"] if os.path.isabs(path) else folders
    candidates = (os.path.normpath(os.path.join(folder, path)) for folder in parents)
    return next((candidate for candidate in candidates if os.path.exists(candidate)), None)


def listen_address(listen: object, settings: Settings) -> tuple[str, int] | None:
    """Return address (or host name) and port of the key ``listen``, an IPv6 address in brackets.

    None where it names no port, or no address that Apache can listen on.
    """
    if isinstance(listen, bool) or not isinstance(listen, (str, int)):
        return None
    text = str(listen) if isinstance(listen, str) or abs(listen) <= PORTS.greatest else ""
    address, _, port = text.rpartition(":")
    address = address or settings.listen_address
    if not port.isascii() or not port.isdigit() or len(port) > PORT_DIGITS or int(port) not in PORTS:
        return None
    if address != "*":
        if syntax.listen_host(address):
            return None
        address = syntax.plain_listen_host(address)
        address = f"[{address}]" if ":" in address else address
    return address, int(port)


def _template(value: object, folders: Iterable[str]) -> str | None:
    return find(value, folders) if isinstance(value, str) else None


def _copy(value: Mapping[str, Any], folders: Iterable[str]) -> Copy:
    return Copy(_template(value.get("copy"), folders), str(value.get("mode", MODE)))


def _paste_file(value: object) -> PasteFile:
    fields = value if isinstance(value, Mapping) else {}
    return PasteFile(str(fields.get("from")), fields.get("oslo_config_file"), fields.get("overlay") or frozen({}))


def _programs(kind: type[Program], values: Mapping[str, Any]) -> Mapping[str, Program]:
    """Return the agents or timers, without those that are no dictionary or have other keys than they should."""
    programs = {}
    for name, fields in values.items():
        if isinstance(fields, Mapping):
            with contextlib.suppress(TypeError):
                programs[str(name)] = kind(**fields)
    return MappingProxyType(programs)


def _client_host(keys: Keys, address: str) -> str:
    """Return the name, or else the address, by which a client on the host asks for the application."""
    # Every address is reached through the host's own.
    own = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
    return keys.reach.server_name or own.get(address, address)


def _balanced_name(keys: Keys, settings: Settings) -> str:
    """Return a name that nobody else can have, for the VirtualHost of a record on this host."""
    return ".".join(filter(None, (keys.reach.server_name, settings.host_name, BALANCED_DOMAIN))).lower()


def _url(keys: Keys, address: str, port: int, path: str) -> str:
    scheme, usual = ("http", 80) if keys.reach.tls == "off" else ("https", 443)
    return f"{scheme}://{_client_host(keys, address)}{'' if port == usual else f':{port}'}{path}"
