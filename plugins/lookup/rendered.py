"""One template rendered for several sets of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: rendered
short_description: One template rendered for several sets of values
description:
  - Renders a template of the controller once for each set of values, and returns the texts by name.
options:
  _terms:
    description: The template's path, and a dictionary of names, each with a dictionary of the template's variables.
    required: true
  common:
    description: Variables of the template that are the same for each.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Show a text for each application
  ansible.builtin.debug:
    msg: "{{ lookup('grove.wsgi.rendered', 'hello.j2', {'shop': {'greeting': 'hello'}}) }}"
"""

RETURN = r"""
_raw:
  description: The texts by name.
  type: list
  elements: dict
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """Lookup ``grove.wsgi.rendered``."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Return the texts by name, as the only element of a list."""
        self.set_options(var_options=variables, direct=kwargs)
        template, values = terms
        common = self.get_option("common")
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        return [
            {
                name: str(lookup.run([template], variables=variables, template_vars={**common, **own})[0])
                for name, own in values.items()
            }
        ]
