"""What a host has before anything on it is changed."""

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
  description: Keys C(cores), C(pythons), C(accounts), C(addresses), C(folders), C(files), C(key_pairs),
    C(listeners), C(httpd), C(timers) (files that run commands of applications again and again), C(package_lists)
    (whether apt knows any package).
  type: dict
  returned: always
"""

import json
import os
import pwd
import re
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree as httpd_tree

ASK_PYTHON = (
    "import json, platform, sys, sysconfig; "
    "print(json.dumps([platform.python_version(), sysconfig.get_config_var('SOABI'), sys.base_prefix]))"
)

UNITS = ("/etc/systemd/system", "/etc/cron.d")


def python(path: str) -> dict[str, str] | None:
    """Return version, ABI tag and prefix of an interpreter; None when it cannot be run."""
    try:
        done = subprocess.run([path, "-I", "-c", ASK_PYTHON], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version, abi, prefix = json.loads(done.stdout)
    return {"version": version, "abi": abi, "prefix": prefix}


def account(name: str) -> dict[str, Any] | None:
    """Return uid and home of an account; None when there is none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return {"uid": entry.pw_uid, "home": entry.pw_dir, "shell": entry.pw_shell}


def owner(path: str) -> str | None:
    """Return the name (or number) of a path's owner; None when there is nothing."""
    try:
        uid = os.lstat(path).st_uid
    except OSError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def has_address(text: str) -> bool:
    """Return whether an IP address is one of this host's."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((text, 0))
    except OSError:
        return False
    return True


def key_pair(paths: list[str]) -> str:
    """Return why a certificate and a key cannot be used together; empty when they can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(paths[0], paths[1], password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        return str(error)
    return ""


def httpd(layout: httpd_tree.Layout) -> dict[str, Any]:
    """Return Apache's version (empty when it is not installed) and the sites that need Listen lines of other files.

    Sites that Grove wrote do not count.
    """
    if not os.path.exists(layout.binary):
        return {"version": "", "foreign_sites": [], "foreign_listen": [], "ports_ours": False}
    done = subprocess.run([layout.binary, "-v"], capture_output=True, text=True, check=False)
    found = re.search(r"Apache/([0-9.]+)", done.stdout)
    pattern = (layout.site_enabled or layout.site).format("*")
    foreign = []
    for path in sorted(Path(layout.root).glob(pattern)):
        text = path.read_text(errors="replace") if path.is_file() else ""
        listens = re.search(r"(?im)^\s*Listen\s", text)
        if httpd_tree.MARK not in text[:400] and re.search(r"(?im)^\s*<VirtualHost", text) and not listens:
            foreign.append(path.name.removesuffix(".conf"))
    ports, ours = layout.ports, layout.ports
    if layout.ports.startswith("!"):
        ports, ours = layout.main, layout.conf.format(layout.ports[1:])
    listen = re.findall(r"(?im)^\s*Listen\s+(\S+)", _text(layout, ports))
    return {
        "version": found.group(1) if found else "?",
        "foreign_sites": foreign,
        "foreign_listen": listen,
        "ports_ours": httpd_tree.MARK in _text(layout, ours)[:400],
    }


def _text(layout: httpd_tree.Layout, path: str) -> str:
    absolute = Path(layout.root, path)
    return absolute.read_text(errors="replace") if absolute.is_file() else ""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "dict", "required": True},
            "pythons": {"type": "list", "elements": "str", "default": []},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "folders": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "str", "default": []},
            "key_pairs": {"type": "list", "elements": "list", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    layout = httpd_tree.Layout.of(params["layout"])
    module.exit_json(
        changed=False,
        host={
            "cores": os.cpu_count() or 1,
            "pythons": {path: python(path) for path in params["pythons"]},
            "accounts": {name: account(name) for name in params["accounts"]},
            "addresses": {text: has_address(text) for text in params["addresses"]},
            "folders": {path: owner(path) for path in params["folders"]},
            "files": {path: os.path.exists(path) for path in params["files"]},
            "key_pairs": {"|".join(pair): key_pair(pair) for pair in params["key_pairs"] if len(pair) == 2},
            "listeners": [vars(listener) for listener in processes.listeners()],
            "httpd": httpd(layout),
            "units": sorted(str(path) for folder in UNITS for path in Path(folder).glob("grove-*")),
            "systemd": os.path.isdir("/run/systemd/system"),
            "package_lists": any(Path("/var/lib/apt/lists").glob("*_Packages*")),
        },
    )


if __name__ == "__main__":
    main()
