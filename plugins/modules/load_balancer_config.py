"""Let HAProxy run with a configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_config
short_description: HAProxy runs with the configuration that was written
description:
  - Lets HAProxy check a configuration, puts it in the place of the former one, and reloads HAProxy. The new process
    takes over the listening sockets, and the former one answers the requests that it has. Starts HAProxy where it does
    not run.
  - Without a configuration, the module checks the ports, the given certificates and the authority, and changes nothing.
  - HAProxy says of itself which configuration it runs with, so an interrupted run is completed by the next one.
  - When HAProxy refuses the configuration, or does not run with it, the former one stays.
  - With O(installed=true), lets HAProxy run with the program and the libraries that are installed, by a reload if it
    runs with older ones.
options:
  content:
    description:
      - The configuration. The word C(@digest@) in it becomes the hash of the text.
    type: str
  files:
    description:
      - Files beside the configuration. C(@NAME@) in the configuration, and in the text of a later file, becomes the
        path of the file. Only root may read them. A file has a C(name), and a C(text) or the paths of a C(certificate)
        and a C(key) on the host, with the C(record) that gives them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The file's name, of which the path is made.
        type: str
        required: true
      text:
        description: The content.
        type: str
      certificate:
        description: The path of a certificate and its chain, in PEM format.
        type: path
      key:
        description: The path of the certificate's key.
        type: path
      record:
        description: The record that names both.
        type: str
        default: ""
  authority:
    description:
      - The certificate of the private authority of the API hosts, empty if there is none yet. If HAProxy verifies the
        hosts with another one, the module fails before it changes anything. Without it, the module does not look.
    type: str
  plan:
    description: What the configuration was made from, which is kept for M(grove.wsgi.load_balancer_servers).
    type: dict
    default: {}
  places:
    description: The addresses and ports that HAProxy listens on, each as a list of two; V(*) for every address.
    type: list
    elements: list
    default: []
  installed:
    description: Whether HAProxy is to run with what is installed. Other options have no effect then.
    type: bool
    default: false
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Refuse ports that another program holds
  grove.wsgi.load_balancer_config:
    places: [["*", 8080]]
"""

RETURN = r"""
sends:
  description: Whether HAProxy runs by a plan that has API hosts.
  type: bool
  returned: without a configuration
plan:
  description: The plan by which HAProxy runs.
  type: dict
  returned: without a configuration
down:
  description: The API hosts of that plan that are up for no app.
  type: list
  elements: str
  returned: without a configuration
action:
  description: C(none) or C(load).
  type: str
  returned: with a configuration, and with C(installed)
older:
  description: The replaced files that HAProxy ran with.
  type: list
  elements: str
  returned: with C(installed)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import configuration
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.members import hosts_down, plan_of
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.process import ConfigurationError
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.runtime import Haproxy
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "text": {"type": "str", "no_log": True},
                    "certificate": {"type": "path"},
                    "key": {"type": "path", "no_log": False},
                    "record": {"type": "str", "default": ""},
                },
            },
            "authority": {"type": "str"},
            "plan": {"type": "dict", "default": {}},
            "places": {"type": "list", "elements": "list", "default": []},
            "installed": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    content, plan, authority = (module.params[name] for name in ("content", "plan", "authority"))
    files = [
        configuration.File(one["name"], one["text"], one["certificate"] or "", one["key"] or "", one["record"])
        for one in module.params["files"]
    ]

    def work() -> dict[str, Any]:
        if module.params["installed"]:
            return configuration.run_installed(dry=module.check_mode)
        places = [(str(address), int(port)) for address, port in module.params["places"]]
        faults = [
            *configuration.held_ports(places),
            *(file.fault() for file in files),
            "" if authority is None else configuration.distrusted(authority),
        ]
        if any(faults):
            raise ConfigurationError(
                "\n".join(
                    ["HAProxy cannot do what the inventory says, and nothing was changed:", *filter(None, faults)]
                )
            )
        if not content:
            current = plan_of()
            down = hosts_down(Haproxy(), current)
            return {"changed": False, "sends": bool(current["backends"]), "plan": current, "down": down}
        return configuration.put(content, plan, files, dry=module.check_mode)

    run_module(module, work)


if __name__ == "__main__":
    main()
