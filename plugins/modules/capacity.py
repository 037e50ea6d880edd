"""Read what a host can take, and how much of it was used."""

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity
short_description: What a host and its applications can take, and how much of it was used
description:
  - Reads Apache's workers and limits, the processes and threads of each application, their memory and database
    connections, and from the access logs how much of that was used. Changes nothing.
options:
  since:
    description: >-
      How far back the access logs are read. A number with C(s), C(m), C(h) or C(d), or a moment of ISO 8601, which is
      one of UTC if it has no zone.
    type: str
    default: 1d
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read what the host can take
  grove.wsgi.capacity:
    since: 1h
  register: capacity
"""

RETURN = r"""
capacity:
  description: >-
    C(machine), C(server) (Apache's limits; null on a host without applications), C(apps), C(used) (of all applications
    together), C(since) (seconds since 1970), C(database) (the host's database server, or null) and C(problems).
  type: dict
  returned: success
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.capacity import limits
from ansible_collections.grove.wsgi.plugins.module_utils.capacity.report import report
from ansible_collections.grove.wsgi.plugins.module_utils.logs import entries
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "since": {"type": "str", "default": limits.SINCE},
            "base": {"type": "path", "default": "/srv/wsgi"},
        },
        supports_check_mode=True,
    )

    def work() -> dict[str, Any]:
        start = entries.start_of(module.params["since"], time.time())
        return {"changed": False, "capacity": report(Path(module.params["base"]), start)}

    run_module(module, work)


if __name__ == "__main__":
    main()
