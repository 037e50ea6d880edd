"""Documentation of the action ``doctor_report``, which has no part on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_report
short_description: The findings of all hosts, and those of the controller
description:
  - Examines the controller, and puts its findings together with those of M(grove.wsgi.doctor). Changes nothing.
options:
  hosts:
    description:
      - What is known of each host. C(reached) is the result of M(ansible.builtin.ping), C(examined) that of
        M(grove.wsgi.doctor), and C(records) the message of a check of the records that failed, or an empty text.
    type: dict
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Put the findings together
  grove.wsgi.doctor_report:
    hosts: {web1: {reached: "{{ reached }}", examined: "{{ examined }}", records: ""}}
  register: doctor
"""

RETURN = r"""
report:
  description: The verdict, the numbers of problems and warnings, and for each host its verdict and its findings.
  type: dict
  returned: always
lines:
  description: The report as lines of text.
  type: list
  elements: str
  returned: always
"""
