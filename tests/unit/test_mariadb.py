"""Comparing accounts with those of a MariaDB server, from what the server prints."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.database.mariadb import Account, differing, password_hash

USER: dict[str, Any] = {
    "name": "nova_1",
    "service": "nova",
    "password": "sesame",
    "databases": ["nova", "nova_api"],
    "host": None,
    "state": "present",
}
HASH = "*" + 40 * "0"
ACCOUNT = Account(
    "mysql_native_password",
    password_hash("sesame"),
    [
        f"GRANT USAGE ON *.* TO `nova_1`@`%` IDENTIFIED BY PASSWORD '{HASH}'",
        "GRANT ALL PRIVILEGES ON `nova`.* TO `nova_1`@`%`",
        "GRANT ALL PRIVILEGES ON `nova_api`.* TO `nova_1`@`%`",
    ],
)


def test_the_hash_of_a_password_is_the_servers() -> None:
    # The example of the server's manual for PASSWORD().
    assert password_hash("notagoodpwd") == "*3A70EE9FC6594F88CE9E959CD51C5A1C002DC937"


def test_an_account_as_it_is_to_be() -> None:
    assert differing([USER], {("nova_1", "%"): ACCOUNT}) == []


@pytest.mark.parametrize(
    "actual",
    [
        {"plugin": "unix_socket"},
        {"password": password_hash("other")},
        {"grants": ACCOUNT.grants[:2]},
        {"grants": [*ACCOUNT.grants, "GRANT SELECT ON `glance`.* TO `nova_1`@`%`"]},
        {"grants": [*ACCOUNT.grants[:2], f"{ACCOUNT.grants[2]} WITH GRANT OPTION"]},
        {"grants": [*ACCOUNT.grants, "GRANT `role` TO `nova_1`@`%`"]},
        {"grants": ["GRANT ALL PRIVILEGES ON *.* TO `nova_1`@`%`", *ACCOUNT.grants[1:]]},
    ],
)
def test_what_differs_of_an_account(actual: dict[str, Any]) -> None:
    assert differing([USER], {("nova_1", "%"): dataclasses.replace(ACCOUNT, **actual)}) == ["nova_1"]


def test_accounts_that_are_not_there_or_have_to_go() -> None:
    absent = {"name": "nova_1", "state": "absent"}
    assert differing([USER, absent], {}) == ["nova_1"]
    assert differing([absent], {("nova_1", "%"): ACCOUNT}) == ["nova_1"]
    assert differing([{**USER, "host": "192.0.2.%"}], {("nova_1", "%"): ACCOUNT}) == ["nova_1"]
    without = dataclasses.replace(ACCOUNT, grants=ACCOUNT.grants[:1])
    assert differing([{**USER, "databases": []}], {("nova_1", "%"): without}) == []
