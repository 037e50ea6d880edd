"""Documentation of the action ``audit``, which has no part on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Known vulnerabilities of the software of all hosts
description:
  - Runs pip-audit on the controller for all packages that M(grove.wsgi.software) found on the hosts, and for those of
    the controller itself. Changes nothing.
  - Where the database cannot be reached, the packages are unknown, which is another verdict than clean.
options:
  hosts:
    description: The results of M(grove.wsgi.software) by host.
    type: dict
    required: true
  missing:
    description: The hosts that have no such result.
    type: list
    elements: str
    default: []
  service:
    description: The database that pip-audit asks.
    type: str
    choices: [pypi, osv]
    default: pypi
  osv_url:
    description: The address of a database that answers as OSV does.
    type: str
    default: ""
  accepted:
    description: The findings that are accepted until a day; see the variable C(audit_accepted).
    type: list
    elements: dict
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Compare the software with the known vulnerabilities
  grove.wsgi.audit:
    hosts: {web1: "{{ software }}"}
  register: audit
"""

RETURN = r"""
report:
  description: The verdict, and for each host its verdict, its parts, and its pending security updates.
  type: dict
  returned: always
lines:
  description: The report as lines of text.
  type: list
  elements: str
  returned: always
"""
