"""Service users, roles, services and endpoints of a keystone, as the services of an inventory want them.

Whoever makes a Reconciler brings the connection: ``identity`` is the proxy of openstacksdk's connection,
and ``logs_in`` tells whether an account gets a token with a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError

DOMAIN = "default"
INTERFACES = ("public", "internal", "admin")
# Nobody changes a service's password at a prompt, and a wrong one somewhere must not lock out the right one elsewhere.
USER_OPTIONS = {
    "ignore_lockout_failure_attempts": True,
    "ignore_password_expiry": True,
    "ignore_change_password_upon_first_use": True,
}
GENERATION = re.compile(r"(.+)_([0-9]+)")


class CatalogueError(OperatorError):
    """Keystone refuses a step, which the text names together with the service and the remedy."""


@dataclass
class Wanted:
    """What keystone has to have.

    Attributes:
        users: Each with ``service``, ``name``, ``password`` and ``roles`` on the project.
        endpoints: Each with ``service``, ``type``, ``name``, ``description`` and ``url``, and perhaps another
            ``internal_url`` and ``admin_url``.
        retire: Whether users of older generations (nova_1 where nova_2 is wanted) are removed. ``keep`` are accounts
            that are made elsewhere and whose older generations go, too.
    """

    project: str
    region: str
    users: list[dict[str, Any]]
    endpoints: list[dict[str, Any]]
    retire: bool = False
    keep: list[str] = field(default_factory=list)


def older_generations(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are an older generation of a wanted one."""
    newest = {match[1]: int(match[2]) for name in wanted if (match := GENERATION.fullmatch(name))}
    return sorted(
        name for name in names if (match := GENERATION.fullmatch(name)) and int(match[2]) < newest.get(match[1], 0)
    )


def missing_endpoints(catalogue: Iterable[Mapping[str, Any]], wanted: Wanted) -> list[str]:
    """Return the services of which a token's catalogue lacks an endpoint."""
    found = {
        (entry["type"], endpoint["interface"], endpoint.get("region_id") or endpoint.get("region"), endpoint["url"])
        for entry in catalogue
        for endpoint in entry["endpoints"]
    }
    return sorted(
        {
            entry["service"]
            for entry in wanted.endpoints
            for interface in INTERFACES
            if (entry["type"], interface, wanted.region, _url(entry, interface)) not in found
        }
    )


def _url(entry: Mapping[str, Any], interface: str) -> str:
    return str(entry.get(f"{interface}_url") or entry["url"])


class Reconciler:
    """Brings a keystone to what is wanted; ``changes`` says what it did, or would do where ``dry``."""

    def __init__(self, identity: Any, logs_in: Callable[[str, str], bool], wanted: Wanted, *, dry: bool) -> None:
        """Take the connection and what is wanted."""
        self.identity = identity
        self.logs_in = logs_in
        self.wanted = wanted
        self.dry = dry
        self.changes: list[str] = []

    def run(self) -> None:
        """Do all of it. Raises CatalogueError."""
        project = self._project()
        roles = self._roles()
        self._users(project, roles)
        self._endpoints()
        if self.wanted.retire:
            self._retire()

    def _step(self, service: str, step: str, call: Callable[..., Any], /, *words: Any, **values: Any) -> Any:
        try:
            found = call(*words, **values)
            return list(found) if isinstance(found, Iterator) else found
        except Exception as error:  # whatever the SDK, requests or keystone make of it
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise CatalogueError(
                f"{service}: keystone refuses the step {step!r}: {said}. Its log is Apache's error log of keystone; run"
                " again when the cause is gone"
            ) from error

    def _change(self, service: str, what: str, call: Callable[..., Any], /, *words: Any, **values: Any) -> Any:
        self.changes.append(what)
        return None if self.dry else self._step(service, what, call, *words, **values)

    def _list(self, what: str, **values: Any) -> list[Any]:
        found: list[Any] = self._step("keystone", f"list {what}", getattr(self.identity, what), **values)
        return found

    def _project(self) -> Any:
        name = self.wanted.project
        for project in self._list("projects", domain_id=DOMAIN):
            if project.name == name:
                return project
        values = {"name": name, "domain_id": DOMAIN, "description": "Accounts of the services"}
        return self._change("keystone", f"project {name}", self.identity.create_project, **values)

    def _roles(self) -> dict[str, Any]:
        known = {role.name: role for role in self._list("roles")}
        for user in self.wanted.users:
            for name in user["roles"]:
                if name not in known:
                    known[name] = self._change(user["service"], f"role {name}", self.identity.create_role, name=name)
        return known

    def _users(self, project: Any, roles: Mapping[str, Any]) -> None:
        known = {user.name: user for user in self._list("users", domain_id=DOMAIN)}
        present = [user for user in self.wanted.users if user["name"] in known]
        with ThreadPoolExecutor(4) as pool:
            right = dict(zip((user["name"] for user in present), pool.map(self._gets_token, present), strict=True))
        granted = set()
        if project is not None:
            assigned = self._list("role_assignments", scope_project_id=project.id)
            granted = {(one.user["id"], one.role["id"]) for one in assigned if one.user}
        for user in self.wanted.users:
            name, service = user["name"], user["service"]
            account = known.get(name)
            if account is None:
                account = self._change(service, f"user {name}", self.identity.create_user, **_account(user))
            elif not right[name]:
                set_again = {"password": user["password"], "is_enabled": True}
                self._change(service, f"password of user {name}", self.identity.update_user, account, **set_again)
            for role in user["roles"]:
                if account is None or roles[role] is None or (account.id, roles[role].id) not in granted:
                    what = f"role {role} of user {name} on project {self.wanted.project}"
                    assign = self.identity.assign_project_role_to_user
                    self._change(service, what, assign, project, account, roles[role])
            if not self.dry and not right.get(name) and not self._gets_token(user):
                raise CatalogueError(
                    f"{service}: keystone refuses the step 'log in as {name}', although it has just taken it."
                    " Is the user, the project or the domain disabled (openstack user show)? Run again when it is not"
                )

    def _gets_token(self, user: Mapping[str, Any]) -> bool:
        name = user["name"]
        gets: bool = self._step(user["service"], f"log in as {name}", self.logs_in, name, user["password"])
        return gets

    def _endpoints(self) -> None:
        region = self.wanted.region
        if self.wanted.endpoints and region not in {one.id for one in self._list("regions")}:
            self._change("keystone", f"region {region}", self.identity.create_region, id=region)
        services, endpoints = self._list("services"), self._list("endpoints")
        for entry in self.wanted.endpoints:
            service = self._service(entry, services)
            for interface in INTERFACES:
                found = [
                    one
                    for one in endpoints
                    if service and (one.service_id, one.interface, one.region_id) == (service.id, interface, region)
                ]
                self._endpoint(entry, service, interface, found)

    def _service(self, entry: Mapping[str, Any], services: list[Any]) -> Any:
        kind, values = entry["type"], {"name": entry["name"], "description": entry.get("description") or ""}
        alike = sorted((one for one in services if one.type == kind), key=lambda one: bool(one.name != entry["name"]))
        if not alike:
            create = self.identity.create_service
            return self._change(entry["service"], f"service {kind}", create, type=kind, **values)
        if any((getattr(alike[0], key) or "") != value for key, value in values.items()):
            update = self.identity.update_service
            self._change(entry["service"], f"name of service {kind}", update, alike[0], **values)
        return alike[0]

    def _endpoint(self, entry: Mapping[str, Any], service: Any, interface: str, found: list[Any]) -> None:
        url = _url(entry, interface)
        what = f"{interface} endpoint of {entry['type']}: {url}"
        if not found:
            values = {"interface": interface, "region_id": self.wanted.region, "url": url, "is_enabled": True}
            service_id = service.id if service else None
            self._change(entry["service"], what, self.identity.create_endpoint, service_id=service_id, **values)
        elif found[0].url != url or not found[0].is_enabled:
            self._change(entry["service"], what, self.identity.update_endpoint, found[0], url=url, is_enabled=True)

    def _retire(self) -> None:
        known = {user.name: user for user in self._list("users", domain_id=DOMAIN)}
        for name in older_generations(known, [*(user["name"] for user in self.wanted.users), *self.wanted.keep]):
            service = name.rpartition("_")[0]
            self._change(service, f"user {name} removed", self.identity.delete_user, known[name])


def _account(user: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": user["name"],
        "domain_id": DOMAIN,
        "password": user["password"],
        "description": f"Account of {user['service']}",
        "options": USER_OPTIONS,
    }
