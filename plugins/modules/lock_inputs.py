"""Read what the lock of an application is made from."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock_inputs
short_description: What an application's lock is made from
description:
  - In a playbook this is an action. It checks the record of the application on the controller, and the module reads the
    Python of the host. It changes nothing.
options:
  app:
    description: The application's name. Used by the action.
    type: str
  records:
    description: The inventory's records. Used by the action.
    type: raw
  services:
    description: The records of the services, by the service's name. Used by the action.
    type: dict
  settings:
    description: The variables that all records depend on. Used by the action.
    type: dict
  python:
    description: The interpreter to describe. Filled in by the action.
    type: str
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read what the app needs
  grove.wsgi.lock_inputs:
    app: shop
    records: "{{ wsgi_apps }}"
    settings: "{{ settings }}"
  register: __inputs
"""

RETURN = r"""
wanted:
  description: What the record names; null where the host has no such record.
  type: dict
  returned: success
names:
  description: The names of the host's records.
  type: list
  elements: str
  returned: success
python:
  description: The record's Python, with the keys C(version), C(abi), C(prefix) and C(glibc).
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host import info


def main() -> None:
    """Run the module."""
    arguments: dict[str, dict[str, Any]] = {
        "app": {"type": "str"},
        "records": {"type": "raw"},
        "services": {"type": "dict"},
        "settings": {"type": "dict"},
        "python": {"type": "str"},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    # Not only for root: nothing is changed, and every account may run the Python.
    module.exit_json(changed=False, python=info.python(module.params["python"]))


if __name__ == "__main__":
    main()
