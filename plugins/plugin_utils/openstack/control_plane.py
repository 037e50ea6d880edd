"""The control plane: its services with their accounts, URLs and entries in the catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .secrets import Generations, read_generations, read_secrets
from .services import Service, missing_services, parse_service, shared_databases
from .settings import Problems, Settings, parse_settings

LOCKS_FOLDER = Path(__file__).resolve().parents[3] / "roles" / "openstack" / "files" / "locks"
# Secrets that belong to no service: the administrator's password, and the key of the requests to nova's metadata.
ADMINISTRATOR = "admin"
METADATA = "metadata"


@dataclass(frozen=True)
class ControlPlane:
    """The control plane of an inventory, without its secrets.

    Attributes:
        settings: What all services share.
        services: The services of all hosts.
        generations: The generations of the secrets.
        retired: Whether a rotation is complete, so that the accounts of older generations go.
    """

    settings: Settings
    services: tuple[Service, ...]
    generations: Generations
    retired: bool

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The names of the secrets of a generation."""
        return (*(service.name for service in self.services), ADMINISTRATOR, METADATA)

    def account(self, name: str, generation: int = 0) -> str:
        """Return the name of an account in a generation, by default the one that this run works with."""
        return f"{name}_{generation or self.generations.target}"

    def problems(self) -> Problems:
        """Return what does not fit together."""
        problems = Problems()
        problems.list = [*missing_services(self.services), *shared_databases(self.services)]
        return problems

    def read_secrets(self, *, predict: bool) -> dict[str, str]:
        """Return the secrets of this run's generation; see ``secrets.read_secrets``."""
        return read_secrets(self.generations.path(self.generations.target), self.secret_names, predict=predict)


def parse_control_plane(
    settings: Mapping[str, Any], descriptions: Mapping[str, Mapping[str, Any]], locks: Path = LOCKS_FOLDER
) -> ControlPlane:
    """Return the control plane that variables describe.

    Args:
        settings: What ``parse_settings`` takes, and ``secrets_dir``, ``rotation_to`` (0 without a rotation) and
            ``retired``.
        descriptions: The variable NAME_service of each service of all hosts, by the service's name; empty for a
            service whose role was not read.
        locks: The folder with the locks.

    Raises:
        ControlPlaneError: With every variable that is wrong.
    """
    problems = Problems()
    parsed = problems.collect(parse_settings, settings, locks)
    address = parsed.address if parsed else "127.0.0.1"
    services = [problems.collect(parse_service, str(name), value, address) for name, value in descriptions.items()]
    generations = problems.collect(read_generations, str(settings["secrets_dir"]), int(settings["rotation_to"] or 0))
    problems.raise_any()
    assert parsed
    assert generations
    return ControlPlane(parsed, tuple(filter(None, services)), generations, bool(settings["retired"]))


class Variables:
    """What roles and plays read of a control plane, as plain values. They hold secrets."""

    def __init__(self, plane: ControlPlane, secrets: Mapping[str, str], current_password: str) -> None:
        """Take the control plane, the secrets of this run's generation and the administrator's deployed password."""
        self._plane = plane
        self._settings = plane.settings
        self._secrets = secrets
        self._current_password = current_password

    def all(self) -> dict[str, Any]:
        """Return all values by their names."""
        plane, generations, settings = self._plane, self._plane.generations, self._settings
        older = generations.older if plane.retired else ()
        return {
            "services": {service.name: self._service(service) for service in plane.services},
            "keystone_url": settings.keystone_url,
            "cache_servers": ",".join(settings.cache),
            "metadata_secret": self._secrets[METADATA],
            "administrator": {
                "username": plane.account(ADMINISTRATOR),
                "password": self._secrets[ADMINISTRATOR],
            },
            "current_administrator": {
                "username": plane.account(ADMINISTRATOR, generations.current),
                "password": self._current_password,
            },
            "databases": [database for service in plane.services for database in service.databases],
            "database_users": [user for service in plane.services for user in self._database_users(service, older)],
            "database_template": database_template(settings),
            "bus_users": [self._bus_user(service) for service in plane.services if service.message_bus],
            "bus_template": bus_template(settings),
            "retired_bus_users": [plane.account(service.name, old) for service in plane.services for old in older],
            "retired_bus_vhosts": [
                vhost for service in plane.services if older for vhost in self._former_vhosts(service)
            ],
            "service_users": [self._service_user(service) for service in plane.services if service.user],
            "endpoints": list(self._endpoints()),
            "older_generations": list(generations.older),
            "current_generation": generations.current,
            "next_generation": generations.next,
        }

    def _service(self, service: Service) -> dict[str, Any]:
        settings = self._settings
        credentials = self._credentials(service.name)
        view: dict[str, Any] = {
            "database_urls": {database: self._database_url(service, database) for database in service.databases},
            "transport_url": self._transport_url(service),
            "credentials": credentials,
            "authtoken": {**credentials, **self._token_validation(service.name)},
            "urls": {endpoint.type: endpoint.url for endpoint in service.endpoints},
        }
        if service.name in settings.versions:
            view["version"] = settings.versions[service.name]
            view["lock"] = settings.lock(service.name)
        return view

    def _login(self, name: str) -> str:
        return f"{quote(self._plane.account(name), safe='')}:{quote(self._secrets[name], safe='')}"

    def _database_url(self, service: Service, database: str) -> str:
        kind = self._settings.database_kind
        query = "?charset=utf8mb4" if kind == "mariadb" else ""
        server = f"{self._login(service.name)}@{self._settings.database}"
        return f"{service.database_schemes[kind]}://{server}/{quote(database, safe='')}{query}"

    def _transport_url(self, service: Service) -> str:
        nodes = ",".join(f"{self._login(service.name)}@{node}" for node in self._settings.message_bus)
        return f"rabbit://{nodes}/{quote(service.bus_vhost, safe='')}"

    def _credentials(self, name: str) -> dict[str, Any]:
        """Return the options with which a service logs in to keystone, in whatever section they stand."""
        return {
            "auth_type": "password",
            "auth_url": f"{self._settings.keystone_url}/v3",
            "region_name": self._settings.region,
            "username": self._plane.account(name),
            "password": self._secrets[name],
            "user_domain_name": "Default",
            "project_name": "service",
            "project_domain_name": "Default",
        }

    def _token_validation(self, name: str) -> dict[str, Any]:
        options: dict[str, Any] = {
            "www_authenticate_uri": self._settings.keystone_url,
            "service_token_roles": "service",
            "service_token_roles_required": True,
        }
        if self._settings.cache:
            # Everybody on its host can write into memcached, so each service signs what it stores with its own key.
            # The strategy ENCRYPT needs a package that not every lock has.
            options["memcached_servers"] = ",".join(self._settings.cache)
            options["memcache_security_strategy"] = "MAC"
            options["memcache_secret_key"] = hashlib.sha256(f"{self._secrets[name]} in memcached".encode()).hexdigest()
        return options

    def _database_users(self, service: Service, older: Iterable[int]) -> list[dict[str, Any]]:
        if not service.databases:
            return []
        name = service.name
        user = {
            "name": self._plane.account(name),
            "service": name,
            "password": self._secrets[name],
            "databases": list(service.databases),
        }
        absent = [{"name": self._plane.account(name, old), "service": name, "state": "absent"} for old in older]
        return [user, *absent]

    def _bus_user(self, service: Service) -> dict[str, Any]:
        return {
            "name": self._plane.account(service.name),
            "service": service.name,
            "password": self._secrets[service.name],
            "vhosts": list(dict.fromkeys([service.bus_vhost, *map(self._vhost, service.vhosts)])),
            "former_vhosts": self._former_vhosts(service),
        }

    def _vhost(self, name: str) -> str:
        """Return the virtual host that a service names, which may be the name of another service."""
        return next((service.bus_vhost for service in self._plane.services if service.name == name), name)

    @staticmethod
    def _former_vhosts(service: Service) -> list[str]:
        return [vhost for vhost in service.former_vhosts if vhost != service.bus_vhost]

    def _service_user(self, service: Service) -> dict[str, Any]:
        return {
            "service": service.name,
            "name": self._plane.account(service.name),
            "password": self._secrets[service.name],
            "roles": list(service.roles),
        }

    def _endpoints(self) -> Iterable[dict[str, str]]:
        for service in self._plane.services:
            for endpoint in service.endpoints:
                entry = {
                    "service": service.name,
                    "type": endpoint.type,
                    "name": endpoint.name,
                    "description": endpoint.description,
                    "url": endpoint.url,
                }
                optional = {"internal_url": endpoint.internal_url, "admin_url": endpoint.admin_url}
                yield {**entry, **{key: url for key, url in optional.items() if url}}


def database_template(settings: Settings) -> str:
    """Return a database URL up to its path as nova's cells store it: with names for what nova.conf says."""
    host = "[{hostname}]" if settings.database.is_ipv6 else "{hostname}"
    return f"{{scheme}}://{{username}}:{{password}}@{host}:{{port}}"


def bus_template(settings: Settings) -> str:
    """Return a transport URL up to its path as nova's cells store it. Nova numbers the names of several nodes."""
    nodes = settings.message_bus
    if len(nodes) == 1:
        host = "[{hostname}]" if nodes[0].is_ipv6 else "{hostname}"
        return f"{{scheme}}://{{username}}:{{password}}@{host}:{{port}}"
    # Nova takes the port of an IPv6 node together with the colon before it.
    parts = [
        f"{{username{number}}}:{{password{number}}}@"
        + (f"[{{hostname{number}}}]{{port{number}}}" if node.is_ipv6 else f"{{hostname{number}}}:{{port{number}}}")
        for number, node in enumerate(nodes, 1)
    ]
    return "{scheme}://" + ",".join(parts)


def control_plane_variables(plane: ControlPlane, *, predict: bool) -> dict[str, Any]:
    """Return what roles and plays read of a control plane; see ``Variables``.

    Args:
        plane: The control plane.
        predict: Whether secrets that do not exist get a value that stands for them, as check mode needs.

    Raises:
        ControlPlaneError: A secret does not exist or cannot be read.
    """
    secrets = plane.read_secrets(predict=predict)
    generations = plane.generations
    password = secrets[ADMINISTRATOR]
    if generations.current != generations.target:
        folder = generations.path(generations.current)
        password = read_secrets(folder, [ADMINISTRATOR], predict=predict)[ADMINISTRATOR]
    return Variables(plane, secrets, password).all()
