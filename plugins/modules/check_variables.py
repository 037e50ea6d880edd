"""Documentation of the action ``check_variables``, which runs on the controller alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Check the public variables of roles
description:
  - Checks the variables against the argument specs of the roles, and each value for the one who consumes it. All
    problems are reported at once, each with the variable, the actual value and the remedy.
  - This is an action. It changes nothing.
options:
  roles:
    description: Names of roles of this collection.
    type: list
    elements: str
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Check the variables of the role httpd
  grove.wsgi.check_variables:
    roles: [httpd]
"""

RETURN = "{}"
