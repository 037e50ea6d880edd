"""Let a host serve nothing more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stop_serving
short_description: A host serves no application
description:
  - Stops the timers and agents of the host's applications, and Apache, and lets them not start at boot. Releases, state
    and logs stay, so that a later deployment serves the applications again.
options:
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd).
    type: dict
    required: true
  base:
    description: The folder that holds every application's folder.
    type: path
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Stop what the host serves
  grove.wsgi.stop_serving:
    layout: "{{ httpd_layout }}"
    base: /srv/wsgi
"""

RETURN = r"""
stopped:
  description: The units of timers and agents that were stopped, and C(Apache) if it was.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.agents.stop import stop
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import control
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"layout": {"type": "dict", "required": True}, "base": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    layout, base = Layout.of(module.params["layout"]), Path(module.params["base"])

    def work() -> dict[str, Any]:
        units = stop(app_file.names(base), dry=module.check_mode) if control.has_systemd() else []
        stopped = [*units, *(["Apache"] if control.stop(layout, dry=module.check_mode) else [])]
        return {"changed": bool(stopped), "stopped": stopped}

    run_module(module, work)


if __name__ == "__main__":
    main()
