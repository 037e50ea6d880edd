"""Documentation of the action ``host_facts``, which calls the module ``ansible.builtin.setup``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Read the distribution of a host, and how far its clock is ahead
description:
  - Reads the facts about distribution, packages, services and SELinux as M(ansible.builtin.setup) does, in one call.
  - This is an action. It changes nothing.
options: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Read the distribution and the clock
  grove.wsgi.host_facts: {}
  register: host
"""

RETURN = r"""
clock:
  description: >-
    C(low) and C(high) in seconds: the host's clock is ahead of the controller's by something between them, which are
    apart by the duration of the call.
  type: dict
  returned: success
"""
