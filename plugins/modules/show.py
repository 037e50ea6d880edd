"""Show lines of text as they are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Lines of text on the terminal, neither quoted nor wrapped
description:
  - An action, which does all of its work on the controller. It changes nothing.
options:
  lines:
    description: The lines.
    type: list
    elements: str
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Show a table
  grove.wsgi.show:
    lines: "{{ states | grove.wsgi.status_table }}"
"""

RETURN = "{}"
