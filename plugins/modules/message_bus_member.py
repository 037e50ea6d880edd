"""A member of a RabbitMQ cluster: its state, and the steps that make it a member."""

from __future__ import annotations

DOCUMENTATION = r"""
module: message_bus_member
short_description: A RabbitMQ node is a member of a cluster
description:
  - With O(state=read), the module reads what the controller needs for a decision. It changes nothing.
  - With O(state=again), the module starts a node of a cluster of which no node runs, and waits until O(size) run.
  - With O(state=running), the module waits until O(size) members run, this node among them. With O(state=spared), it
    also waits until each queue has a majority without the node.
  - With O(state=forgotten), the module removes O(nodes) that do not run from the cluster.
  - With O(state=member), the module starts the node, or restarts it if a file in O(files) was written after its start.
    It joins O(join), and waits until O(size) members run. Before a restart, each queue has to have a majority without
    the node. A node that is a member stays as it is.
options:
  state:
    description: What the module does.
    type: str
    choices: [read, again, running, spared, forgotten, member]
    required: true
  address:
    description: This host's address for the other members.
    type: str
    required: true
  peers:
    description: Addresses of the other hosts, by their names, for O(state=read).
    type: dict
    default: {}
  first:
    description:
      - With O(state=member), whether the node begins a cluster. With O(state=again), whether it starts with its own
        data
        and
        without nodes that are lost.
    type: bool
    default: false
  join:
    description: The node of a member that runs. Empty where this host has the cluster's data, or begins a cluster.
    type: str
    default: ""
  nodes:
    description: The nodes that are removed, for O(state=forgotten).
    type: list
    elements: str
    default: []
  size:
    description: The number of members that have to run with this one.
    type: int
    default: 1
  hosts:
    description: The number of hosts of the cluster. Up to three, each of them gets a copy of each quorum queue.
    type: int
    default: 1
  cookie:
    description: The secret that the members share.
    type: str
    default: ""
  files:
    description: The files that the node reads when it starts.
    type: list
    elements: path
    default: []
  seconds:
    description: How long the module waits for the node's start, and then for the members.
    type: int
    default: 900
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read the state of the node
  grove.wsgi.message_bus_member:
    state: read
    address: 192.0.2.41
    peers: {mq2: 192.0.2.42, mq3: 192.0.2.43}
  register: __message_bus_state
"""

RETURN = r"""
message_bus:
  description: The state of the host.
  type: dict
  returned: with state read
forgotten:
  description: The nodes that were removed from the cluster.
  type: list
  elements: str
  returned: with state forgotten
action:
  description: C(none), C(start), C(join) or C(restart).
  type: str
  returned: with state member
grown:
  description: How many queues have got a copy on this host.
  type: int
  returned: with state member
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host.unit import Unit
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.bus_member import UNIT, Member, as_dict


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["read", "again", "running", "spared", "forgotten", "member"],
                "required": True,
            },
            "address": {"type": "str", "required": True},
            "peers": {"type": "dict", "default": {}},
            "first": {"type": "bool", "default": False},
            "join": {"type": "str", "default": ""},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "size": {"type": "int", "default": 1},
            "hosts": {"type": "int", "default": 1},
            "cookie": {"type": "str", "default": "", "no_log": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "seconds": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> dict[str, Any]:
        member = Member(params["address"], Unit(UNIT))
        match params["state"]:
            case "read":
                return {"changed": False, "message_bus": as_dict(member.read(params["peers"]))}
            case "running" | "spared":
                if not module.check_mode:
                    member.wait(params["size"], params["seconds"], spared=params["state"] == "spared")
                return {"changed": False}
            case "again" if not module.check_mode:
                return member.start_again(force=params["first"], size=params["size"], seconds=params["seconds"])
            case "forgotten" if not module.check_mode:
                return member.forget(params["nodes"])
            case "again" | "forgotten":
                return {"changed": True}
        return member.make_member(
            first=params["first"],
            join=params["join"],
            size=params["size"],
            hosts=params["hosts"],
            cookie=params["cookie"],
            files=[Path(path) for path in params["files"]],
            seconds=params["seconds"],
            dry=module.check_mode,
        )

    run_module(module, work)


if __name__ == "__main__":
    main()
