"""The applications of docs/cookbook.md: each answers a question of its own kind, and one changes, returns and goes."""

from __future__ import annotations

import re
from pathlib import Path

import page
import pytest
from gallery_plugin import Reader, records_of_readme
from served import Host


@pytest.mark.app("shelf")
def test_a_scaffolded_pecan_project(reader: Reader) -> None:
    host = reader.host
    assert "Welcome to Pecan!" in host.ask("shelf", "/").text
    style = host.ask("shelf", "/css/style.css")
    assert (style.status, style.headers["content-type"].split(";")[0]) == (200, "text/css")
    searched = host.ask("shelf", "/", method="POST", form={"q": "hello"})
    assert (searched.status, searched.headers["location"].endswith("q=hello")) == (302, True)
    assert "debug" not in host.ask("shelf", "/nothing").text.lower()


@pytest.mark.app("links")
def test_bottle_keeps_a_link(reader: Reader) -> None:
    host = reader.host
    assert host.ask("links", "/docs", method="PUT", body=b"https://bottlepy.org/docs/").status == 201
    answer = host.ask("links", "/docs")
    assert (answer.status, answer.headers["location"]) == (303, "https://bottlepy.org/docs/")


@pytest.mark.app("visits")
def test_an_old_folder_counts_its_visits(reader: Reader) -> None:
    first, second = (int(reader.host.ask("visits", "/").text.split()[1]) for _ in range(2))
    assert second == first + 1


def test_a_second_run_changes_nothing(reader: Reader) -> None:
    assert re.search(r"web1 +: ok=\d+ +changed=0 +unreachable=0 +failed=0", reader.deploy())


def test_one_changes_returns_and_goes(reader: Reader) -> None:
    """A change of the source, a rollback, and the removal of the record; the data stay."""
    host, module = reader.host, reader.inventory / "files" / "links" / "links.py"
    host.ask("links", "/docs", method="PUT", body=b"https://bottlepy.org/docs/")
    module.write_text(module.read_text().replace("Send a link", "Please send a link"))
    reader.deploy()
    assert host.ask("links", "/").text.startswith("Please send a link")
    reader.grove("./grove rollback -i inventory/mine -e app=links")
    assert host.ask("links", "/").text.startswith("Send a link")
    reader.recipes = [recipe for recipe in reader.recipes if recipe.name != "links"]
    reader.deploy()
    assert not [address for address in host.listeners() if address.endswith(":8088")]
    assert host.run("cat", "/var/lib/links/link-docs") == "https://bottlepy.org/docs/"
    assert "visit " in host.ask("visits", "/").text


def test_the_record_of_the_readme(reader: Reader) -> None:
    """README's record and command, with a project of ``pecan create``."""
    files = reader.inventory / "files"
    page.run("uvx pecan@1.8.0 create bookstore", files)
    (files / "templates").mkdir()
    (files / "bookstore" / "config.py").rename(files / "templates" / "config.py.j2")
    (files / "bookstore" / "requirements.lock").write_text((files / "shelf.lock").read_text())
    reader.more = records_of_readme()
    reader.write()
    [command] = re.findall(r"Then run `(\./grove [^`]+)`", page.README.read_text())
    reader.grove(command)
    [record] = reader.more
    assert "Welcome to Pecan!" in Host("web1", reader.host.container, [record]).ask("bookstore", "/").text


def test_the_commands_make_the_locks(reader: Reader, tmp_path: Path) -> None:
    """The page's commands make locks of the same applications as those that the gallery installs."""
    [block] = page.sections(page.COOKBOOK)["Locks"]
    page.run(block.text, tmp_path)
    made = sorted(path.name for path in tmp_path.glob("*.lock"))
    assert made == sorted(path.name for path in page.REPOSITORY.glob("molecule/gallery/locks/*.lock"))
    for name in made:
        requirement = re.findall(rf"printf '%s\\n' '?(\w+)[^|]*\| lock {name.removesuffix('.lock')}\n", block.text)
        assert requirement, name
        assert re.search(rf"(?m)^{requirement[0]}==", (tmp_path / name).read_text()), name
