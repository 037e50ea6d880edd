"""The control plane of an inventory: accounts, URLs, credentials and entries of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.control_plane import (
    control_plane_variables,
    parse_control_plane,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import plain

DOCUMENTATION = r"""
name: control_plane
short_description: What roles and plays read of a control plane
description:
  - Returns the accounts, URLs, credentials and entries of the catalogue of all services as one dictionary. It holds
    secrets. The role C(openstack) keeps it in the fact C(__openstack_control_plane).
  - Reads the secrets from their files on the controller, and writes none.
options:
  _terms:
    description:
      - What the module M(grove.wsgi.control_plane) returned.
    type: list
    elements: dict
    required: true
  predict:
    description: Whether a secret that does not exist gets a value that stands for it, as check mode needs.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show where the services answer
  ansible.builtin.debug:
    msg: "{{ lookup('grove.wsgi.control_plane', __openstack_checked).endpoints }}"
"""

RETURN = r"""
_value:
  description: One dictionary.
  type: list
  elements: dict
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup ``grove.wsgi.control_plane``."""

    def run(
        self, terms: list[Mapping[str, Any]], variables: Mapping[str, Any] | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Return a list with the one dictionary."""
        self.set_options(var_options=variables, direct=options)
        checked = terms[0]
        try:
            plane = parse_control_plane(plain(checked["settings"]), plain(checked["services"]))
            return [control_plane_variables(plane, predict=self.get_option("predict"))]
        except OperatorError as error:
            raise AnsibleError(str(error)) from error
