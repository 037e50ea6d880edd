"""Let Apache run with the configuration that was written."""

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_service
short_description: Apache runs with the configuration that was written
description:
  - Starts Apache where it does not run, and reloads it where files that M(grove.wsgi.httpd_config) wrote were not read
    by the running server yet. A restart is made only for files that were declared to need one.
  - The module compares states and does not depend on a handler. When a run is interrupted between writing and loading,
    the next one loads the configuration.
  - Apache checks the configuration first. When it refuses it, the running server is left alone. When Apache stops all
    the same, it is started again with the configuration that it had before.
options:
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd).
    type: dict
    required: true
  apps:
    description:
      - The folders of the applications in Apache's configuration. When Apache has to be restarted in another sandbox,
        each of them that served before has to serve afterwards. Otherwise Apache is started again in the former
        sandbox.
    type: list
    elements: path
    default: []
  unwritten:
    description:
      - Results of M(grove.wsgi.httpd_config) in check mode, which has written nothing. The result says what a run would
        do. Only for check mode.
    type: list
    elements: dict
    default: []
  installed:
    description:
      - Apache has to run with the program and the libraries that are installed, too. Where an upgrade of a package has
        replaced some of them, Apache hands over to a new generation, or is restarted on a host without handovers.
    type: bool
    default: false
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Load what was written
  grove.wsgi.httpd_service:
    layout: "{{ httpd_layout }}"
"""

RETURN = r"""
action:
  description: One of C(none), C(start), C(reload) and C(restart).
  type: str
  returned: always
because:
  description: The paths relative to ServerRoot that were the reason, and the names of replaced files.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.service import Problems, Unwritten, load
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching.survivors import Survivors

APPS = {"type": "list", "elements": "path", "default": []}


def main() -> None:
    """Run the module."""
    unwritten = {"type": "list", "elements": "dict", "default": []}
    arguments = {
        "layout": {"type": "dict", "required": True},
        "apps": APPS,
        "unwritten": unwritten,
        "installed": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)

    def survivors() -> Problems:
        return Survivors.of(map(Path, module.params["apps"])).problems

    results = module.params["unwritten"] if module.check_mode else []
    left_out = Unwritten.of(results)
    layout = Layout.of(module.params["layout"])
    installed = module.params["installed"]
    run_module(module, lambda: load(layout, survivors, dry=module.check_mode, unwritten=left_out, installed=installed))


if __name__ == "__main__":
    main()
