"""Templates that are rendered with Ansible's variables, without a copy of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# In a process of its own, since Ansible's loader of plugins changes how Python imports collections.
RENDER = """
import json, sys
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from ansible.template import Templar

class NotCopied(dict):
    def __deepcopy__(self, memo):
        raise AssertionError("a variable was copied")

init_plugin_loader()
template = sys.argv[1]
variables = {"person": NotCopied(name="world"), "mark": "?"}
before, loader = dict(variables), DataLoader()
lookup = lookup_loader.get("grove.wsgi.rendered", loader=loader, templar=Templar(loader=loader, variables=variables))
sets = {"en": {"greeting": "hello"}, "la": {"greeting": "salve", "mark": "."}}
one = lookup.run([template], variables=variables, template_vars={"greeting": "hello"})
each = lookup.run([template, sets], variables=variables, template_vars={"mark": "!"})
assert variables == before
print(json.dumps([one, each]))
"""


def test_one_text_or_a_text_for_each_set_of_values_without_a_copy_of_the_variables(tmp_path: Path) -> None:
    (tmp_path / "greeting.j2").write_text("{{ greeting }}, {{ person.name }}{% include 'mark.j2' %}\n")
    (tmp_path / "mark.j2").write_text("{{ mark }}")
    command = [sys.executable, "-c", RENDER, str(tmp_path / "greeting.j2")]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout) == [
        ["hello, world?\n"],
        [{"en": "hello, world!\n", "la": "salve, world.\n"}],
    ]
