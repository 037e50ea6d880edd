"""The sandbox of Apache's unit, for its template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.plugin_utils import sandbox
from ansible_collections.grove.wsgi.plugins.plugin_utils.mpm import Mpm


def apache_sandbox(
    needed: Mapping[str, Any], own: Mapping[str, Any], size: Mapping[str, int], host: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Return the lines of Apache's unit: ``name``, ``value`` and ``reason``.

    needed: ``steps.sandbox`` of M(grove.wsgi.check_records). own: the variable ``httpd_sandbox``. size: the result of
    the filter ``mpm``. host: the result of M(grove.wsgi.host_info). Raises AnsibleFilterError for a fault in ``own``.
    """
    if problems := sandbox.problems_of(own):
        texts = [f"variable httpd_sandbox.{name}: found {value!r}; {remedy}" for name, value, remedy in problems]
        raise AnsibleFilterError("\n".join(texts))
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in needed.items()}
    mpm = Mpm(size["servers"], size["threads"])
    return sandbox.apache_unit(values, own, mpm, own_mounts=bool(host.get("mount_namespaces")))


class FilterModule:
    """Filters of the role ``httpd``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"apache_sandbox": apache_sandbox}
