"""Wait until no other program installs packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_lock
short_description: No other program keeps the packages of the host locked
description:
  - Waits while another program, such as unattended-upgrades, holds a lock of apt or dpkg. Changes nothing, and does not
    wait in check mode.
  - In a playbook this is an action. It says for whom it waits, and fails after 15 minutes.
options:
  seconds:
    description: How long this call waits. Filled in by the action.
    type: float
    default: 0
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Wait for other programs that install packages
  grove.wsgi.package_lock: {}
"""

RETURN = r"""
holder:
  description: Who holds a lock, with the keys C(path), C(pid) and C(program); null when all are free.
  type: dict
  returned: success
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host import package_locks
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    arguments: dict[str, Any] = {"seconds": {"type": "float", "default": 0}}
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)

    def work() -> dict[str, Any]:
        holder = package_locks.wait(module.params["seconds"])
        return {"changed": False, "holder": asdict(holder) if holder else None}

    run_module(module, work)


if __name__ == "__main__":
    main()
