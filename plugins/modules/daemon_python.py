"""Make the Python that daemon processes start with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: daemon_python
short_description: Daemon processes start with a Python that has no application in it
description:
  - Makes a virtualenv whose only packages are those in C(packages). The daemon processes of mod_wsgi start with it.
options:
  folder:
    description: Where the virtualenv is.
    type: path
    required: true
  python:
    description: The interpreter that mod_wsgi is linked to.
    type: path
    required: true
  version:
    description: The version of the interpreter.
    type: str
    required: true
  prefix:
    description: The folder that the interpreter is installed in, its C(sys.base_prefix).
    type: path
    required: true
  packages:
    description: Content of the files of packages, by their paths below the folder of packages.
    type: dict
    required: true
  known:
    description:
      - What M(grove.wsgi.host_info) has read as C(written). In a playbook this is an action, which does not call the
        host where nothing differs.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Make the virtualenv
  grove.wsgi.daemon_python:
    folder: /opt/grove/python
    python: /usr/bin/python3
    version: 3.11.2
    prefix: /usr
    packages: {}
"""

RETURN = r"""
changed_files:
  description: Paths that were written, or would be in check mode.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.daemon_python import DaemonPython
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "python": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "prefix": {"type": "path", "required": True},
            "packages": {"type": "dict", "required": True},
            "known": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    python = DaemonPython.of(module.params)
    run_module(module, lambda: python.ensure(dry=module.check_mode))


if __name__ == "__main__":
    main()
