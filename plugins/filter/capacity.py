"""The capacity of hosts, compared with what they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.capacity import judge, lines

DOCUMENTATION = r"""
name: capacity
short_description: Which limit of a host refuses a request first
description:
  - Compares processes and threads with the limits of Apache, mod_wsgi and the database server, for the results of
    M(grove.wsgi.capacity) by host. The filter P(grove.wsgi.capacity_lines#filter) makes lines of text of it.
options:
  _input:
    description: The results, each the value C(capacity) of the module, by host.
    type: dict
    required: true
"""

RETURN = r"""
_value:
  description: C(hosts), each with C(apps), C(first) and C(memory), and C(databases).
  type: dict
"""


class FilterModule:
    """The filters ``grove.wsgi.capacity`` and ``grove.wsgi.capacity_lines``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"capacity": judge, "capacity_lines": lines}
