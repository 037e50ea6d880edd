"""A database host answers the load balancers whether it may have clients."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_health
short_description: A database host answers the load balancers whether it may have clients
description:
  - With O(state=present), makes the account of the unit C(grove-database-health) on the host and in MariaDB, where it
    has no privilege and no password. Starts the unit, or restarts it if a file in O(files) was written after its start.
    Then waits until it answers that the host may have clients.
  - With O(state=absent), stops the unit where there is one, and removes its files and its account in MariaDB.
options:
  state:
    description: What the module does.
    type: str
    choices: [present, absent]
    required: true
  account:
    description: The name of the account.
    type: str
    required: true
  address:
    description: The address that the unit listens on.
    type: str
    required: true
  port:
    description: The port that it listens on.
    type: int
    required: true
  socket:
    description: MariaDB's Unix socket. Root logs in without a password.
    type: path
    required: true
  files:
    description: The program and the unit.
    type: list
    elements: path
    required: true
  seconds:
    description: How long the module waits for a good answer.
    type: int
    default: 60
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Let the load balancers ask the server for its health
  grove.wsgi.database_health:
    state: present
    account: grove-database-health
    address: 192.0.2.31
    port: 9120
    socket: /run/mysqld/mysqld.sock
    files: [/opt/grove/database/health.py, /etc/systemd/system/grove-database-health.service]
"""

RETURN = r"""
changes:
  description: What was made, started or removed, or would be in check mode.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.database.health import Health
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "required": True},
            "account": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "socket": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path", "required": True},
            "seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params = module.params
    files = [Path(path) for path in params["files"]]
    health = Health(params["account"], params["address"], params["port"], params["socket"])

    def work() -> dict[str, Any]:
        if params["state"] == "absent":
            return health.absent(files, dry=module.check_mode)
        return health.present(files, params["seconds"], dry=module.check_mode)

    run_module(module, work)


if __name__ == "__main__":
    main()
