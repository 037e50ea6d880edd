"""Templates of the controller, rendered with Ansible's variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.loader import lookup_loader


class Variables(dict[str, Any]):
    """Variables for the lookup ``ansible.builtin.template``, which makes a deep copy of them for each template.

    With the records of a control plane among them, such a copy takes longer than everything else. Templates change no
    variable, so that a copy of the dictionary alone does.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return dict(self)


def render(template: str, variables: Mapping[str, Any], own: Mapping[str, Any], *, loader: Any, templar: Any) -> str:
    """Return the text of a template, a path or a name in Ansible's search path.

    variables: Ansible's variables. own: further variables of the template. loader, templar: those of the plugin that
    calls. Raises AnsibleError for a template that does not exist or fails.
    """
    lookup = lookup_loader.get("ansible.builtin.template", loader=loader, templar=templar)
    return str(lookup.run([template], variables=Variables(variables), template_vars=dict(own))[0])
