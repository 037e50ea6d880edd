"""The secret that the members of a RabbitMQ cluster share, from its file on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.secrets import read_secrets, write_secrets

DOCUMENTATION = r"""
name: message_bus_cookie
short_description: The secret that the members of a RabbitMQ cluster share
description:
  - Returns the secret, which is in the file C(erlang_cookie) on the controller. Writes the file if it does not exist.
    It
    belongs to no generation of the secrets, since a cluster cannot replace it without a stop.
options:
  _terms:
    description: The folder with the control plane's secrets.
    type: list
    elements: str
    required: true
  predict:
    description: Whether nothing is written, as check mode needs.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Keep the secret of the members
  ansible.builtin.set_fact:
    __message_bus_cookie: "{{ lookup('grove.wsgi.message_bus_cookie', openstack_secrets_dir) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The secret.
  type: list
  elements: str
"""

NAME = "erlang_cookie"


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup ``grove.wsgi.message_bus_cookie``."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[str]:
        """Return a list with the secret."""
        self.set_options(var_options=variables, direct=options)
        predict = self.get_option("predict")
        folder = Path(terms[0])
        try:
            write_secrets(folder, [NAME], dry=predict)
            return [read_secrets(folder, [NAME], predict=predict)[NAME]]
        except OperatorError as error:
            raise AnsibleError(str(error)) from error
