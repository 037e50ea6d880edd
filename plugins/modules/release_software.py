"""Pack the software of releases for another host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_software
short_description: The software of releases is packed for another host of the fleet
description:
  - Looks on this host for releases that were made of the same software as those that another host is to build, and
    packs their virtualenvs. M(grove.wsgi.release) unpacks them on the other host, which then needs no index and no
    compiler.
  - In a playbook this is an action, which fetches the archives to the controller. It is delegated to the host that has
    the releases, and works once for all hosts that get them. Ansible removes the archives at the end of the run.
    Nothing is changed.
options:
  base:
    description: The folder of the applications on both hosts.
    type: path
    required: true
  apps:
    description: The inputs of the software of each release, by the application.
    type: dict
    required: true
  into:
    description: A folder for the archives, whose owner they get. Set by the action.
    type: path
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Fetch the software that another host has built
  grove.wsgi.release_software:
    base: /srv/wsgi
    apps: {bookstore: {source: 4a5e1e4baab89f3a, python: cpython-311-x86_64-linux-gnu}}
  delegate_to: api1
"""

RETURN = r"""
archives:
  description: >-
    The path of each archive by application, on the host for the module, and on the controller for the action.
  type: dict
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.release import software

ARGUMENTS: dict[str, dict[str, Any]] = {
    "base": {"type": "path", "required": True},
    "apps": {"type": "dict", "required": True},
    "into": {"type": "path"},
}


def pack(base: Path, apps: dict[str, dict[str, Any]], into: Path) -> dict[str, str]:
    """Pack the software of each application that this host has; return the path of each archive by application."""
    archives = {}
    for name, inputs in sorted(apps.items()):
        folder = AppFolder(name, base / name)
        release = software.find(folder, inputs)
        if release is not None:
            archive = into / f"{name}.tar.gz"
            software.pack(folder.release(release), archive)
            archives[name] = str(archive)
    return archives


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def work() -> dict[str, Any]:
        if module.check_mode or not module.params["into"]:
            return {"changed": False, "archives": {}}
        base, into = Path(module.params["base"]), Path(module.params["into"])
        return {"changed": False, "archives": pack(base, module.params["apps"], into)}

    run_module(module, work)


if __name__ == "__main__":
    main()
