"""The variables that all services of a control plane share, checked and typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .addresses import Address, parse_address, parse_addresses, parse_cache_server, parse_host
from .errors import ControlPlaneError, Problem, wrong

LOCKS = "roles/openstack/files/locks"
DATABASE_PORTS = {"mariadb": 3306, "postgresql": 5432}
BUS_PORT = 5672
# Keystone's column; a hyphen at the beginning would be an option of keystone-manage.
REGION_LENGTH = 255
REGION = re.compile(rf"[^\s\x00-\x20\x7f\ud800-\udfff-][^\s\x00-\x20\x7f\ud800-\udfff]{{0,{REGION_LENGTH - 1}}}")
# The characters of RFC 3986.
URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The settings of a control plane.

    Attributes:
        address: The host in the URLs of the catalogue.
        region: The region of the catalogue's entries.
        keystone_url: Where keystone answers, without the version and without a slash at the end.
        database_kind: ``mariadb`` or ``postgresql``.
        database: The address of the database server.
        message_bus: The addresses of the message broker's nodes.
        cache: The memcached servers, as their clients want them.
        versions: The version of each service that has one.
    """

    address: str
    region: str
    keystone_url: str
    database_kind: str
    database: Address
    message_bus: tuple[Address, ...]
    cache: tuple[str, ...]
    versions: Mapping[str, str]

    def lock(self, service: str) -> str:
        """Return the path of a service's lock in the repository."""
        return f"{LOCKS}/{service}-{self.versions[service]}.lock"


class Problems:
    """Collects the problems of several checks, so that all of them are reported at once."""

    def __init__(self) -> None:
        """Begin without a problem."""
        self.list: list[Problem] = []

    def collect(self, parse: Callable[..., T], *arguments: Any) -> T | None:
        """Return what ``parse`` returns, or None when it raises ControlPlaneError, whose problems are kept."""
        try:
            return parse(*arguments)
        except ControlPlaneError as error:
            self.list += error.problems
            return None

    def raise_any(self) -> None:
        """Raise ControlPlaneError when there is a problem."""
        if self.list:
            raise ControlPlaneError(self.list)


def parse_settings(variables: Mapping[str, Any], locks: Path) -> Settings:
    """Return the settings.

    Args:
        variables: The variables of the role openstack without their prefix: ``address``, ``region``, ``keystone_url``,
            ``database_kind``, ``database_address``, ``message_bus_address``, ``cache_addresses``, ``versions`` and
            ``version_overrides``.
        locks: The folder with the locks.

    Raises:
        ControlPlaneError: With every variable that is wrong.
    """
    problems = Problems()
    collect = problems.collect
    kind = collect(_database_kind, variables["database_kind"]) or "mariadb"
    address = collect(parse_host, "openstack_address", variables["address"])
    region = collect(_region, variables["region"])
    keystone_url = collect(_keystone_url, variables["keystone_url"])
    database = collect(parse_address, "openstack_database_address", variables["database_address"], DATABASE_PORTS[kind])
    bus = collect(parse_addresses, "openstack_message_bus_address", variables["message_bus_address"], BUS_PORT)
    servers = variables["cache_addresses"] or []
    cache = [collect(parse_cache_server, "openstack_cache_addresses", server) for server in servers]
    versions = collect(_versions, variables["versions"], variables["version_overrides"], locks)
    problems.raise_any()
    # Each of them has a value when there is no problem.
    assert address
    assert region
    assert keystone_url
    assert database
    assert bus
    assert versions is not None
    return Settings(
        address=address,
        region=region,
        keystone_url=keystone_url,
        database_kind=kind,
        database=database,
        message_bus=bus,
        cache=tuple(filter(None, cache)),
        versions=versions,
    )


def _database_kind(value: object) -> str:
    if str(value) not in DATABASE_PORTS:
        raise wrong("openstack_database_kind", value, f"it has to be {' or '.join(DATABASE_PORTS)}")
    return str(value)


def _region(value: object) -> str:
    text = str(value)
    if not REGION.fullmatch(text):
        raise wrong(
            "openstack_region", value, f"it has to be a name without spaces, {REGION_LENGTH} characters at most"
        )
    return text


def _keystone_url(value: object) -> str:
    url = str(value).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if (
        not usable
        or not URL.fullmatch(url)
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or url.endswith("/v3")
    ):
        remedy = "it has to be the URL of keystone without the version, such as http://192.0.2.1:5000"
        raise wrong("openstack_keystone_url", value, remedy)
    return url


def _versions(versions: Mapping[str, Any], overrides: Mapping[str, Any], locks: Path) -> dict[str, str]:
    chosen = {str(service): str(version) for service, version in {**versions, **overrides}.items()}
    missing = [
        f"{service}-{chosen[service]}"
        for service in map(str, overrides)
        if service not in versions or not (locks / f"{service}-{chosen[service]}.lock").is_file()
    ]
    if missing:
        present = ", ".join(sorted(path.stem for path in locks.glob("*.lock")))
        remedy = f"there has to be a lock for it; {LOCKS} has {present}"
        raise wrong("openstack_version_overrides", ", ".join(missing), remedy)
    return chosen
