"""The keys of keystone on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_keys
short_description: Hosts with keystone have the same keys
description:
  - With O(state=read), returns what the controller needs for a decision. The keys are not in it.
  - With O(state=copied), returns the keys of O(repositories), for another host. Keys that are missing are made first.
  - With O(state=rotated), makes the staged key of C(fernet-keys) the one that makes tokens, adds a new staged key,
    removes the oldest keys beyond O(most), and returns the keys. A rotation that was interrupted is completed instead.
  - With O(state=written), gives the host O(material).
  - keystone reads its keys at each request. New keys are there before older ones go, and each file is replaced by a
    rename.
  - In a playbook this is an action, which keeps the keys out of every output.
options:
  state:
    description: What the module does.
    type: str
    choices: [read, copied, rotated, written]
    required: true
  folder:
    description: The folder of keystone's state, with C(fernet-keys) and C(credential-keys).
    type: path
    required: true
  account:
    description: The account that owns the keys.
    type: str
    default: keystone
  repositories:
    description: The folders whose keys are returned, for O(state=copied).
    type: list
    elements: str
    choices: [fernet-keys, credential-keys]
    default: [fernet-keys, credential-keys]
  expected:
    description:
      - The C(keys) that O(state=read) returned. If the host has other ones by now, the module fails and writes nothing.
    type: dict
    default: {}
  most:
    description: How many keys stay, with the staged one, for O(state=rotated).
    type: int
    default: 3
  material:
    description:
      - The keys by repository and number, for O(state=written). Repositories that are not in it stay as they are.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read which keys the host has
  grove.wsgi.keystone_keys:
    state: read
    folder: /var/lib/keystone
  register: __keystone_keys_read
"""

RETURN = r"""
keys:
  description: What may be shown of the keys, by repository and number, a part of the SHA-256 of each.
  type: dict
  returned: with state read
open:
  description: Whether other accounts may read a file or folder of the keys.
  type: bool
  returned: with state read
folder:
  description: The folder of keystone's state.
  type: str
  returned: with state read
material:
  description: The keys by repository and number.
  type: dict
  returned: with state copied and rotated
paths:
  description: The files that were written or removed.
  type: list
  elements: str
  returned: with state written
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.key_repository import (
    FERNET,
    REPOSITORIES,
    Repositories,
)


def numbered(values: Mapping[str, Mapping[str, str]]) -> dict[str, dict[int, str]]:
    """Return keys or digests as they were before JSON made texts of their numbers."""
    return {name: {int(number): value for number, value in keys.items()} for name, keys in values.items()}


def texts(values: Mapping[str, Mapping[int, str]]) -> dict[str, dict[str, str]]:
    """Return keys or digests as JSON has them."""
    return {name: {str(number): value for number, value in keys.items()} for name, keys in values.items()}


def main() -> None:
    """Run the module."""
    repositories = {"type": "list", "elements": "str", "choices": list(REPOSITORIES), "default": list(REPOSITORIES)}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["read", "copied", "rotated", "written"], "required": True},
            "folder": {"type": "path", "required": True},
            "account": {"type": "str", "default": "keystone"},
            "repositories": repositories,
            "expected": {"type": "dict", "default": {}, "no_log": False},
            "most": {"type": "int", "default": 3},
            "material": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> dict[str, Any]:
        found = Repositories(Path(params["folder"]), params["account"])
        expected = numbered(params["expected"])
        match params["state"]:
            case "read":
                state = found.read()
                keys = texts(state.digests)
                return {"changed": False, "keys": keys, "open": bool(state.open), "folder": params["folder"]}
            case _ if module.check_mode:
                # The keys that other hosts would make are not there.
                return {"changed": params["state"] != "copied", "material": {}, "paths": []}
            case "copied":
                before = found.read().digests
                material = found.make(params["repositories"])
                made = any(before[name].keys() != numbers.keys() for name, numbers in material.items())
                return {"changed": made, "material": texts(material)}
            case "rotated":
                rotated = {FERNET: found.rotate(expected.get(FERNET, {}), params["most"])}
                return {"changed": True, "material": texts(rotated)}
        paths = found.write(numbered(params["material"]), expected)
        return {"changed": bool(paths), "paths": paths}

    run_module(module, work)


if __name__ == "__main__":
    main()
