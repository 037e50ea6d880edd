"""Build a release of an application on its host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: A release of an application is there
description:
  - A release is an immutable folder with the virtualenv, the configuration and the entry of an application. Its id is a
    hash of all that went in, so that the same inputs are the same release.
  - In a playbook this is an action; it makes the archive of the inputs on the controller and transfers it only when the
    host does not have the release yet.
  - The release is built beside the others, loaded and asked for its health path as the application's account, and only
    then published. The first release of an application is put into both of its slots; a later one is handed traffic by
    M(grove.wsgi.switch).
options:
  record:
    description: The completed record, as M(grove.wsgi.check_records) returns it. Used by the action.
    type: dict
  app_environment:
    description: Environment variables of the application. Used by the action, and never sent as an argument.
    type: dict
  app_config:
    description: The record's files that are made of sections. Used by the action, and never sent as an argument.
    type: dict
  folder:
    description: The application's folder on the host.
    type: path
  name:
    description: The application's name.
    type: str
  release:
    description: The release's id.
    type: str
  inputs:
    description: Digests of all that went into the release.
    type: dict
  slot_wsgi:
    description: Content of the script that Apache loads.
    type: str
  run_script:
    description: Content of the program that runs a command in the live release's environment.
    type: str
  account:
    description: The application's account.
    type: str
  writable:
    description: The folders that are made for the application's account. Its group reads them.
    type: list
    elements: path
    default: []
  private:
    description: Further folders of the account, which only the account may enter.
    type: list
    elements: path
    default: []
  served:
    description: Folders below the account's state that Apache serves, each with C(state) and C(path).
    type: list
    elements: dict
    default: []
  uv:
    description: Path of uv on the host. It gets the task's environment.
    type: path
  wheelhouse:
    description: A folder of wheels on the host that is used instead of an index.
    type: str
    default: ""
  idle:
    description: C(warm) when the idle slot's processes load their release as they start.
    type: str
    default: cold
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
  payload:
    description: The archive of the inputs on the host. Without it nothing is built.
    type: path
  software:
    description:
      - An archive of the release's virtualenvs, which M(grove.wsgi.release_software) has packed on another host. It is
        on the controller for the action, and on the host for the module. Without it, uv builds them.
    type: str
    default: ""
  missing:
    description:
      - Whether M(grove.wsgi.pending) has not found the release. Then the action sends the archive at once, and does not
        ask the host before.
    type: bool
    default: false
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Build the release
  grove.wsgi.release:
    record: "{{ record }}"
"""

RETURN = r"""
release:
  description: The release's id.
  type: str
  returned: always
missing:
  description: Whether the release has still to be built; it was not, because there was no payload.
  type: bool
  returned: always
seconds:
  description: Duration of each step of the build, in seconds.
  type: dict
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.release.providing import provide_release

ARGUMENTS: dict[str, dict[str, Any]] = {
    "record": {"type": "dict"},
    "app_environment": {"type": "dict", "no_log": True},
    "app_config": {"type": "dict", "no_log": True},
    "folder": {"type": "path"},
    "name": {"type": "str"},
    "account": {"type": "str"},
    "release": {"type": "str"},
    "inputs": {"type": "dict"},
    "slot_wsgi": {"type": "str"},
    "run_script": {"type": "str"},
    "writable": {"type": "list", "elements": "path", "default": []},
    "private": {"type": "list", "elements": "path", "default": []},
    "served": {"type": "list", "elements": "dict", "default": []},
    "uv": {"type": "path"},
    "wheelhouse": {"type": "str", "default": ""},
    "idle": {"type": "str", "default": "cold"},
    "run": {"type": "dict"},
    "payload": {"type": "path"},
    "software": {"type": "str", "default": ""},
    "missing": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, lambda: provide_release(module.params, dry=module.check_mode))


if __name__ == "__main__":
    main()
