"""A pytest plugin for the checks in this folder: the reader, who has followed the pages, and the short form."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import command_line
import page
import pytest
import yaml
from served import Host

LOCKS = Path(__file__).parent / "locks"
SHORT = ("shelf", "links", "visits")
"""The applications of the short form, by the names of their records."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --short."""
    parser.addoption("--short", action="store_true", help=f"only {', '.join(SHORT)}")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "app(NAME): the check is about this application")
    config.addinivalue_line("markers", "whole: the check belongs to the whole gallery alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --short, deselect the checks of other applications and those of the whole gallery."""
    if config.getoption("--short"):
        marked = [(item, item.get_closest_marker("app")) for item in items if not item.get_closest_marker("whole")]
        chosen = [item for item, marker in marked if marker is None or marker.args[0] in SHORT]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@dataclass
class Reader:
    """Somebody with a folder in which the pages were followed, and with a host."""

    folder: Path
    host: Host
    recipes: list[page.Recipe]
    more: list[dict[str, Any]] = field(default_factory=list)

    @property
    def inventory(self) -> Path:
        """The inventory that the pages speak of."""
        return self.folder / "inventory" / "mine"

    def prepare(self) -> None:
        """Follow each section up to the deployment. Locks of the packages that the checks know replace new ones."""
        files = self.inventory / "files"
        files.mkdir(parents=True)
        for recipe in self.recipes:
            recipe.make_files(files)
            for command in recipe.on_host(live=False):
                self.host.run("sh", "-euc", command, DEBIAN_FRONTEND="noninteractive")
        for lock in LOCKS.glob("*.lock"):
            shutil.copy(lock, files)

    def deploy(self) -> str:
        """Write the records and run the page's command; return its output."""
        self.write()
        [command] = [block.text for block in page.sections(page.COOKBOOK)[""] if block.language == "sh"]
        return self.grove(command)

    def write(self) -> None:
        """Write the inventory. The host's address and the authority of its downloads are what a page cannot know."""
        reached = {"ansible_connection": "grove_host", "ansible_host": self.host.container}
        settings = {**reached, **command_line.DOWNLOADS}
        page.inventory(self.inventory, self.recipes, {"web1": settings}, self.more)

    def grove(self, command: str) -> str:
        """Run commands with ``./grove`` in the reader's folder and return their output; fail with its end."""
        done = command_line.grove(command, self.folder)
        assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def password(self, name: str) -> str:
        """Return a secret of the inventory."""
        return (self.inventory / "secrets" / name).read_text().split()[0]


@pytest.fixture(scope="session")
def reader(hosts: dict[str, Host], tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Reader:
    """A reader whose inventory is deployed, with one run of the main command."""
    names = SHORT if pytestconfig.getoption("--short") else None
    recipes = [recipe for recipe in page.recipes() if names is None or recipe.name in names]
    host = replace(hosts["web1"], apps=[recipe.content for recipe in recipes])
    reader = Reader(tmp_path_factory.mktemp("reader"), host, recipes)
    reader.prepare()
    reader.deploy()
    for recipe in recipes:
        for command in recipe.on_host(live=True):
            host.run("sh", "-euc", command)
    return reader


def records_of_readme() -> list[dict[str, Any]]:
    """Return the records that README.md shows."""
    blocks = page.sections(page.README)["Deploy your own app"]
    [text] = [block.text for block in blocks if block.language == "yaml"]
    records: list[dict[str, Any]] = yaml.safe_load(text)["wsgi_apps"]
    return records
