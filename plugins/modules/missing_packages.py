"""Which packages of Debian are not installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: missing_packages
short_description: Which packages of Debian are not installed
description:
  - Asks dpkg, which takes a hundredth of the time that apt needs to load its lists. Changes nothing.
options:
  names:
    description: The packages.
    type: list
    elements: str
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Compare the packages with those of the host
  grove.wsgi.missing_packages:
    names: [apache2]
  register: __packages
"""

RETURN = r"""
names:
  description:
    - The packages that are not installed, and those of which only apt can tell, virtual ones and names with a version.
  type: list
  elements: str
  returned: success
lists:
  description: Whether apt knows any package.
  type: bool
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host.info import has_package_lists
from ansible_collections.grove.wsgi.plugins.module_utils.host.packages import missing
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    run_module(
        module,
        lambda: {"changed": False, "names": missing(module.params["names"]), "lists": has_package_lists()},
    )


if __name__ == "__main__":
    main()
