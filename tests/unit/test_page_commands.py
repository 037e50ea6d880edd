"""Each command of the pages is run by a test, or is known not to be."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "molecule" / "shared"))

import page_commands as pages  # noqa: E402  the folder is not one of the unit tests'

RUNS = [run.command for run in (*pages.ON_A_CONTROLLER, *pages.AFTER_THE_REMOVAL, *pages.ON_A_HOST)]


def test_each_command_of_the_pages_is_in_one_table() -> None:
    counted = Counter([*RUNS, *pages.SAME, *pages.ELSEWHERE, *pages.SHOWN])
    commands = pages.commands()
    assert [command for command in commands if command not in counted] == [], (
        "add it to molecule/shared/page_commands.py"
    )
    assert sorted(set(counted) - set(commands)) == [], "no page has it"
    assert [command for command, count in counted.items() if count > 1] == []
    assert len(commands) > 60


def test_the_tables_name_what_there_is() -> None:
    assert set(pages.SAME.values()) - set(RUNS) - set(pages.ELSEWHERE) == set()
    for file, text in pages.ELSEWHERE.values():
        assert text in (REPOSITORY / file).read_text(), file
    for (page, heading), file in pages.READ_FROM_THE_PAGE.items():
        assert f"## {heading}" in (REPOSITORY / "docs" / page).read_text()
        reader = (REPOSITORY / file).read_text()
        assert page in reader
        assert heading in reader
    for run in (*pages.ON_A_CONTROLLER, *pages.AFTER_THE_REMOVAL, *pages.ON_A_HOST):
        assert run.words() != run.command or not run.names, run.command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```sh\n./grove a   # what it does\n# on the host\ncat \\\n    b\n```\n", ["./grove a", "cat b"]),
        (
            "Run `./grove b` or `b`, | `ps -u a \\| cat` |\n  ```sh\n  d |\n  e\n  ```\n",
            ["d | e", "./grove b", "ps -u a | cat"],
        ),
        ("```yaml\nname: a\n```\n", []),
    ],
)
def test_commands_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    monkeypatch.setattr(pages, "PAGES", (page,))
    assert pages.commands() == expected


def test_a_section_that_a_scenario_reads_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\na\n```\n## One\n```sh\nb\n```\n## Two\n```sh\nc\n```\n")
    monkeypatch.setattr(pages, "PAGES", (page,))
    monkeypatch.setattr(pages, "READ_FROM_THE_PAGE", {("page.md", "One"): "x"})
    assert pages.commands() == ["a", "c"]
