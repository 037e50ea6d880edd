"""The fixtures of the scenarios' checks: the hosts, from the variable GROVE_HOSTS that verify.yml sets."""

from __future__ import annotations

import json
import os

import pytest
from served import Host


def _hosts() -> list[Host]:
    return [Host(*values) for values in json.loads(os.environ["GROVE_HOSTS"])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Call a check that takes a host once for each that has apps, or with any_host once for each that Grove set up."""
    if "host" in metafunc.fixturenames:
        serving = [host for host in _hosts() if host.apps]
        metafunc.parametrize("host", serving, ids=lambda host: host.name)
    if "any_host" in metafunc.fixturenames:
        set_up = [host for host in _hosts() if host.try_run("test", "-d", "/srv/wsgi").returncode == 0]
        metafunc.parametrize("any_host", set_up, ids=lambda host: host.name)


@pytest.fixture(scope="session")
def hosts() -> dict[str, Host]:
    """All hosts of the scenario, by their names in the inventory."""
    return {host.name: host for host in _hosts()}
