"""Report the state of a host's applications."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: The state of a host's applications
description:
  - Reads slots, releases, processes and history of the applications that were deployed on the host, and asks each for
    its health path. Changes nothing.
options:
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
  app:
    description: The application's name. Without it, all of them.
    type: str
  last:
    description: How many events of each history are returned.
    type: int
    default: 5
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: See what is served
  grove.wsgi.status:
    base: /srv/wsgi
  register: status
"""

RETURN = r"""
apps:
  description: >-
    The state of each application. C(state) is C(served), or C(removed) where the application has left the inventory and
    its files are kept.
  type: list
  elements: dict
  returned: success
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.status.report import reports
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "base": {"type": "path", "default": "/srv/wsgi"},
            "app": {"type": "str"},
            "last": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    base, app, last = Path(module.params["base"]), module.params["app"], module.params["last"]

    def work() -> dict[str, Any]:
        names = [app] if app else app_file.names(base)
        return {"changed": False, "apps": reports([app_file.read(base, name) for name in names], last)}

    run_module(module, work)


if __name__ == "__main__":
    main()
