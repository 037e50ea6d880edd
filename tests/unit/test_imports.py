"""What each run imports: Ansible imports all filters of the collection in each process that uses one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.grove.wsgi.plugins"
# Of the controller's own packages, those that take longer than all filters together.
HEAVY = (f"{COLLECTION}.plugin_utils.records.spec", "packaging.requirements", "http.client", "yaml", "cryptography")


def test_filters_import_nothing_that_takes_long() -> None:
    names = sorted(path.stem for path in (REPOSITORY / "plugins" / "filter").glob("*.py"))
    assert len(names) > 5
    lines = [f"import {COLLECTION}.filter.{name}" for name in names]
    command = "\n".join(["import sys, ansible.template, ansible.utils.vars", "before = {*sys.modules}", *lines])
    command += "\nprint(*sorted({*sys.modules} - before))"
    printed = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert {*printed.split()} & {*HEAVY} == set()
    assert f"{COLLECTION}.filter.{names[0]}" in printed.split()
