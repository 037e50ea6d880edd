"""Fixtures for the checks of the control plane."""

from __future__ import annotations

import re

import pytest
from cloud import Cloud
from served import Host


@pytest.fixture(scope="session")
def control(hosts: dict[str, Host]) -> Host:
    """The host with the control plane."""
    return hosts["control"]


@pytest.fixture(scope="session")
def admin(control: Host) -> Cloud:
    """The control plane with the credentials of root."""
    return Cloud(control, {})


@pytest.fixture(scope="session")
def member(admin: Cloud) -> Cloud:
    """A user of a project of its own."""
    project = admin.show("openstack project create shop")["id"]
    admin.run("openstack user create --project shop --password over-the-counter clerk")
    admin.run("openstack role add --project shop --user clerk member")
    assert re.fullmatch("[0-9a-f]{32}", project)
    return Cloud(admin.host, {"OS_PROJECT_NAME": "shop", "OS_USERNAME": "clerk", "OS_PASSWORD": "over-the-counter"})
