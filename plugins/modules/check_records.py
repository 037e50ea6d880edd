"""Documentation of the action ``check_records``, which runs on the controller alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_records
short_description: Check the records of wsgi_apps, and complete them
description:
  - Checks the records against the argument specs of the role C(wsgi_app), against each other, and against what
    M(grove.wsgi.host_info) has read from the host. All problems are reported at once, each with the record, the key,
    what was found and what would be right.
  - This is an action that asks the host through M(grove.wsgi.host_info). It changes nothing.
options:
  records:
    description: The records.
    type: raw
    required: true
  settings:
    description: What the roles' variables say about all records of the host.
    type: dict
    required: true
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd).
    type: dict
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Check the records
  grove.wsgi.check_records:
    records: "{{ wsgi_apps }}"
    settings: "{{ __wsgi_app_settings }}"
    layout: "{{ httpd_layout }}"
  register: __checked
"""

RETURN = r"""
records:
  description: The records with every default and everything that follows from them.
  type: list
  elements: dict
  returned: success
host:
  description: What M(grove.wsgi.host_info) has read.
  type: dict
  returned: success
"""
