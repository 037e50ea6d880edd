"""Read the versions of a host's software, for an audit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: software
short_description: The versions of a host's software
description:
  - Reads the Python packages of all releases of the applications on the host and of Grove's own tools, from their
    virtualenvs, and the security updates that apt's lists have for the host. Changes nothing.
options:
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
  tools:
    description: Folders of Grove's own tools, each with one virtualenv or with one for each version.
    type: list
    elements: path
    default: []
  lists_days:
    description: Days after which apt's lists are too old to be trusted.
    type: float
    default: 1
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read the software of the host
  grove.wsgi.software:
    tools: [/opt/grove/uv, /opt/grove/mod_wsgi]
  register: software
"""

RETURN = r"""
parts:
  description: The Python packages of each release and of each tool.
  type: list
  elements: dict
  returned: success
debian:
  description: The pending security updates of the distribution, and why some may be missing.
  type: dict
  returned: success
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.software import limits
from ansible_collections.grove.wsgi.plugins.module_utils.software.report import report


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "base": {"type": "path", "default": "/srv/wsgi"},
            "tools": {"type": "list", "elements": "path", "default": []},
            "lists_days": {"type": "float", "default": limits.LISTS_DAYS},
        },
        supports_check_mode=True,
    )

    def work() -> dict[str, Any]:
        tools = [Path(folder) for folder in module.params["tools"]]
        return {"changed": False, **report(Path(module.params["base"]), tools, module.params["lists_days"])}

    run_module(module, work)


if __name__ == "__main__":
    main()
