"""Read what a host has before anything on it is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read what the records of a host are checked against
description:
  - Reads cores, Pythons, accounts, listening sockets and the state of Apache. Changes nothing.
options:
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd).
    type: dict
    required: true
  pythons:
    description: Interpreters to ask for their version and ABI.
    type: list
    elements: str
    default: []
  accounts:
    description: Accounts to look up.
    type: list
    elements: str
    default: []
  addresses:
    description: IP addresses that the host may or may not have.
    type: list
    elements: str
    default: []
  mounts:
    description: Folders whose file systems matter, whether they exist or not.
    type: list
    elements: str
    default: []
  folders:
    description: Folders whose owners matter.
    type: list
    elements: str
    default: []
  files:
    description: Files whose presence matters.
    type: list
    elements: str
    default: []
  packages:
    description: Packages of Debian to look up.
    type: list
    elements: str
    default: []
  globs:
    description: Paths with wildcards. Of the files that match, the host tells which there are.
    type: list
    elements: str
    default: []
  written:
    description:
      - Paths with wildcards, of files that a run writes. Of what matches, the host tells type, permissions, owner and
        hash, and of links the targets.
    type: list
    elements: str
    default: []
  key_pairs:
    description: Certificates and keys that have to belong together, each a list of the two paths.
    type: list
    elements: list
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read the host
  grove.wsgi.host_info:
    layout: "{{ httpd_layout }}"
    pythons: [/usr/bin/python3]
  register: __host
"""

RETURN = r"""
host:
  description: Keys C(cores), C(memory) (megabytes), C(tasks) (the most tasks of an account, 0 if nothing limits
    them), C(pythons), C(accounts), C(addresses), C(mounts), C(folders), C(files), C(packages) (those that are
    installed), C(present) (the files that match C(globs)), C(written) (what matches
    the option, for the modules that write it), C(key_pairs), C(ocsp_responders) (of each certificate of
    C(key_pairs)), C(listeners), C(httpd), C(mount_namespaces) (whether systemd can make them), C(call_filters)
    (whether systemd can filter the system calls of a unit with an account), C(units) (files by which systemd and cron
    run commands of applications), C(timers) (those that run), C(systemd), C(package_lists) (whether apt knows any
    package), C(waf) (whether ModSecurity is installed), C(doors) (the hashes of the doors' credentials),
    C(handover_obstacle) (why the kernel does not allow a handover of Apache, empty if it does).
  type: dict
  returned: always
"""

import glob
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.generation import kernel
from ansible_collections.grove.wsgi.plugins.module_utils.host import info, packages, processes, written
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.info import describe
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "dict", "required": True},
            "pythons": {"type": "list", "elements": "str", "default": []},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "mounts": {"type": "list", "elements": "str", "default": []},
            "folders": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "str", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
            "globs": {"type": "list", "elements": "str", "default": []},
            "written": {"type": "list", "elements": "str", "default": []},
            "key_pairs": {"type": "list", "elements": "list", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> dict[str, Any]:
        host = {
            "cores": os.cpu_count() or 1,
            "memory": info.memory(),
            "tasks": info.tasks(),
            "pythons": {path: info.python(path) for path in params["pythons"]},
            "accounts": {name: info.account(name) for name in params["accounts"]},
            "addresses": {text: info.own_addresses(text) for text in params["addresses"]},
            "mounts": {path: info.mount_options(path) for path in params["mounts"]},
            "folders": {path: info.owner(path) for path in params["folders"]},
            "files": {path: os.path.exists(path) for path in params["files"]},
            "packages": packages.installed(params["packages"]),
            "present": sorted(path for pattern in params["globs"] for path in glob.glob(pattern)),
            "written": {
                path: written.describe(path)
                for pattern in params["written"]
                for path in glob.glob(pattern, recursive=True)
            },
            "key_pairs": {"|".join(pair): info.key_pair(pair) for pair in params["key_pairs"] if len(pair) == 2},
            "ocsp_responders": {pair[0]: info.ocsp_responder(pair[0]) for pair in params["key_pairs"] if pair},
            "waf": os.path.exists(os.path.join(params["layout"].get("modules_dir", ""), "mod_security2.so")),
            "listeners": [vars(listener) for listener in processes.listeners()],
            "httpd": describe(Layout.of(params["layout"])),
            "units": info.units(),
            "timers": info.timers(),
            "mount_namespaces": info.can_make_mount_namespaces(),
            "call_filters": info.can_filter_calls_of_accounts(),
            "systemd": os.path.isdir("/run/systemd/system"),
            "package_lists": info.has_package_lists(),
            "doors": credentials.describe(),
            "handover_obstacle": kernel.obstacle(dry=True),
        }
        return {"changed": False, "host": host}

    run_module(module, work)


if __name__ == "__main__":
    main()
