"""Which databases and accounts a MariaDB server does not have as they are to be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mariadb_differences
short_description: Which databases and accounts of a MariaDB server differ
description:
  - Compares databases and accounts, with their passwords and privileges, with those of the server on this host, in one
    call for all. Changes nothing.
  - Where the server cannot be asked, all of them differ, so that the modules that make them report why.
options:
  socket:
    description: The server's Unix socket. Root logs in without a password.
    type: path
    required: true
  databases:
    description: Names of databases.
    type: list
    elements: str
    default: []
  users:
    description: Accounts, as in C(database_users) of the role C(database).
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: The service whose account it is. The comparison does without it.
        type: str
      name:
        description: The account's name.
        type: str
        required: true
      host:
        description: The host from which it logs in; every host without it.
        type: str
      password:
        description: Its password.
        type: str
      databases:
        description: The databases on which it has all privileges.
        type: list
        elements: str
        default: []
      state:
        description: Whether it is there.
        type: str
        choices: [present, absent]
        default: present
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Compare the databases and accounts with those of the server
  grove.wsgi.mariadb_differences:
    socket: /run/mysqld/mysqld.sock
    databases: [nova]
    users:
      - {name: nova_1, password: "{{ password }}", databases: [nova]}
  register: __differences
"""

RETURN = r"""
databases:
  description: Names of the databases that the server does not have.
  type: list
  elements: str
  returned: success
users:
  description: Names of the accounts that differ.
  type: list
  elements: str
  returned: success
"""

import importlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.database.mariadb import Account, differing

# Names of accounts are not secret: the result has to name them.
USER: dict[str, dict[str, Any]] = {
    "service": {"type": "str"},
    "name": {"type": "str", "required": True},
    "host": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "databases": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def accounts(cursor: Any) -> dict[tuple[str, str], Account]:
    """Return the server's accounts by name and host."""
    cursor.execute("SELECT User, Host, plugin, authentication_string FROM mysql.user")
    found = {}
    for name, host, plugin, password in cursor.fetchall():
        cursor.execute("SHOW GRANTS FOR %s@%s", (name, host))
        found[str(name), str(host)] = Account(str(plugin), str(password), [str(row[0]) for row in cursor.fetchall()])
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "databases": {"type": "list", "elements": "str", "default": []},
            "users": {"type": "list", "elements": "dict", "default": [], "options": USER},
        },
        supports_check_mode=True,
    )
    databases, users = module.params["databases"], module.params["users"]
    all_differ = {"changed": False, "databases": databases, "users": [str(user["name"]) for user in users]}
    try:
        pymysql: Any = importlib.import_module("pymysql")
    except ImportError:
        module.exit_json(**all_differ)
    try:
        with pymysql.connect(unix_socket=module.params["socket"], user="root") as connection:
            cursor = connection.cursor()
            cursor.execute("SHOW DATABASES")
            present = {str(row[0]) for row in cursor.fetchall()}
            late = differing(users, accounts(cursor))
    except pymysql.MySQLError:
        module.exit_json(**all_differ)
    module.exit_json(changed=False, databases=[name for name in databases if name not in present], users=late)


if __name__ == "__main__":
    main()
