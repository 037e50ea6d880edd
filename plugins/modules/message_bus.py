"""Virtual hosts and accounts of a RabbitMQ broker."""

from __future__ import annotations

DOCUMENTATION = r"""
module: message_bus
short_description: Virtual hosts and accounts of a RabbitMQ broker
description:
  - Makes virtual hosts and accounts, sets passwords and permissions of the accounts, and removes accounts.
  - Reads and writes everything at once, with C(rabbitmqctl export_definitions) and C(import_definitions). Passwords are
    on no command line, and a password that is already set is not set again.
options:
  users:
    description: Accounts that are made.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: The service that uses the account.
        type: str
        required: true
      name:
        description: The account's name.
        type: str
        required: true
      password:
        description: The account's password.
        type: str
        required: true
      vhosts:
        description: The virtual hosts in which it has all rights. It has none in others.
        type: list
        elements: str
        required: true
      former_vhosts:
        description: Virtual hosts in which it has all rights, too, if the broker has them. They are not made.
        type: list
        elements: str
        default: []
  absent_users:
    description: Accounts that are removed.
    type: list
    elements: str
    default: []
  absent_vhosts:
    description: Virtual hosts that are removed, with their queues.
    type: list
    elements: str
    default: []
  unread_notifications:
    description: Messages that a queue of notifications keeps; the oldest are dropped first. 0 means no limit.
    type: int
    default: 0
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Make virtual hosts and accounts
  grove.wsgi.message_bus:
    users:
      - {name: nova_1, service: nova, password: "{{ password }}", vhosts: [nova]}
    absent_users: [guest]
"""

RETURN = r"""
changes:
  description: A line for each change that was made, or would be in check mode.
  type: list
  returned: always
"""

import shutil
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.openstack import broker

# Names of accounts are not secret: changes and errors have to show them.
USER: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "vhosts": {"type": "list", "elements": "str", "required": True},
    "former_vhosts": {"type": "list", "elements": "str", "default": []},
}

# Seconds after which an import has to be complete.
IMPORT_TIMEOUT = 120


def needed_changes(server: broker.Broker | None, params: dict[str, Any]) -> broker.Changes:
    """Return the changes that a broker needs; without a broker, all of them. Raises BrokerError."""
    current = server.definitions() if server else {}
    return broker.changes(
        current, params["users"], params["absent_users"], params["unread_notifications"], params["absent_vhosts"]
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "users": {"type": "list", "elements": "dict", "default": [], "options": USER},
            "absent_users": {"type": "list", "elements": "str", "default": []},
            "absent_vhosts": {"type": "list", "elements": "str", "default": []},
            "unread_notifications": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    users = module.params["users"]
    server = broker.Broker()
    try:
        absent = module.check_mode and shutil.which(server.program) is None
        changes = needed_changes(None if absent else server, module.params)
        if not module.check_mode:
            server.apply(changes)
            # rabbitmqctl returns before the import is complete.
            end = time.monotonic() + IMPORT_TIMEOUT
            while changes.lines and (missing := needed_changes(server, module.params).lines):
                if time.monotonic() > end:
                    raise broker.BrokerError(
                        f"import_definitions: after {IMPORT_TIMEOUT} s the broker lacks {', '.join(missing)}"
                    )
                time.sleep(0.2)
    except broker.BrokerError as error:
        services = ", ".join(dict.fromkeys(user["service"] for user in users)) or "no service"
        module.fail_json(
            msg=f"the message broker refuses the step {error}. {services} cannot be given an account. Look at"
            ' "systemctl status rabbitmq-server" and /var/log/rabbitmq; run again when the cause is gone'
        )
    after = "".join(f"{line}\n" for line in changes.lines)
    module.exit_json(changed=bool(after), changes=changes.lines, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
