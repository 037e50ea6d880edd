"""The records of several services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.grove.wsgi.plugins.filter.records import resolved_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import (
    FAILED_TEMPLATES,
    WHOLE_RECORD,
    template_fault,
)
from jinja2 import TemplateError

DOCUMENTATION = r"""
name: service_records
short_description: The records of several services
description:
  - Reads the variables that hold the records of services, and returns their values in the same order.
  - In the place of a value whose template fails there is a record that names the reason, for the check to refuse.
options:
  _terms:
    description: Names of variables, such as C(telemetry_apps).
    required: true
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Show the records of a service
  ansible.builtin.debug:
    msg: "{{ query('grove.wsgi.service_records', 'telemetry_apps') }}"
"""

RETURN = r"""
_raw:
  description: The values of the variables.
  type: list
  elements: raw
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """Lookup ``grove.wsgi.service_records``."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Return the variables' values."""
        self.set_options(var_options=variables, direct=kwargs)
        lookup = lookup_loader.get("ansible.builtin.vars", loader=self._loader, templar=self._templar)
        values: list[Any] = []
        for name in terms:
            try:
                [value] = lookup.run([name], variables)
            except (AnsibleError, TemplateError) as error:
                values.append([failed(name, template_fault(error))])
            else:
                values.append(named(name, resolved_records(value)))
        return values


def failed(name: str, reason: str) -> dict[str, Any]:
    """Return what stands in the place of a record whose template fails."""
    return {FAILED_TEMPLATES: {WHOLE_RECORD: f"{name}: {reason}"}}


def named(name: str, records: Any) -> Any:
    """Return resolved records of the variable ``name``; where one of them fails as a whole, the reason names it."""
    whole = records.get(FAILED_TEMPLATES) if isinstance(records, Mapping) else None
    if whole:
        return [failed(name, whole[WHOLE_RECORD])]
    if not isinstance(records, list):
        return records
    return [failed(name, record[FAILED_TEMPLATES][WHOLE_RECORD]) if is_failed(record) else record for record in records]


def is_failed(record: object) -> bool:
    """Return whether a resolved record is one failed template."""
    return isinstance(record, Mapping) and WHOLE_RECORD in (record.get(FAILED_TEMPLATES) or {})
