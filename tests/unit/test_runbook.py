"""The entries of docs/runbook.md: each has its parts, and a check of the scenario that follows it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "molecule" / "runbook"))

import entries as runbook  # noqa: E402  the folder is not one of the unit tests'

ENTRIES = runbook.entries(runbook.RUNBOOK.read_text())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.anchor))
def test_an_entry_has_commands_and_their_output(entry: runbook.Entry) -> None:
    assert list(entry.parts) == list(runbook.PARTS)
    for part, blocks in entry.parts.items():
        assert blocks, part
        for block in blocks:
            assert block.language in (("sh", "yaml") if part == "Do" else ("sh",))
            assert block.place in runbook.PLACES
            assert (block.language == "yaml") == (block.place not in ("", "on the host"))
            assert block.output or part == "Do", f"nobody can tell what is to be seen: {block.text}"
            if block.language == "yaml":
                assert isinstance(yaml.safe_load(block.text), dict)


def test_the_table_of_symptoms_leads_to_every_entry() -> None:
    table = runbook.RUNBOOK.read_text().split("\n## ")[0]
    linked = set(re.findall(r"\(#([a-z0-9-]+)\)", table))
    # Nobody looks for a backup by its symptom.
    assert {entry.anchor for entry in ENTRIES} - linked == {"make-a-backup"}


def test_each_entry_is_followed_by_a_check() -> None:
    checks = (REPOSITORY / "molecule/runbook/test_runbook.py").read_text()
    followed = re.findall(r'mark\.entry\("(.+)"\)', checks)
    assert sorted(followed) == sorted(entry.heading for entry in ENTRIES)
    assert len(ENTRIES) > 15


def test_the_sections_have_all_entries() -> None:
    text = runbook.RUNBOOK.read_text()
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    found = [entry for name in runbook.SECTIONS for entry in runbook.entries(f"## {sections[name]}")]
    assert found == ENTRIES


PAGE = """
### Nothing answers
**See it:** look.
```sh
# on the host
state
```
```text
failed
on line … of FILE:
```
**Do:** remove it.
```sh
rm FILE
```
**It helped:**
```sh
state
```
```text
active
```
## Other things
```sh
not a part of an entry
```
"""


def test_values_are_read_in_an_output_and_typed_later() -> None:
    [entry] = runbook.entries(PAGE)
    [look], [remove], [helped] = (entry.parts[part] for part in runbook.PARTS)
    assert (look.place, remove.place) == ("on the host", "")
    values = look.read("a line more\n failed\n on line 3   of /etc/mine.conf:\nthe end\n", {})
    assert values == {"FILE": "/etc/mine.conf"}
    assert remove.typed(values) == "rm /etc/mine.conf\n"
    assert helped.read("active\n", values) == values


@pytest.mark.parametrize("output", ["", "failed\n", "on line 3 of x:\nfailed\n", "has failed\non line 3 of x:\n"])
def test_an_output_without_the_lines_of_the_page(output: str) -> None:
    [entry] = runbook.entries(PAGE)
    assert entry.parts["See it"][0].read(output, {}) is None


def test_a_value_that_is_known_has_to_come_again() -> None:
    [entry] = runbook.entries(PAGE)
    [look] = entry.parts["See it"]
    assert look.read("failed\non line 3 of x:\n", {"FILE": "y"}) is None
