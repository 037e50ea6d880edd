"""What is asked of the verbs that work on hosts which the operator names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils import verbs


def asked_hosts(groups: Mapping[str, Sequence[str]], text: object, verb: str) -> dict[str, Any]:
    """Return ``folder``, ``named`` and ``problems`` of what is asked of a verb."""
    found = verbs.asked(groups, str(text), verb)
    return {"folder": found.folder, "named": list(found.named), "problems": list(found.problems)}


class FilterModule:
    """Filters of the playbooks ``replace``, ``scale_out``, ``scale_in`` and ``update_hosts``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "asked_hosts": asked_hosts,
            "updated_servers": lambda groups, interrupt: verbs.updated_servers(groups, interrupt=bool(interrupt)),
            "lone_servers": verbs.lone_servers,
            "cluster_hosts": verbs.cluster_hosts,
            "clusters_of": verbs.clusters_of,
            "one_at_a_time": verbs.one_at_a_time,
        }
