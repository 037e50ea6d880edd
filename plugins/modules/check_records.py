"""Documentation of the action ``check_records``, which runs on the controller alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_records
short_description: Check the records of wsgi_apps, and say what follows from them
description:
  - Checks the records against the argument specs of the role C(wsgi_app), against each other, and against what
    M(grove.wsgi.host_info) has read from the host. All problems are reported at once, each with the record, the key,
    the actual value and the remedy.
  - When C(settings.only) names records, problems that concern none of these are warnings.
  - This is an action that asks the host through M(grove.wsgi.host_info). It changes nothing.
options:
  records:
    description: The inventory's records.
    type: raw
    required: true
  services:
    description: The records of each service that comes along, by the service's name.
    type: dict
    default: {}
  settings:
    description: The roles' variables that all records of the host depend on.
    type: dict
    required: true
  layout:
    description: Where the distribution keeps Apache's files, C(httpd_layout) of the role C(httpd).
    type: dict
    required: true
  globs:
    description: What M(grove.wsgi.host_info) gets as C(globs), for the steps that make files once.
    type: list
    elements: str
    default: []
  written:
    description: What M(grove.wsgi.host_info) gets as C(written), for the steps that write files.
    type: list
    elements: str
    default: []
  packages:
    description:
      - What M(grove.wsgi.host_info) gets as C(packages), beside the C(system_packages) of the records, for the step
        that installs them.
    type: list
    elements: str
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Check the records
  grove.wsgi.check_records:
    records: "{{ wsgi_apps | grove.wsgi.resolved_records }}"
    settings: "{{ __wsgi_app_settings }}"
    layout: "{{ httpd_layout }}"
  register: __checked
"""

RETURN = r"""
records:
  description:
    - The records to deploy, by name. Each has three views. C(apache) is what Apache's templates get, C(build) what
      M(grove.wsgi.release) gets, and C(serving) what M(grove.wsgi.switch) gets. None holds the environment or the
      sections of configuration files, which may be secrets.
  type: dict
  returned: success
steps:
  description: What each step of the role C(wsgi_app) works on, such as C(names), C(sites), C(timers) and C(agents).
  type: dict
  returned: success
host:
  description: What M(grove.wsgi.host_info) has read.
  type: dict
  returned: success
"""
