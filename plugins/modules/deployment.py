"""Begin and end the deployment of applications, of which there is one at a time for each."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment
short_description: This run, and no other, is at work on applications
description:
  - Notes in each application's folder which run of ansible-playbook is at work on it, and fails with one line when
    another one is. In a playbook this is an action, which finds out who the run is, and takes over from a run of the
    same controller that is gone.
  - A note that was not renewed for 15 minutes does not count any more.
options:
  apps:
    description: Names of the applications.
    type: list
    elements: str
    required: true
  base:
    description: The folder that holds every application's folder.
    type: path
    required: true
  state:
    description: Whether the deployment begins or ends.
    type: str
    choices: [begun, ended]
    default: begun
  run:
    description: The run. Filled in by the action.
    type: dict
  dead:
    description: Runs that are known to be gone. Filled in by the action.
    type: list
    elements: dict
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Keep others off
  grove.wsgi.deployment:
    apps: [bookstore]
    base: /srv/wsgi
  register: deployment
"""

RETURN = r"""
run:
  description: The run, for the modules that work on the applications.
  type: dict
  returned: always
held:
  description: The runs that are in the way.
  type: list
  elements: dict
  returned: when there are any
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease as deployment_lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "apps": {"type": "list", "elements": "str", "required": True},
            "base": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["begun", "ended"], "default": "begun"},
            "run": {"type": "dict"},
            "dead": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    run = deployment_lease.Run.of(module.params["run"])
    dead = [found for found in map(deployment_lease.Run.of, module.params["dead"]) if found is not None]
    folders = [AppFolder(name, Path(module.params["base"], name)) for name in module.params["apps"]]
    try:
        if module.params["state"] == "ended":
            for folder in folders:
                if not module.check_mode:
                    deployment_lease.end(folder, run)
            module.exit_json(changed=False, run=module.params["run"])
        blocking = {folder.name: deployment_lease.blocking(folder, run, dead) for folder in folders}
        others = [other for other in blocking.values() if other is not None]
        if others:
            lines = [
                f"record {name}: another deployment ({other}) is at work on it; wait for it to end"
                for name, other in blocking.items()
                if other is not None
            ]
            module.fail_json(msg="\n".join(lines), held=[asdict(other) for other in others])
        for folder in folders:
            if not module.check_mode:
                with folder.locked():
                    deployment_lease.renew(folder, run, dead)
    except (FolderError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, run=module.params["run"])


if __name__ == "__main__":
    main()
