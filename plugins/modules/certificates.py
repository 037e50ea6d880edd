"""Read the certificates of a host's applications."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates
short_description: The certificates that a host's applications show
description:
  - Connects to each application with TLS on the host, as a client does, and reads the certificate that Apache shows.
    Changes nothing.
options:
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read the certificates
  grove.wsgi.certificates:
    base: /srv/wsgi
  register: certificates
"""

RETURN = r"""
certificates:
  description: >-
    For each application with TLS C(app), C(until) (its end), C(days) (how many are left), C(issuer), C(names) and
    C(problem).
  type: list
  elements: dict
  returned: success
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.certificates import certificates
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.status.presence import served


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"base": {"type": "path", "default": "/srv/wsgi"}}, supports_check_mode=True)
    base = Path(module.params["base"])

    def work() -> dict[str, Any]:
        return {"changed": False, "certificates": certificates(served(base), datetime.now(UTC))}

    run_module(module, work)


if __name__ == "__main__":
    main()
