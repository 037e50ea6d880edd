"""Hand an application's traffic to a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switch
short_description: An application's traffic is served by a release
description:
  - Starts the release in the application's idle slot, waits until each of its processes answers healthy with the
    release's id, flips the slot map, and verifies through the front. A release that fails on the way gets no traffic.
  - Without a change it verifies that the application answers.
extends_documentation_fragment:
  - grove.wsgi.handover
  - grove.wsgi.record
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Hand over the traffic
  grove.wsgi.switch:
    record: "{{ record }}"
    release: 0123456789ab
"""

RETURN = r"""
live:
  description: The live slot, C(blue) or C(green).
  type: str
  returned: success
summary:
  description: One line for a person, with URL, health and release.
  type: str
  returned: success
removed:
  description: Ids of the releases that were removed because there were more than are kept.
  type: list
  elements: str
  returned: success
seconds:
  description: Duration of each step, in seconds.
  type: dict
  returned: success
ended:
  description: Whether the deployment was ended.
  type: bool
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching.handover import ARGUMENTS, Handover
from ansible_collections.grove.wsgi.plugins.module_utils.switching.served import after_due, end_deployment


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "release": {"type": "str", "required": True},
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    params = module.params
    handover = Handover.of(params, params["record"], params["release"], dry=module.check_mode)

    def work() -> dict[str, Any]:
        result, end = handover.carry_out(), params["end"]
        due = after_due([handover], [params["record"]["name"]]) if end else []
        return {**result, "ended": end_deployment(end, due, handover.run, dry=module.check_mode)}

    run_module(module, work)


if __name__ == "__main__":
    main()
