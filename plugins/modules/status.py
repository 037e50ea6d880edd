"""Report what the applications of a host are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: What the applications of a host are
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
  description: The state of each application.
  type: list
  elements: dict
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.status import report as status_report
from ansible_collections.grove.wsgi.plugins.module_utils.switching import served as served_app


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
    base = Path(module.params["base"])
    names = [module.params["app"]] if module.params["app"] else served_app.names(base)
    try:
        apps = [status_report.report(*served_app.find(base, name), last=module.params["last"]) for name in names]
    except (FolderError, OSError, KeyError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, apps=apps)


if __name__ == "__main__":
    main()
