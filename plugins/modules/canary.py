"""Give a release on the host a share of an application's requests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: canary
short_description: A release takes a share of an application's requests
description:
  - Starts a release in the idle slot and gives it a share of the requests, until it is promoted or withdrawn. Each
    request is shared out by itself, so that a visitor meets both releases.
options:
  percent:
    description: The share, from 1 to 99. 0 withdraws the canary, 100 promotes it.
    type: int
    required: true
  release:
    description: The release's id. By default, the release that takes a share now.
    type: str
  cross_contract:
    description: Accept a release from before a contract.
    type: bool
    default: false
extends_documentation_fragment: grove.wsgi.app
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Withdraw
  grove.wsgi.canary:
    app: bookstore
    percent: 0
"""

RETURN = r"""
percent:
  description: The share that the canary has now; a line of the slot map holds only so many parts.
  type: float
  returned: success
summary:
  description: One line for a person.
  type: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching.canary import Canary


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "base": {"type": "path", "default": "/srv/wsgi"},
            "percent": {"type": "int", "required": True},
            "release": {"type": "str"},
            "cross_contract": {"type": "bool", "default": False},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params = module.params
    canary = Canary(
        base=Path(params["base"]),
        name=params["app"],
        release=params["release"] or None,
        percent=params["percent"],
        cross_contract=params["cross_contract"],
        run=Run.of(params["run"]),
        dry=module.check_mode,
    )
    run_module(module, canary.carry_out)


if __name__ == "__main__":
    main()
