"""Take an API host out of a load balancer's traffic, or put it back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_servers
short_description: An API host is out of a load balancer's traffic, or in it
description:
  - Runs on a load balancer. With O(state=out), HAProxy sends no further request to the API host, and the module waits
    until its sessions have ended. A backend that has no other server keeps the host, or is refused with O(alone).
    Where no other server is up, nothing changes, and the module fails.
  - With O(state=in), the module asks each app of the API host from the load balancer, lets HAProxy send it requests
    again, and waits until HAProxy's own checks pass. It does so for a host that was never out, too.
  - With O(state=answers), the module asks those apps of the API host that HAProxy does not ask yet, and that it does by
    O(plan). Nothing changes.
  - With O(state=read), the module returns for which apps HAProxy sends requests to the API host. Nothing changes.
  - A load balancer that has not been set up yet sends no requests, so there is nothing to do.
options:
  host:
    description: The API host's name in the inventory, which is the name of its server in HAProxy.
    type: str
  hosts:
    description: Several API hosts instead of one, for O(state=in) and O(state=answers).
    type: list
    elements: str
  state:
    description: Whether the API host gets requests.
    type: str
    choices: [out, in, answers, read]
    required: true
  alone:
    description: What O(state=out) does with a backend that has no other server than the host.
    type: str
    choices: [keep, refuse]
    default: keep
  plan:
    description: What the next configuration of HAProxy is made from, for O(state=answers).
    type: dict
    default: {backends: []}
  apps:
    description: The apps that O(state=in) asks; without any, all apps of the host.
    type: list
    elements: str
    default: []
  seconds:
    description: How long the module waits for the end of sessions, or for answers and checks.
    type: int
    default: 60
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Take the host out of the traffic
  grove.wsgi.load_balancer_servers:
    host: api1
    state: out
  delegate_to: lb1
"""

RETURN = r"""
backends:
  description: HAProxy's backends that the module has looked at.
  type: list
  elements: str
  returned: success
alone:
  description: The apps that no other API host serves.
  type: list
  elements: str
  returned: with state out
sessions_left:
  description: Sessions that had not ended when the time was up.
  type: int
  returned: with state out
serves:
  description: The apps for which HAProxy sends requests to the host, with the address to which it sends them.
  type: dict
  returned: with state read
put_back:
  description: The backends in which the host was out, and gets requests again.
  type: list
  elements: str
  returned: with state in
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import members
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.runtime import Haproxy
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str"},
            "hosts": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["out", "in", "answers", "read"], "required": True},
            "alone": {"type": "str", "choices": ["keep", "refuse"], "default": "keep"},
            "plan": {"type": "dict", "default": {"backends": []}},
            "apps": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "int", "default": 60},
        },
        required_if=[("state", state, ("host",)) for state in ("out", "read")],
        required_one_of=[("host", "hosts")],
        mutually_exclusive=[("host", "hosts")],
        supports_check_mode=True,
    )
    host, state, seconds = (module.params[name] for name in ("host", "state", "seconds"))
    hosts: list[str] = module.params["hosts"] or [host]

    def work() -> dict[str, Any]:
        plan = members.plan_of()
        if state == "answers":
            if module.check_mode:
                return {"changed": False}
            return members.check_answers(hosts, module.params["plan"], plan, seconds)
        if state == "in":
            known = {name: members.members_of(name, plan, module.params["apps"]) for name in hosts}
            if module.check_mode or not any(known.values()):
                return {"changed": False, "backends": [each.backend for one in known.values() for each in one]}
            return members.put_back(Haproxy(), known, seconds)
        own = members.members_of(host, plan, () if state == "out" else module.params["apps"])
        if state == "read":
            return {"changed": False, "serves": members.served_apps(Haproxy(), host, own) if own else {}}
        alone = {"alone": [member.app for member in own if member.alone]}
        if module.check_mode or not own:
            return {"changed": False, "backends": [member.backend for member in own], **alone}
        keep_alone = module.params["alone"] == "keep"
        return {**members.take_out(Haproxy(), host, own, seconds, keep_alone=keep_alone), **alone}

    run_module(module, work)


if __name__ == "__main__":
    main()
