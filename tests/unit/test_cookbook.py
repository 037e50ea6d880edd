"""The records of docs/cookbook.md: their size, their keys, and the files and variables that they name."""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from record_settings import SETTINGS
from record_settings import SPEC as CHECKED

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "molecule" / "gallery"))

import page  # noqa: E402  the folder is not one of the unit tests'

RECIPES = page.recipes()
SPECS = yaml.safe_load((REPOSITORY / "roles/wsgi_app/meta/argument_specs.yml").read_text())["argument_specs"]
KEYS = {key for name, spec in SPECS.items() if name.startswith("record_") for key in spec["options"]}


def test_each_kind_of_the_table_has_a_recipe() -> None:
    table = re.findall(r"\(#([a-z-]+)\)", page.COOKBOOK.read_text().split("\n## ")[0])
    headings = [recipe.heading.lower().replace(" ", "-") for recipe in RECIPES]
    assert sorted(table) == sorted(headings)
    assert len(headings) == 11


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: str(recipe.name))
def test_a_record_is_short_and_names_what_the_page_makes(recipe: page.Recipe) -> None:
    assert recipe.lines <= 12
    record: dict[str, Any] = recipe.content
    assert set(record) - KEYS == set()
    text = recipe.record.text
    named = set(re.findall(r"\{\{ (\w+) \}\}", text))
    assert named == set(recipe.variables)
    if "lock" in record:
        assert (REPOSITORY / "molecule/gallery/locks" / record["lock"]).is_file()
    made = " ".join(block.text + block.place for block in (*recipe.before, *recipe.after))
    for value in record.get("config", {}).values():
        file = value.get("copy") if isinstance(value, dict) else value
        assert not isinstance(file, str) or file.startswith("{{") or file in made


def test_records_can_be_deployed_together() -> None:
    records = [recipe.content for recipe in RECIPES]
    for key in ("name", "listen"):
        values = [record[key] for record in records]
        assert len(set(values)) == len(values)


def rendered(value: Any, variables: dict[str, Any]) -> Any:
    """Return a value as Ansible renders it, with a text in place of each secret."""
    if isinstance(value, dict):
        return {key: rendered(element, variables) for key, element in value.items()}
    if isinstance(value, list):
        return [rendered(element, variables) for element in value]
    if isinstance(value, str) and (whole := re.fullmatch(r"\{\{ (\w+) \}\}", value)):
        return rendered(variables[whole[1]], variables)
    return re.sub(r"\{\{.*?\}\}", "secret", value) if isinstance(value, str) else value


def test_the_main_job_accepts_the_records(tmp_path: Path) -> None:
    """The check of records finds no problem and gives no warning. Empty files stand for what the commands make."""
    for lock in (REPOSITORY / "molecule/gallery/locks").glob("*.lock"):
        shutil.copy(lock, tmp_path)
    records = [rendered(recipe.content, recipe.variables) for recipe in RECIPES]
    for record in records:
        if record["source"].startswith("./"):
            source = tmp_path / record["source"]
            for folder in record.get("static", {}).values():
                (source / folder).mkdir(parents=True)
            source.mkdir(exist_ok=True)
            (source / "module.py").touch()
            for name in {"pecan", "paste"} & set(record["entry"]):
                (source / record["entry"][name]).touch()
        for value in record.get("config", {}).values():
            file = value.get("copy") if isinstance(value, dict) else value
            if isinstance(file, str):
                (tmp_path / file).write_text("")
    checked = check_records(records, CHECKED, dataclasses.replace(SETTINGS, folders=(str(tmp_path),)))
    assert [*checked.problems, *checked.warnings, *checked.advice] == []
    assert [record.name for record in checked.deployed] == [record["name"] for record in records]


def test_each_recipe_is_asked_a_question() -> None:
    checks = (REPOSITORY / "molecule/gallery/test_gallery.py").read_text()
    assert set(re.findall(r'mark\.app\("(\w+)"\)', checks)) == {recipe.name for recipe in RECIPES}
