"""The contents of several files of the controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: contents
short_description: The contents of several files of the controller
description:
  - Reads files of the controller, also those that Ansible Vault has encrypted, and returns the texts by name.
options:
  _terms:
    description: A dictionary of names, each with the path of a file.
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Show two files
  ansible.builtin.debug:
    msg: "{{ lookup('grove.wsgi.contents', {'one': '/etc/hostname', 'two': '/etc/os-release'}) }}"
"""

RETURN = r"""
_raw:
  description: The texts by name.
  type: list
  elements: dict
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """Lookup ``grove.wsgi.contents``."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Return the texts by name, as the only element of a list."""
        self.set_options(var_options=variables, direct=kwargs)
        lookup = lookup_loader.get("ansible.builtin.file", loader=self._loader, templar=self._templar)
        [files] = terms
        return [{name: str(lookup.run([path], variables=variables, rstrip=False)[0]) for name, path in files.items()}]
