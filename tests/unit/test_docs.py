"""The verbs, tasks and scenarios that the documentation names, compared with the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from runner.parts import PARTS

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/*.md"))]


def section(page: str, heading: str) -> str:
    """Return the text below a heading of the second level, up to the next one."""
    text = (REPOSITORY / page).read_text()
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """Return the first cell of each row of the tables in a text, without their headings."""
    cells = re.findall(r"(?m)^\| (.+?) \|(?: |$)(?!.*\n\|---)", text)
    return [str(cell) for cell in cells]


def task_names(tasks: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the name of each task, also of those in blocks."""
    for task in tasks:
        if "name" in task:
            yield task["name"]
        for key in ("block", "rescue", "always", "tasks"):
            yield from task_names(task.get(key, []))


def test_the_tasks_of_the_runbook_exist() -> None:
    files = [*REPOSITORY.glob("roles/*/tasks/**/*.yml"), *REPOSITORY.glob("playbooks/*.yml")]
    names = {name for file in files for name in task_names(yaml.safe_load(file.read_text()))}
    quoted = [task for cell in first_cells(section("docs/runbook.md", "When a run fails")) for task in cell.split(", ")]
    assert len(quoted) > 10
    # An ellipsis stands for the rest of a name.
    begun = [task.removesuffix("…") for task in quoted if task.endswith("…")]
    assert [task for task in begun if not any(name.startswith(task) for name in names)] == []
    assert [task for task in quoted if not task.endswith("…") and task not in names] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_verbs_of_the_command_line_exist(page: Path) -> None:
    verbs = set(re.findall(r"\./grove ([a-z_]+)", page.read_text()))
    playbooks = {file.stem for file in REPOSITORY.glob("playbooks/*.yml")}
    assert verbs - playbooks - {"site", "test"} == set()


def test_the_page_on_tests_names_all_parts_and_scenarios() -> None:
    named = set(re.findall(r"`([a-z-]+)`", " ".join(first_cells((REPOSITORY / "docs/testing.md").read_text()))))
    assert set(PARTS) - named == set()


def test_the_tests_that_the_page_on_security_names_exist() -> None:
    text = (REPOSITORY / "docs/security.md").read_text()
    files = [*REPOSITORY.glob("tests/**/test_*.py"), *REPOSITORY.glob("molecule/**/test_*.py")]
    functions = {name for file in files for name in re.findall(r"(?m)^def (test_\w+)", file.read_text())}
    assert set(re.findall(r"`(test_\w+)`", text)) - functions == set()
    assert [path for path in re.findall(r"`(tests/[\w/.]+)`", text) if not (REPOSITORY / path).exists()] == []


def anchors(page: Path) -> set[str]:
    """Return the names by which links find the headings of a page, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http:", "https:")):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target
