"""Read what runs with files that were replaced."""

from __future__ import annotations

DOCUMENTATION = r"""
module: outdated
short_description: What on a host runs with files that an upgrade of packages has replaced
description:
  - Reads which processes run with programs and libraries of the distribution that were replaced on the disk, and
    whether the host has to reboot. Changes nothing.
options: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read what runs with older files
  grove.wsgi.outdated: {}
  register: outdated
"""

RETURN = r"""
reboot:
  description: The reasons for a reboot, that a package asks for it, or that a newer kernel is installed.
  type: list
  elements: str
  returned: success
units:
  description: The replaced files by the unit of systemd whose processes run with them; process 1 is C(init).
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host.outdated import outdated
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)

    def work() -> dict[str, Any]:
        return {"changed": False, **outdated()}

    run_module(module, work)


if __name__ == "__main__":
    main()
