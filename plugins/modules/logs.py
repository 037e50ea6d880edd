"""Read the logs of an application on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: logs
short_description: The logs of an application on a host, in order of time
description:
  - Reads the access log, the application's own log, Apache's error log of the application, and the journal of the
    application's agents and timers. Changes nothing.
options:
  app:
    description: The application's name.
    type: str
    required: true
  since:
    description: >-
      How far back. A number with C(s), C(m), C(h) or C(d), or a moment of ISO 8601, which is one of UTC if it has no
      zone.
    type: str
    default: 10m
  last:
    description: How many entries are returned, the newest ones.
    type: int
    default: 2000
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read what has happened in the last hour
  grove.wsgi.logs:
    app: bookstore
    since: 1h
  register: logs
"""

RETURN = r"""
deployed:
  description: Whether the application was deployed on this host.
  type: bool
  returned: success
state:
  description: C(served), or C(removed) where the application has left the inventory and its files are kept.
  type: str
  returned: when the application was deployed on this host
apps:
  description: The applications that were deployed on this host.
  type: list
  elements: str
  returned: success
entries:
  description: >-
    The entries, the oldest first. Each has C(moment) (seconds since 1970), C(source) (C(access), C(app), C(error) or a
    unit), C(text) and C(fields).
  type: list
  elements: dict
  returned: success
left_out:
  description: The number of older entries that were left out.
  type: int
  returned: success
problems:
  description: What could not be read, and why.
  type: list
  elements: str
  returned: success
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.logs import entries, limits, places, reading
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.status.presence import presence
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "since": {"type": "str", "default": "10m"},
            "last": {"type": "int", "default": limits.LAST},
            "base": {"type": "path", "default": "/srv/wsgi"},
        },
        supports_check_mode=True,
    )
    params, base = module.params, Path(module.params["base"])

    def work() -> dict[str, Any]:
        start = entries.start_of(params["since"], time.time())
        if not 0 < params["last"] <= limits.MOST:
            raise entries.LogError(f"last is {params['last']}; it has to be from 1 to {limits.MOST}")
        apps = app_file.names(base)
        result: dict[str, Any] = {"changed": False, "apps": apps, "deployed": params["app"] in apps}
        if not result["deployed"]:
            return {**result, "entries": [], "left_out": 0, "problems": []}
        app, _ = app_file.read(base, params["app"])
        found = places.places(app.folder, app.apache.program)
        result["state"] = presence(app)
        return {**result, **reading.read(params["app"], found, app.account, start, params["last"])}

    run_module(module, work)


if __name__ == "__main__":
    main()
