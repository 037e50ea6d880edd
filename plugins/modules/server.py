"""A server of Debian: the files of its configuration, and what it lacks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server
short_description: A server has its configuration, and which packages it lacks
description:
  - Writes the files of a server's configuration that differ from those on the host, as M(grove.wsgi.files) does.
  - Then asks dpkg and systemd which packages are missing and whether the unit runs. All of this is one call.
  - Installs and starts nothing. dpkg takes a hundredth of the time that apt needs to load its lists.
extends_documentation_fragment: grove.wsgi.written
options:
  packages:
    description: The server's packages.
    type: list
    elements: str
    required: true
  unit:
    description: Its unit of systemd.
    type: str
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Write the configuration, and compare the server with its host
  grove.wsgi.server:
    files:
      - {path: /etc/memcached.conf, content: "{{ lookup('ansible.builtin.template', 'memcached.conf.j2') }}"}
    packages: [memcached]
    unit: memcached
  register: __server
"""

RETURN = r"""
changed_files:
  description: The folders and files that were made or written, or would be in check mode.
  type: list
  elements: str
  returned: success
missing:
  description:
    - The packages that are not installed, and those of which only apt can tell, virtual ones and names with a version.
  type: list
  elements: str
  returned: success
runs:
  description: Whether the unit runs, and starts with the host. False on a host without systemd.
  type: bool
  returned: success
lists:
  description: Whether apt knows any package.
  type: bool
  returned: success
"""

import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host.info import has_package_lists
from ansible_collections.grove.wsgi.plugins.module_utils.host.packages import installed
from ansible_collections.grove.wsgi.plugins.module_utils.host.written import ARGUMENTS, texts_of, write_all
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def runs(unit: str) -> bool:
    """Return whether a unit runs and starts with the host."""
    for question in ("is-active", "is-enabled"):
        try:
            done = subprocess.run(["systemctl", question, "--quiet", "--", unit], capture_output=True, check=False)
        except OSError:
            return False
        if done.returncode:
            return False
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "packages": {"type": "list", "elements": "str", "required": True},
            "unit": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )

    def work() -> dict[str, Any]:
        folders, texts = [Path(folder) for folder in module.params["folders"]], texts_of(module.params["files"])
        written = write_all(folders, texts, {}, dry=module.check_mode)
        names, unit = module.params["packages"], module.params["unit"]
        present = installed(names)
        missing = [name for name in names if name not in present]
        return {**written, "missing": missing, "runs": runs(unit), "lists": has_package_lists()}

    run_module(module, work)


if __name__ == "__main__":
    main()
