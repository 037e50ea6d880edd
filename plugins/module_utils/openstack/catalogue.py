"""Service users, roles, services and endpoints of a keystone, changed to what an inventory describes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError

DOMAIN = "default"
INTERFACES = ("public", "internal", "admin")
# No person logs in as a service to change an expired password, and one host with a wrong password must not lock the
# service out on the others.
USER_OPTIONS = {
    "ignore_lockout_failure_attempts": True,
    "ignore_password_expiry": True,
    "ignore_change_password_upon_first_use": True,
}
GENERATION = re.compile(r"(.+)_([0-9]+)")


class CatalogueError(OperatorError):
    """Keystone refuses a step. The message names the service, the step and the remedy."""


@dataclass
class Description:
    """What keystone has to contain.

    Attributes:
        project: The name of the project of the service users.
        region: The region of the endpoints.
        users: Each with ``service``, ``name``, ``password`` and ``roles`` on the project.
        endpoints: Each with ``service``, ``type``, ``name``, ``description`` and ``url``, and perhaps another
            ``internal_url`` and ``admin_url``.
        retire: Whether users of older generations are removed, such as nova_1 when nova_2 is one of the users.
        keep: Accounts that are made elsewhere; their older generations are removed in the same way.
    """

    project: str
    region: str
    users: list[dict[str, Any]]
    endpoints: list[dict[str, Any]]
    retire: bool = False
    keep: list[str] = field(default_factory=list)


def older_generations(names: Iterable[str], current: Iterable[str]) -> list[str]:
    """Return the names that are an older generation of a current one."""
    newest = {match[1]: int(match[2]) for name in current if (match := GENERATION.fullmatch(name))}
    return sorted(
        name for name in names if (match := GENERATION.fullmatch(name)) and int(match[2]) < newest.get(match[1], 0)
    )


def missing_endpoints(catalogue: Iterable[Mapping[str, Any]], description: Description) -> list[str]:
    """Return the services that lack an endpoint in a token's catalogue."""
    present = {
        (entry["type"], endpoint["interface"], endpoint.get("region_id") or endpoint.get("region"), endpoint["url"])
        for entry in catalogue
        for endpoint in entry["endpoints"]
    }
    return sorted(
        {
            entry["service"]
            for entry in description.endpoints
            for interface in INTERFACES
            if (entry["type"], interface, description.region, _url(entry, interface)) not in present
        }
    )


def _url(entry: Mapping[str, Any], interface: str) -> str:
    return str(entry.get(f"{interface}_url") or entry["url"])


class Reconciler:
    """Changes a keystone to match a description. ``changes`` has a line for each change."""

    def __init__(
        self, identity: Any, logs_in: Callable[[str, str], bool], description: Description, *, dry: bool
    ) -> None:
        """Take the connection and the description.

        Args:
            identity: The identity proxy of openstacksdk's connection.
            logs_in: Returns whether an account gets a token with a password.
            description: What keystone has to contain.
            dry: Whether nothing is changed; ``changes`` then has what would be.
        """
        self.identity = identity
        self.logs_in = logs_in
        self.description = description
        self.dry = dry
        self.changes: list[str] = []

    def run(self) -> None:
        """Make all changes. Raises CatalogueError."""
        project = self._project()
        roles = self._roles()
        self._users(project, roles)
        self._endpoints()
        if self.description.retire:
            self._retire()

    def _step(self, service: str, step: str, call: Callable[..., Any], /, *words: Any, **values: Any) -> Any:
        try:
            result = call(*words, **values)
            return list(result) if isinstance(result, Iterator) else result
        except Exception as error:  # openstacksdk, requests and keystoneauth each have their own
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise CatalogueError(
                f"{service}: keystone refuses the step {step!r}: {reason}. Its log is Apache's error log of keystone;"
                " run again when the cause is gone"
            ) from error

    def _change(self, service: str, what: str, call: Callable[..., Any], /, *words: Any, **values: Any) -> Any:
        self.changes.append(what)
        return None if self.dry else self._step(service, what, call, *words, **values)

    def _list(self, what: str, **values: Any) -> list[Any]:
        items: list[Any] = self._step("keystone", f"list {what}", getattr(self.identity, what), **values)
        return items

    def _project(self) -> Any:
        name = self.description.project
        for project in self._list("projects", domain_id=DOMAIN):
            if project.name == name:
                return project
        values = {"name": name, "domain_id": DOMAIN, "description": "Accounts of the services"}
        return self._change("keystone", f"project {name}", self.identity.create_project, **values)

    def _roles(self) -> dict[str, Any]:
        known = {role.name: role for role in self._list("roles")}
        for user in self.description.users:
            for name in user["roles"]:
                if name not in known:
                    known[name] = self._change(user["service"], f"role {name}", self.identity.create_role, name=name)
        return known

    def _users(self, project: Any, roles: Mapping[str, Any]) -> None:
        known = {user.name: user for user in self._list("users", domain_id=DOMAIN)}
        present = [user for user in self.description.users if user["name"] in known]
        with ThreadPoolExecutor(4) as pool:
            logs_in = dict(zip((user["name"] for user in present), pool.map(self._gets_token, present), strict=True))
        granted = set()
        if project is not None:
            assigned = self._list("role_assignments", scope_project_id=project.id)
            granted = {(one.user["id"], one.role["id"]) for one in assigned if one.user}
        for user in self.description.users:
            name, service = user["name"], user["service"]
            account = known.get(name)
            if account is None:
                account = self._change(service, f"user {name}", self.identity.create_user, **_account(user))
            elif not logs_in[name]:
                set_again = {"password": user["password"], "is_enabled": True}
                self._change(service, f"password of user {name}", self.identity.update_user, account, **set_again)
            for role in user["roles"]:
                if account is None or roles[role] is None or (account.id, roles[role].id) not in granted:
                    what = f"role {role} of user {name} on project {self.description.project}"
                    assign = self.identity.assign_project_role_to_user
                    self._change(service, what, assign, project, account, roles[role])
            if not self.dry and not logs_in.get(name) and not self._gets_token(user):
                raise CatalogueError(
                    f"{service}: keystone refuses the step 'log in as {name}', although it has just accepted"
                    " the password. Is the user, the project or the domain disabled (openstack user show)? Run again"
                    " when it is not"
                )

    def _gets_token(self, user: Mapping[str, Any]) -> bool:
        name = user["name"]
        accepted: bool = self._step(user["service"], f"log in as {name}", self.logs_in, name, user["password"])
        return accepted

    def _endpoints(self) -> None:
        region = self.description.region
        if self.description.endpoints and region not in {one.id for one in self._list("regions")}:
            self._change("keystone", f"region {region}", self.identity.create_region, id=region)
        services, endpoints = self._list("services"), self._list("endpoints")
        for entry in self.description.endpoints:
            service = self._service(entry, services)
            for interface in INTERFACES:
                present = [
                    endpoint
                    for endpoint in endpoints
                    if service
                    and (endpoint.service_id, endpoint.interface, endpoint.region_id) == (service.id, interface, region)
                ]
                self._endpoint(entry, service, interface, present)

    def _service(self, entry: Mapping[str, Any], services: list[Any]) -> Any:
        kind, values = entry["type"], {"name": entry["name"], "description": entry.get("description") or ""}
        # A service of this type and name first, then one of this type and another name.
        same_type = [service for service in services if service.type == kind]
        same_type.sort(key=lambda service: bool(service.name != entry["name"]))
        if not same_type:
            create = self.identity.create_service
            return self._change(entry["service"], f"service {kind}", create, type=kind, **values)
        if any((getattr(same_type[0], key) or "") != value for key, value in values.items()):
            update = self.identity.update_service
            self._change(entry["service"], f"name of service {kind}", update, same_type[0], **values)
        return same_type[0]

    def _endpoint(self, entry: Mapping[str, Any], service: Any, interface: str, present: list[Any]) -> None:
        url = _url(entry, interface)
        what = f"{interface} endpoint of {entry['type']}: {url}"
        if not present:
            values = {"interface": interface, "region_id": self.description.region, "url": url, "is_enabled": True}
            service_id = service.id if service else None
            self._change(entry["service"], what, self.identity.create_endpoint, service_id=service_id, **values)
        elif present[0].url != url or not present[0].is_enabled:
            self._change(entry["service"], what, self.identity.update_endpoint, present[0], url=url, is_enabled=True)

    def _retire(self) -> None:
        known = {user.name: user for user in self._list("users", domain_id=DOMAIN)}
        current = [*(user["name"] for user in self.description.users), *self.description.keep]
        for name in older_generations(known, current):
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
