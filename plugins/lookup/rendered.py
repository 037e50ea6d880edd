"""A template rendered with Ansible's variables and its own, once or for several sets of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.templates import render

DOCUMENTATION = r"""
name: rendered
short_description: A template rendered once, or for several sets of values
description:
  - Renders a template of the controller as P(ansible.builtin.template#lookup) does, without a copy of all variables.
  - With sets of values, it renders the template once for each of them, and returns the texts by name.
options:
  _terms:
    description: The template's path. After it perhaps a dictionary of names, each with a dictionary of variables.
    required: true
  template_vars:
    description: Further variables of the template, the same for each set.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Show a text
  ansible.builtin.debug:
    msg: "{{ lookup('grove.wsgi.rendered', 'hello.j2', template_vars={'greeting': 'hello'}) }}"

- name: Show a text for each application
  ansible.builtin.debug:
    msg: "{{ lookup('grove.wsgi.rendered', 'hello.j2', {'shop': {'greeting': 'hello'}}) }}"
"""

RETURN = r"""
_raw:
  description: The text, or with sets of values a dictionary of the texts by name.
  type: list
  elements: raw
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """Lookup ``grove.wsgi.rendered``."""

    def run(
        self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[str] | list[dict[str, str]]:
        """Return the text, or the texts by name, as the only element of a list."""
        self.set_options(var_options=variables, direct=kwargs)
        template, *sets = terms
        common = self.get_option("template_vars")

        def text(own: Mapping[str, Any]) -> str:
            values = {**common, **own}
            return render(template, variables or {}, values, loader=self._loader, templar=self._templar)

        return [{name: text(own) for name, own in sets[0].items()}] if sets else [text({})]
