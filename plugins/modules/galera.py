"""A member of a MariaDB Galera cluster: its state, how far its data have come, and the steps that make it a member."""

from __future__ import annotations

DOCUMENTATION = r"""
module: galera
short_description: A MariaDB server is a member of a Galera cluster
description:
  - With O(state=read), the module reads what the controller needs for a decision. It changes nothing.
  - With O(state=position), the module stops a server that is in no cluster that serves, and reads how far the data of
    this host have come. It fails where the server is a member.
  - With O(state=member), the module starts the server, or restarts it if a file in O(files) was written after its
    start. Then it waits until the server is a synced member. A server that is one stays as it is.
  - With O(state=synced), the module waits until the server, which runs or starts, is a synced member.
  - With O(state=left), the server leaves the cluster in order, and nothing starts it again before O(state=member).
options:
  state:
    description: What the module does.
    type: str
    choices: [read, position, member, synced, left]
    required: true
  address:
    description: This host's address for the other members, for O(state=read).
    type: str
    default: ""
  peers:
    description: Addresses of the other hosts, by their names.
    type: dict
    default: {}
  first:
    description: Whether this host starts the cluster. The module fails if another host runs a member.
    type: bool
    default: false
  size:
    description: The number of members that the cluster has to have with this one, or without it for O(state=left).
    type: int
    default: 1
  files:
    description: The files that the server reads when it starts.
    type: list
    elements: path
    default: []
  seconds:
    description: How long the module waits for the server's start, and then for the synced member.
    type: int
    default: 3600
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read the state of the server
  grove.wsgi.galera:
    state: read
    address: 192.0.2.31
    peers: {db2: 192.0.2.32, db3: 192.0.2.33}
  register: __database_state
"""

RETURN = r"""
galera:
  description: The state of the host.
  type: dict
  returned: with state read
position:
  description: The cluster of the data (C(uuid)), and the number of the last transaction (C(seqno)).
  type: dict
  returned: with state position
action:
  description: C(none), C(bootstrap), C(join) or C(restart).
  type: str
  returned: with state member
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import Member, Systemd, as_dict
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["read", "position", "member", "synced", "left"], "required": True},
            "address": {"type": "str", "default": ""},
            "peers": {"type": "dict", "default": {}},
            "first": {"type": "bool", "default": False},
            "size": {"type": "int", "default": 1},
            "files": {"type": "list", "elements": "path", "default": []},
            "seconds": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> dict[str, Any]:
        member = Member(Systemd())
        match params["state"]:
            case "read":
                return {"changed": False, "galera": as_dict(member.read(params["address"], params["peers"]))}
            case "position":
                runs = member.control.runs()
                if module.check_mode:
                    return {"changed": runs}
                return {"changed": runs, "position": as_dict(member.position())}
            case "synced":
                if not module.check_mode:
                    member.wait(params["size"], params["seconds"])
                return {"changed": False}
            case "left":
                return member.leave(params["size"], dry=module.check_mode)
        return member.make_member(
            first=params["first"],
            size=params["size"],
            peers=params["peers"],
            files=[Path(path) for path in params["files"]],
            seconds=params["seconds"],
            dry=module.check_mode,
        )

    run_module(module, work)


if __name__ == "__main__":
    main()
