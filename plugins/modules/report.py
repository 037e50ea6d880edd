"""Documentation of the action ``report``, which has no part on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: One HTML page about all hosts of an inventory
description:
  - Makes the page on the controller, of what the hosts have told. A host that could not be reached is on the page, too.
    Changes nothing.
options:
  hosts:
    description: >-
      For each host the results of M(grove.wsgi.status), M(grove.wsgi.capacity), M(grove.wsgi.software) and
      M(grove.wsgi.certificates) under these names, C(routes), the results of the commands that read URL maps, and
      C(locks), the files of the records' locks by application.
    type: dict
    required: true
  tools:
    description: The versions of Grove's tools that this Grove installs, by name.
    type: dict
    default: {}
  ask_index:
    description: Whether the index is asked for the newest versions of all packages of live releases.
    type: bool
    default: false
  uv_environment:
    description: What uv is told of the index on the controller, where the shell does not set it.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Make the page
  grove.wsgi.report:
    hosts:
      web1: {status: "{{ status }}", capacity: "{{ capacity }}", software: "{{ software }}"}
  register: report
"""

RETURN = r"""
page:
  description: The page.
  type: str
  returned: always
unread:
  description: The hosts that are dead, or have not told everything, each with the reason.
  type: list
  elements: str
  returned: always
"""
