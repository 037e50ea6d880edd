"""Fixtures for the checks of the control plane."""

from __future__ import annotations

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
