"""Let a HAProxy of its own run in front of the database hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_database
short_description: A load balancer has an address for clients of the database
description:
  - Runs on a load balancer. With O(state=present), lets HAProxy check a configuration, puts it in place, and starts or
    reloads the unit C(grove-database-proxy). Then it waits until HAProxy has found a database host that serves.
  - The unit is another process than the HAProxy of the apps. Connections of databases live for hours, so a reload for
    a change of the apps would keep former processes for as long.
  - With O(state=absent), stops the unit where there is one.
  - With O(state=installed), lets the unit run with the program and the libraries that are installed, by a reload if it
    runs with older ones.
  - With O(state=read), reads how HAProxy sees each database host. With O(state=up) and O(state=down), waits until it
    sends clients to O(hosts) when their turn comes, or to none of them. These change nothing.
options:
  state:
    description: What the module does.
    type: str
    choices: [present, absent, installed, read, up, down]
    default: present
  content:
    description: The configuration. The word C(@digest@) in it becomes the hash of the text.
    type: str
    default: ""
  unit:
    description: The text of the unit of systemd.
    type: str
    default: ""
  seconds:
    description: How long the module waits for a database host that serves, or for O(hosts).
    type: int
    default: 60
  hosts:
    description: Database hosts, for O(state=up) and O(state=down).
    type: list
    elements: str
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Stop HAProxy in front of the database hosts
  grove.wsgi.load_balancer_database:
    state: absent
"""

RETURN = r"""
action:
  description: C(none) or C(load).
  type: str
  returned: with state present or installed
serving:
  description: The database host that gets the connections.
  type: str
  returned: with state present, not in check mode
servers:
  description: Of each database host that HAProxy knows, whether it may have clients (C(up)), and its C(address).
  type: dict
  returned: with state read
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import configuration, database
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.process import DATABASE
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["present", "absent", "installed", "read", "up", "down"],
                "default": "present",
            },
            "content": {"type": "str", "default": ""},
            "unit": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 60},
            "hosts": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> dict[str, Any]:
        if params["state"] == "absent":
            return database.remove(dry=module.check_mode)
        if params["state"] == "installed":
            return configuration.run_installed(DATABASE, dry=module.check_mode)
        if params["state"] == "read":
            return {"changed": False, "servers": database.seen(DATABASE.haproxy)}
        if params["state"] in ("up", "down"):
            if not module.check_mode:
                up = params["state"] == "up"
                database.wait(DATABASE.haproxy, params["hosts"], params["seconds"], up=up)
            return {"changed": False}
        result = database.put(params["content"], params["unit"], dry=module.check_mode)
        if module.check_mode:
            return result
        return {**result, "serving": database.serving(DATABASE.haproxy, params["seconds"])}

    run_module(module, work)


if __name__ == "__main__":
    main()
