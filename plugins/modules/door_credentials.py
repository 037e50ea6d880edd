"""Make the credentials of the doors."""

from __future__ import annotations

DOCUMENTATION = r"""
module: door_credentials
short_description: The host has a credential for its doors, and one for Apache's status
description:
  - Makes each credential once, in a file below C(/var/lib/grove) that root alone may read. The configuration of Apache
    gets their hashes.
options:
  status_group:
    description: The group that may read the credential of Apache's status. Empty for root alone.
    type: str
    default: ""
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Make the credentials
  grove.wsgi.door_credentials:
    status_group: metrics
  register: __credentials
"""

RETURN = r"""
digests:
  description: The SHA-1 of each credential, C(root) and C(status). Empty in check mode where a credential is missing.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"status_group": {"type": "str", "default": ""}}, supports_check_mode=True)
    run_module(module, lambda: credentials.ensure(module.params["status_group"], dry=module.check_mode))


if __name__ == "__main__":
    main()
