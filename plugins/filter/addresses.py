"""The addresses at which the hosts of a fleet reach the database, the cache and the APIs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.plugin_utils import database_proxy, shared_servers
from ansible_collections.grove.wsgi.plugins.plugin_utils.balancing import AddressError

Value = TypeVar("Value")


def with_errors(work: Callable[..., Value]) -> Callable[..., Value]:
    """Return a function whose AddressError is one that Ansible shows."""

    @wraps(work)
    def call(*arguments: Any) -> Value:
        try:
            return work(*arguments)
        except AddressError as error:
            raise AnsibleFilterError(str(error)) from None

    return call


class FilterModule:
    """Filters of the roles ``cache``, ``database``, ``keystone``, ``load_balancer`` and ``openstack``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "api_address": with_errors(shared_servers.api_address),
            "cache_addresses": with_errors(shared_servers.cache_addresses),
            "cache_listen": with_errors(shared_servers.cache_listen),
            "database_address": with_errors(database_proxy.address),
            "database_askers": with_errors(database_proxy.askers),
            "database_listen": with_errors(database_proxy.listen),
            "database_port_problems": database_proxy.record_problems,
            "database_proxy": with_errors(database_proxy.proxy),
            "database_proxy_problems": database_proxy.problems,
            "separate_caches": shared_servers.separate_caches,
        }
