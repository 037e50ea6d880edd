"""Examine a host before its first run, or after trouble."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: What stands in the way of a deployment on a host, or of its applications
description:
  - Examines the system, the room, the packages, the ports, Apache, the applications and their certificates. Changes
    nothing.
  - In a playbook this is an action, which compares the host's clock with the controller's, and tells whether the runs
    whose notes were found have ended.
options:
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd). Without it,
      Apache is not examined.
    type: dict
    default: {}
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
  folders:
    description: Folders whose file systems need room.
    type: list
    elements: str
    default: []
  ports:
    description: The ports that the records need.
    type: list
    elements: int
    default: []
  certificates:
    description: The certificates that records name.
    type: list
    elements: str
    default: []
  apps:
    description: The number of daemon processes of each record.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Examine the host
  grove.wsgi.doctor:
    layout: "{{ httpd_layout }}"
    ports: [8080]
"""

RETURN = r"""
findings:
  description: Each has C(subject), C(verdict) (C(ok), C(warning) or C(problem)), C(actual), C(expected) and C(remedy).
  type: list
  elements: dict
  returned: always
runs:
  description: The notes of runs that are at work or were interrupted.
  type: list
  elements: dict
  returned: always
time:
  description: The host's clock, seconds since 1970.
  type: float
  returned: always
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.doctor import packages, room, served, system
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import Finding, ok, problem, warning
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import info
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import AccountError, require_root
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file


def rights() -> Finding:
    """Examine the account that Ansible works as."""
    try:
        require_root()
    except AccountError as error:
        return problem("rights", str(error).partition(";")[0], "root", "-b, and -K if sudo asks for a password")
    return ok("rights", "root")


def examined(name: str, examine: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return findings, or one that says why a part could not be examined."""
    try:
        return list(examine())
    except (OperatorError, OSError) as error:
        return [warning(name, f"it was not examined: {explain(error)}", "it can be examined", "see the message")]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "layout": {"type": "dict", "default": {}},
            "base": {"type": "path", "default": "/srv/wsgi"},
            "folders": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "certificates": {"type": "list", "elements": "str", "default": []},
            "apps": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    moment = time.time()
    findings = [rights()]
    runs: list[dict[str, Any]] = []
    if os.geteuid() == 0:
        base = Path(params["base"])
        deployed = app_file.names(base)
        new = {name: int(number) for name, number in params["apps"].items() if name not in deployed}

        def what_is_served() -> list[Finding]:
            layout = Layout.of(params["layout"])
            found, notes = served.all_of(layout, base, params["ports"], params["certificates"], params["apps"])
            runs.extend(notes)
            return found

        findings += examined("system", system.system)
        findings += examined("disk", lambda: room.disks(["/", "/tmp", *params["folders"]], len(new)))
        findings += examined("memory", lambda: [room.memory(room.available(), info.memory(), sum(new.values()))])
        fresh = not os.path.exists(params["layout"].get("binary") or "/")
        findings += examined("packages", lambda: packages.packages(needed=fresh))
        if params["layout"]:
            findings += examined("apps", what_is_served)
    seconds = time.time() - moment
    plain = [each.plain() for each in findings]
    module.exit_json(changed=False, findings=plain, runs=runs, time=moment, seconds=seconds)


if __name__ == "__main__":
    main()
