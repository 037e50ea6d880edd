"""What a service role says about its service: the variable NAME_service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .addresses import bracketed, parse_port
from .errors import Problem, wrong

DATABASE_SCHEMES = {"mariadb": "mysql+pymysql", "postgresql": "postgresql+psycopg2"}
KEYS = (
    "databases",
    "database_schemes",
    "message_bus",
    "vhost",
    "former_vhosts",
    "vhosts",
    "user",
    "roles",
    "catalogue",
    "asks",
)
# The cells of nova store a URL in which the virtual host stands as it is.
VHOST = re.compile("[A-Za-z0-9._-]+")
ENTRY_KEYS = ("type", "name", "description", "listen", "path", "url", "internal_url", "admin_url")


@dataclass(frozen=True)
class Endpoint:
    """An entry of the catalogue. ``internal_url`` and ``admin_url`` are empty where they are the same as ``url``."""

    type: str
    name: str
    description: str
    url: str
    internal_url: str = ""
    admin_url: str = ""


@dataclass(frozen=True)
class Service:
    """One service of the control plane.

    Attributes:
        name: The last part of its role's name.
        databases: The names of its databases.
        database_schemes: The scheme of its database URLs, by the kind of the database server.
        message_bus: Whether it uses the message bus.
        vhost: Its virtual host on the message bus; empty for one with the service's name.
        former_vhosts: Virtual hosts that releases use from before the service got this one.
        vhosts: Virtual hosts of other services in which it may do everything.
        user: Whether it has an account in keystone.
        roles: The roles of that account.
        endpoints: Its entries in the catalogue.
        asks: The services that it sends requests to, and the type under which each is in the catalogue.
    """

    name: str
    databases: tuple[str, ...] = ()
    database_schemes: Mapping[str, str] = field(default_factory=lambda: DATABASE_SCHEMES)
    message_bus: bool = False
    vhost: str = ""
    former_vhosts: tuple[str, ...] = ()
    vhosts: tuple[str, ...] = ()
    user: bool = False
    roles: tuple[str, ...] = ("service",)
    endpoints: tuple[Endpoint, ...] = ()
    asks: Mapping[str, str] = field(default_factory=dict)

    @property
    def bus_vhost(self) -> str:
        """Its virtual host on the message bus."""
        return self.vhost or self.name


def parse_service(name: str, description: Mapping[str, Any], address: str) -> Service:
    """Return the service that a role's variable NAME_service describes.

    Args:
        name: The service's name.
        description: The variable's value; empty for a service whose role was not read or has no such variable.
        address: The host in the URLs of the catalogue.

    Raises:
        ControlPlaneError: A key is not known or has a value of the wrong kind.
    """
    variable = f"{name}_service"
    if not isinstance(description, Mapping):
        raise wrong(variable, description, "it has to be a dictionary")
    _refuse_unknown(variable, description, KEYS)
    schemes = description.get("database_schemes", DATABASE_SCHEMES)
    if not isinstance(schemes, Mapping) or set(schemes) != set(DATABASE_SCHEMES):
        raise wrong(f"{variable}.database_schemes", schemes, f"it has to have the keys {', '.join(DATABASE_SCHEMES)}")
    asks = description.get("asks", {})
    if not isinstance(asks, Mapping):
        raise wrong(f"{variable}.asks", asks, "it has to be a dictionary of services and their types in the catalogue")
    entries = description.get("catalogue", [])
    if isinstance(entries, (str, Mapping)):
        raise wrong(f"{variable}.catalogue", entries, "it has to be a list of entries")
    return Service(
        name=name,
        databases=_names(f"{variable}.databases", description.get("databases", [])),
        database_schemes={str(kind): str(scheme) for kind, scheme in schemes.items()},
        message_bus=_flag(f"{variable}.message_bus", description.get("message_bus", False)),
        vhost=_name(f"{variable}.vhost", description.get("vhost", "")),
        former_vhosts=_names(f"{variable}.former_vhosts", description.get("former_vhosts", [])),
        vhosts=_names(f"{variable}.vhosts", description.get("vhosts", [])),
        user=_flag(f"{variable}.user", description.get("user", False)),
        roles=_names(f"{variable}.roles", description.get("roles", ["service"])),
        endpoints=tuple(_endpoint(name, number, entry, address) for number, entry in enumerate(entries)),
        asks={str(service): str(kind) for service, kind in asks.items()},
    )


def missing_services(services: Iterable[Service]) -> list[Problem]:
    """Return a problem for each service that asks others which are not in any host's wsgi_services."""
    services = list(services)
    names = {service.name for service in services}
    problems = []
    for service in services:
        missing = [name for name in service.asks if name not in names]
        if missing:
            types = ", ".join(service.asks[name] for name in missing)
            plural = "s" if len(missing) > 1 else ""
            problems.append(
                Problem(
                    "wsgi_services",
                    f"{service.name} without {', '.join(missing)}",
                    f"{service.name} sends requests to other services, and the catalogue would have no entry of the"
                    f" type{plural} {types}; add {', '.join(missing)} to wsgi_services, on this host or another one",
                )
            )
    return problems


def shared_databases(services: Iterable[Service]) -> list[Problem]:
    """Return a problem for each database that two services have: it can belong to one alone."""
    owners: dict[str, str] = {}
    problems = []
    for service in services:
        for database in service.databases:
            owner = owners.setdefault(database, service.name)
            if owner != service.name:
                remedy = f"{owner}_service has the same database; give one of them another name"
                problems.append(Problem(f"{service.name}_service.databases", repr(database), remedy))
    return problems


def _endpoint(name: str, number: int, entry: Any, address: str) -> Endpoint:
    variable = f"{name}_service.catalogue[{number}]"
    if not isinstance(entry, Mapping):
        raise wrong(variable, entry, "it has to be a dictionary")
    _refuse_unknown(variable, entry, ENTRY_KEYS)
    if "type" not in entry:
        raise wrong(variable, dict(entry), "it has to have a type")
    if ("url" in entry) == ("listen" in entry):
        raise wrong(variable, sorted(entry), "it has to have either url, or listen with the port of the service")
    if "url" in entry:
        url = str(entry["url"])
    else:
        port = parse_port(f"{name}_listen", entry["listen"])
        url = f"http://{bracketed(address)}:{port}{entry.get('path', '')}"
    return Endpoint(
        type=str(entry["type"]),
        name=str(entry.get("name", name)),
        description=str(entry.get("description", "")),
        url=url,
        internal_url=str(entry.get("internal_url", "")),
        admin_url=str(entry.get("admin_url", "")),
    )


def _refuse_unknown(variable: str, value: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = sorted(set(map(str, value)) - set(known))
    if unknown:
        remedy = f"there is no such key; there are {', '.join(known)}"
        raise wrong(f"{variable}.{unknown[0]}", value[unknown[0]], remedy)


def _names(variable: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise wrong(variable, value, "it has to be a list of names")
    return tuple(str(name) for name in value)


def _name(variable: str, value: Any) -> str:
    if not isinstance(value, str) or (value and not VHOST.fullmatch(value)):
        raise wrong(variable, value, "it has to be a name of letters, digits, hyphens, underscores and dots")
    return value


def _flag(variable: str, value: Any) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise wrong(variable, value, "it has to be true or false") from None
