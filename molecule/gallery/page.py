"""What docs/cookbook.md and README.md tell a reader to write and to run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
COOKBOOK = REPOSITORY / "docs" / "cookbook.md"
README = REPOSITORY / "README.md"
BLOCK = re.compile(r"^## (?P<heading>.+?)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
FIRST_LINE = re.compile(r"# (?P<add>add to )?(?P<file>(?:files|group_vars|inventory)/\S+|on the host)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the place that its first line names, or an empty text."""

    language: str
    text: str
    place: str = ""
    adds: bool = False

    @property
    def is_record(self) -> bool:
        """Whether the block is a record."""
        return self.language == "yaml" and self.text.startswith("- name: ")


def sections(page: Path) -> dict[str, list[Block]]:
    """Return the blocks of a page by the headings of the second level; those before the first have an empty one."""
    found: dict[str, list[Block]] = {}
    heading = ""
    for match in BLOCK.finditer(page.read_text()):
        if match["heading"]:
            heading = match["heading"]
            continue
        text, place, adds = match["text"], "", False
        if first := FIRST_LINE.match(text):
            text, place, adds = text[first.end() :], first["file"], bool(first["add"])
        found.setdefault(heading, []).append(Block(match["language"], text, place, adds))
    return found


@dataclass(frozen=True)
class Recipe:
    """A section with a record: its blocks before the record and after it."""

    heading: str
    record: Block
    before: tuple[Block, ...]
    after: tuple[Block, ...]

    @property
    def lines(self) -> int:
        """How many lines the record has."""
        return len(self.record.text.splitlines())

    @property
    def content(self) -> dict[str, Any]:
        """The record; values with braces are Ansible's templates."""
        [record] = yaml.safe_load(self.record.text)
        return dict(record)

    @property
    def name(self) -> str:
        """The record's name."""
        return str(self.content["name"])

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that stand beside ``wsgi_apps``."""
        blocks = [block for block in (*self.before, *self.after) if block.place == "group_vars/all.yml"]
        return {name: value for block in blocks for name, value in yaml.safe_load(block.text).items()}

    def on_host(self, *, live: bool) -> list[str]:
        """Return the commands on the host: those before the first deployment, or those when it is live."""
        return [block.text for block in (self.after if live else self.before) if block.place == "on the host"]

    def make_files(self, files: Path) -> None:
        """Run the commands and write the files in a folder, in the order of the page."""
        for block in (*self.before, *self.after):
            if block.language == "sh" and not block.place:
                run(block.text, files)
            elif block.place.startswith("files/"):
                target = files / block.place.removeprefix("files/")
                target.parent.mkdir(parents=True, exist_ok=True)
                former = target.read_text() if block.adds else ""
                target.write_text(former + block.text)


def recipes() -> list[Recipe]:
    """Return the recipes of the cookbook, in its order."""
    found = []
    for heading, blocks in sections(COOKBOOK).items():
        numbers = [number for number, block in enumerate(blocks) if block.is_record]
        if numbers:
            [number] = numbers
            found.append(Recipe(heading, blocks[number], tuple(blocks[:number]), tuple(blocks[number + 1 :])))
    return found


def run(commands: str, folder: Path) -> str:
    """Run commands of a page in a folder, as a reader's shell does; return what they print, fail with their errors.

    Of Grove's own virtualenv the shell finds uv alone: django-admin runs the formatter black where it sees one.
    """
    with tempfile.TemporaryDirectory() as programs:
        for name in ("uv", "uvx"):
            Path(programs, name).symlink_to(str(shutil.which(name)))
        environment = os.environ | {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}
        words = ["bash", "-eu", "-o", "pipefail", "-c", commands]
        done = subprocess.run(
            words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, f"{commands}\nexit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def inventory(folder: Path, chosen: list[Recipe], hosts: dict[str, Any], more: list[dict[str, Any]]) -> None:
    """Write the inventory that the pages describe: hosts.yml, the records as they stand there, and more records."""
    (folder / "group_vars").mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yml").write_text(yaml.safe_dump({"wsgi": {"hosts": hosts}}))
    variables = {name: value for recipe in chosen for name, value in recipe.variables.items()}
    text = yaml.safe_dump(variables, sort_keys=False, width=1000) if variables else ""
    records = "".join(recipe.record.text for recipe in chosen)
    records += yaml.safe_dump(more, sort_keys=False) if more else ""
    (folder / "group_vars" / "all.yml").write_text(f"{text}wsgi_apps:\n" + records)
