"""Reconciling users and endpoints, against a keystone in memory."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.openstack import catalogue

NOVA = {"service": "nova", "name": "nova_1", "password": "first", "roles": ["service", "admin"]}
COMPUTE = {
    "service": "nova",
    "type": "compute",
    "name": "nova",
    "description": "Compute",
    "url": "http://api:8774/v2.1",
}
FIRST = [
    "project service",
    "role service",
    "user nova_1",
    "role service of user nova_1 on project service",
    "role admin of user nova_1 on project service",
    "service compute",
    "public endpoint of compute: http://api:8774/v2.1",
    "internal endpoint of compute: http://api:8774/v2.1",
    "admin endpoint of compute: http://api:8774/v2.1",
]


class Identity:
    """The part of openstacksdk's identity proxy that is used."""

    def __init__(self) -> None:
        self.stored: dict[str, list[SimpleNamespace]] = {
            kind: [] for kind in ("projects", "roles", "users", "regions", "services", "endpoints", "role_assignments")
        }
        self.numbers = itertools.count()
        self.create_role(name="admin")
        self.stored["regions"].append(SimpleNamespace(id="RegionOne"))

    def __getattr__(self, name: str) -> Any:
        verb, _, kind = name.partition("_")
        if name in self.stored:
            return lambda **_: iter(list(self.stored[name]))
        if verb == "create":
            return lambda **values: self._create(f"{kind}s", values)
        if verb == "update":
            return lambda one, **values: one.__dict__.update(values)
        if verb == "delete":
            return self.stored[f"{kind}s"].remove
        raise AttributeError(name)

    def _create(self, kind: str, values: dict[str, Any]) -> SimpleNamespace:
        item = SimpleNamespace(**{"id": str(next(self.numbers)), **values})
        self.stored[kind].append(item)
        return item

    def assign_project_role_to_user(self, project: Any, user: Any, role: Any) -> None:
        self.stored["role_assignments"].append(SimpleNamespace(user={"id": user.id}, role={"id": role.id}))

    def logs_in(self, name: str, password: str) -> bool:
        return any((user.name, user.password) == (name, password) for user in self.stored["users"])


def describe(*users: dict[str, Any], **more: Any) -> catalogue.Description:
    return catalogue.Description(project="service", region="RegionOne", users=list(users), endpoints=[COMPUTE], **more)


def changes(identity: Identity, description: catalogue.Description, *, dry: bool = False) -> list[str]:
    reconciler = catalogue.Reconciler(identity, identity.logs_in, description, dry=dry)
    reconciler.run()
    return reconciler.changes


def test_a_fresh_keystone_gets_everything_and_a_second_time_nothing() -> None:
    identity = Identity()
    assert changes(identity, describe(NOVA)) == FIRST
    assert changes(identity, describe(NOVA)) == []


def test_check_mode_reports_the_same_changes_and_makes_none() -> None:
    identity = Identity()
    assert changes(identity, describe(NOVA), dry=True) == FIRST
    assert identity.stored["users"] == []


def test_a_password_is_set_only_where_it_does_not_work() -> None:
    identity = Identity()
    changes(identity, describe(NOVA))
    assert changes(identity, describe({**NOVA, "password": "second"})) == ["password of user nova_1"]
    assert identity.logs_in("nova_1", "second")


def test_an_address_is_changed_in_place() -> None:
    identity = Identity()
    changes(identity, describe(NOVA))
    what = describe(NOVA)
    what.endpoints = [{**COMPUTE, "internal_url": "http://10.0.0.1:8774/v2.1"}]
    assert changes(identity, what) == ["internal endpoint of compute: http://10.0.0.1:8774/v2.1"]
    assert len(identity.stored["endpoints"]) == 3


def test_older_generations_are_removed_only_on_request() -> None:
    identity = Identity()
    changes(identity, describe(NOVA))
    second = {**NOVA, "name": "nova_2"}
    for name in ("admin_1", "admin_2", "alice_1", "nova_x"):
        identity.create_user(name=name, password="")
    assert changes(identity, describe(second))[0] == "user nova_2"
    assert changes(identity, describe(second, retire=True, keep=["admin_2"])) == [
        "user admin_1 removed",
        "user nova_1 removed",
    ]
    assert changes(identity, describe(second, retire=True, keep=["admin_2"])) == []
    assert sorted(user.name for user in identity.stored["users"]) == ["admin_2", "alice_1", "nova_2", "nova_x"]


def test_a_refusal_names_service_step_and_remedy() -> None:
    identity = Identity()

    def refuse(**_: Any) -> None:
        raise RuntimeError("409: Conflict\nsecond line")

    identity.__dict__["create_user"] = refuse
    with pytest.raises(catalogue.CatalogueError, match=r"nova: .*'user nova_1': 409: Conflict second line.*run again"):
        changes(identity, describe(NOVA))


def test_a_user_that_gets_no_token_is_a_failure() -> None:
    identity = Identity()
    reconciler = catalogue.Reconciler(identity, lambda *_: False, describe(NOVA), dry=False)
    with pytest.raises(catalogue.CatalogueError, match=r"nova: .*'log in as nova_1'"):
        reconciler.run()


def test_what_a_token_lacks() -> None:
    endpoints = [
        {"interface": interface, "region": "RegionOne", "url": COMPUTE["url"]} for interface in catalogue.INTERFACES
    ]
    full = [{"type": "compute", "endpoints": endpoints}]
    assert catalogue.missing_endpoints(full, describe(NOVA)) == []
    assert catalogue.missing_endpoints([{"type": "compute", "endpoints": endpoints[:2]}], describe(NOVA)) == ["nova"]
    assert catalogue.missing_endpoints([], describe(NOVA)) == ["nova"]
