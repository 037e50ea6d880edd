"""The data of a MariaDB server: a copy that is made while it serves, and the way back to a server without data."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Copy the data of a MariaDB server, or restore them
description:
  - With O(state=read), the module reads what the controller needs for a decision. It changes nothing.
  - With O(state=made), it copies the data with C(mariadb-backup) while the server serves, and packs the copy. A server
    of its own reads the copy before, and counts its rows. In a playbook this is an action, which brings the archive
    into O(local) on the controller, and removes it from the host.
  - With O(state=restored), the data of the archive take the place of those of a server that has no databases. The
    action sends the archive first. An interrupted restore of the same backup goes on.
  - With O(state=received), the module makes a folder for the archive. The action calls it.
  - With O(state=removed), it removes what a backup has left on the host.
options:
  state:
    description: What the module does.
    type: str
    choices: [read, made, received, restored, removed]
    required: true
  staging:
    description: The folder on the host for what is on its way.
    type: path
    required: true
  data:
    description: The data folder of the server.
    type: path
    default: /var/lib/mysql
  local:
    description: The archive on the controller, for O(state=made) and O(state=restored).
    type: str
    default: ""
  backup:
    description: The id of the backup that is restored.
    type: str
    default: ""
  series:
    description: The series of MariaDB that it is of.
    type: str
    default: ""
  sha256:
    description: The SHA-256 of its archive.
    type: str
    default: ""
  databases:
    description: The numbers of rows by database and table, which the restored server has to have.
    type: dict
    default: {}
  into:
    description: A folder of the account by which Ansible logs in. Set by the action.
    type: path
  archive:
    description: The archive on the host. Set by the action.
    type: path
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Copy the databases
  grove.wsgi.database_backup:
    state: made
    staging: /var/backups/grove
    local: /root/backups/mariadb.tar.gz
  register: __database_made
"""

RETURN = r"""
server:
  description: The state of the server and of the host's disks.
  type: dict
  returned: with state read
made:
  description: Size, SHA-256, series and rows of the archive.
  type: dict
  returned: with state made
archive:
  description: The path for the archive on the host; empty where an interrupted restore does not need it.
  type: str
  returned: with state received
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.database.backup import (
    BackupError,
    Server,
    Service,
    check_series,
)
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def owner_of(folder: str | None) -> int:
    """Return the number of the account that fetches and sends archives."""
    if not folder:
        raise BackupError("into is missing; the action grove.wsgi.database_backup sets it")
    return Path(folder).stat().st_uid


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["read", "made", "received", "restored", "removed"], "required": True},
            "staging": {"type": "path", "required": True},
            "data": {"type": "path", "default": "/var/lib/mysql"},
            "local": {"type": "str", "default": ""},
            "backup": {"type": "str", "default": ""},
            "series": {"type": "str", "default": ""},
            "sha256": {"type": "str", "default": ""},
            "databases": {"type": "dict", "default": {}},
            "into": {"type": "path"},
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    server = Server(Path(params["staging"]), Path(params["data"]))

    def work() -> dict[str, Any]:
        if params["state"] == "read":
            return {"changed": False, "server": server.read()}
        if module.check_mode:
            return {"changed": params["state"] in ("made", "restored")}
        match params["state"]:
            case "made":
                return {"changed": True, "made": server.make(owner_of(params["into"]))}
            case "received":
                needed = not server.has_data_of(params["backup"])
                return {"changed": False, "archive": server.receive(owner_of(params["into"])) if needed else ""}
            case "restored":
                archive = Path(params["archive"]) if params["archive"] else None
                check_series(params["series"])
                server.restore(Service(), params["backup"], archive, params["sha256"], params["databases"])
                return {"changed": True}
        server.clean()
        return {"changed": False}

    run_module(module, work)


if __name__ == "__main__":
    main()
