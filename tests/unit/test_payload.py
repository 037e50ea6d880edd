"""The inputs of a release: one id for the same inputs, another for any change, and an archive that can be unpacked."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible import context
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_paths
from ansible_collections.grove.wsgi.plugins.plugin_utils.payload import Payload


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "pkg").mkdir(parents=True)
    (folder / "config.py").write_text("app = {}\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "pkg" / "__init__.py").write_text("")
    return folder


# The last one holds the source, as the folder of an inventory usually does.
INVENTORIES = ("shop/deploy", "shop/hosts.yml", "shop/secrets", ".")
EXCLUDE = ["/build", "/dist", "/node_modules", "/venv"]


def payload(source: Path, exclude: list[str] = EXCLUDE, **changes: str) -> Payload:
    contents = Payload()
    contents.add_source({"kind": "folder", "path": str(source), "text": "./shop"}, exclude)
    contents.add_file("lock.txt", changes.get("lock", "six==1\n"), "lock")
    contents.add_file("etc/config.py", changes.get("config", "x = 1\n"), "config config.py")
    contents.add_file("app.wsgi", changes.get("entry", "application = None\n"), "entry")
    return contents


def names(source: Path, exclude: list[str] = EXCLUDE) -> list[str]:
    return sorted(member.name for member in payload(source, exclude).members if member.name.startswith("src/"))


def test_the_same_inputs_have_the_same_id(source: Path, tmp_path: Path) -> None:
    first = payload(source).identifier()
    assert len(first) == 12
    assert int(first, 16) >= 0
    copy = tmp_path / "elsewhere" / "shop"
    copy.mkdir(parents=True)
    for name in ("run", "pkg", "config.py"):  # another order of creation
        if (source / name).is_dir():
            shutil.copytree(source / name, copy / name)
        else:
            shutil.copy(source / name, copy / name)
    os.utime(copy / "config.py", (1, 1))
    assert payload(copy).identifier() == first


@pytest.mark.parametrize(
    "change",
    [
        lambda source: (source / "config.py").write_text("app = {1: 2}\n"),
        lambda source: (source / "config.py").chmod(0o755),
        lambda source: (source / "config.py").rename(source / "conf.py"),
        lambda source: (source / "new.py").write_text(""),
        lambda source: (source / "run").unlink(),
    ],
    ids=["content", "executable bit", "name", "one more", "one less"],
)
def test_a_changed_source_has_another_id(source: Path, change: Callable[[Path], object]) -> None:
    before = payload(source).identifier()
    change(source)
    assert payload(source).identifier() != before


@pytest.mark.parametrize("changed", ["lock", "config", "entry"])
def test_any_other_changed_input_has_another_id(source: Path, changed: str) -> None:
    assert payload(source, EXCLUDE, **{changed: "different\n"}).identifier() != payload(source).identifier()


def test_the_python_is_an_input(source: Path) -> None:
    contents = payload(source)
    before = contents.identifier()
    contents.inputs["python"] = "cpython-313"
    assert contents.identifier() != before


def test_what_tools_leave_behind_is_left_out(source: Path) -> None:
    before = payload(source).identifier()
    for folder in (".git", "pkg/__pycache__", ".venv", "shop.egg-info", "build", "dist", "node_modules"):
        (source / folder).mkdir()
        (source / folder / "file").write_text("x")
    (source / "pkg" / "old.pyc").write_text("x")
    assert payload(source).identifier() == before
    assert payload(source).warnings == ["left out of the source, as the key exclude says: build, dist, node_modules"]
    assert "src/dist/file" in names(source, [])
    assert not payload(source, []).warnings
    (source / "pkg" / "build").mkdir()
    (source / "pkg" / "build" / "__init__.py").write_text("")
    assert names(source) == ["src/config.py", "src/pkg/__init__.py", "src/pkg/build/__init__.py", "src/run"]


def test_links_inside_the_folder_are_followed(source: Path) -> None:
    (source / "link.py").symlink_to("config.py")
    (source / "again").symlink_to("pkg")
    expected = ["src/again/__init__.py", "src/config.py", "src/link.py", "src/pkg/__init__.py", "src/run"]
    assert names(source) == expected


def test_links_that_lead_out_are_left_out_and_reported(source: Path, tmp_path: Path) -> None:
    before = payload(source).identifier()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("x")
    (source / "file").symlink_to("../secret")
    (source / "pkg" / "folder").symlink_to(tmp_path / "outside")
    contents = payload(source)
    assert contents.identifier() == before
    assert contents.warnings == ["left out of the source, because these links lead out of it: file, pkg/folder"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.py", ["run"]),
        ("config.py", ["pkg/__init__.py", "run"]),
        ("/run", ["config.py", "pkg/__init__.py"]),
        ("pkg", ["config.py", "run"]),
        ("pkg/", ["config.py", "run"]),
        ("/pkg/*.py", ["config.py", "run"]),
        ("/*.py", ["pkg/__init__.py", "run"]),
        ("**/*.py", ["run"]),
        ("pkg/**", ["config.py", "run"]),
        ("*/config.py", ["config.py", "pkg/__init__.py", "run"]),
        ("[cr]*", ["pkg/__init__.py"]),
        ("Config.py", ["config.py", "pkg/__init__.py", "run"]),
    ],
)
def test_patterns_of_what_is_left_out(source: Path, pattern: str, left: list[str]) -> None:
    assert names(source, [pattern]) == [f"src/{name}" for name in left]


def test_what_is_no_file_is_left_out_and_reported(source: Path) -> None:
    (source / "dead").symlink_to("nowhere")
    os.mkfifo(source / "pipe")
    contents = payload(source)
    assert not {"src/dead", "src/pipe"} & {member.name for member in contents.members}
    assert contents.warnings == [
        "left out of the source, because these are links to nothing, sockets, pipes or devices: dead, pipe"
    ]


def test_a_link_to_its_own_folder_is_refused(source: Path) -> None:
    (source / "pkg" / "loop").symlink_to("..")
    with pytest.raises(ValueError, match="is a link to a folder that it is in itself; remove it"):
        payload(source)


def test_a_wheel_and_a_requirement(tmp_path: Path) -> None:
    wheel = tmp_path / "shop-1-py3-none-any.whl"
    wheel.write_bytes(b"one")
    first, second, third = Payload(), Payload(), Payload()
    first.add_source({"kind": "wheel", "path": str(wheel), "text": wheel.name})
    wheel.write_bytes(b"two")
    second.add_source({"kind": "wheel", "path": str(wheel), "text": wheel.name})
    third.add_source({"kind": "requirement", "text": "shop==1"})
    assert len({first.identifier(), second.identifier(), third.identifier()}) == 3
    assert [member.name for member in second.members] == [wheel.name]
    assert third.members == []
    assert third.inputs["source"] == "shop==1"


def test_the_archive_holds_the_files_and_what_went_in(source: Path, tmp_path: Path) -> None:
    contents = payload(source)
    stream = io.BytesIO()
    contents.write(stream, {"app": "shop"})
    stream.seek(0)
    target = tmp_path / "unpacked"
    with tarfile.open(fileobj=stream) as archive:
        # Debian 12's Python has no filters yet, and ignores this.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(target)
    assert (target / "src" / "config.py").read_text() == "app = {}\n"
    assert (target / "src" / "run").stat().st_mode & 0o777 == 0o755
    assert (target / "src" / "config.py").stat().st_mode & 0o777 == 0o644
    assert (target / "etc" / "config.py").read_text() == "x = 1\n"
    described = json.loads((target / "RELEASE.json").read_text())
    assert described == {"id": contents.identifier(), "app": "shop", "inputs": contents.inputs}


def test_a_file_beside_the_inputs_makes_no_other_release(source: Path) -> None:
    contents = payload(source)
    before = contents.identifier()
    contents.add_beside("plan.json", "{}\n")
    assert contents.identifier() == before
    stream = io.BytesIO()
    contents.write(stream, {})
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        assert archive.getmember("plan.json").mode == 0o640


def test_an_inventory_in_a_source_is_left_out(source: Path) -> None:
    (source / "deploy" / "group_vars").mkdir(parents=True)
    (source / "deploy" / "group_vars" / "all.yml").write_text("password: secret\n")
    (source / "hosts.yml").write_text("")
    (source / "secrets").mkdir()
    (source / "secrets" / "key").write_text("")
    (source / "link").symlink_to("deploy/group_vars")
    (source / "pkg" / "secrets").mkdir()
    (source / "pkg" / "secrets" / "code.py").write_text("")
    contents = Payload(inventories=[str(source.parent / name) for name in INVENTORIES])
    contents.add_source({"kind": "folder", "path": str(source), "text": "./shop"})
    found = [member.name for member in contents.members]
    assert found == ["src/config.py", "src/run", "src/pkg/__init__.py", "src/pkg/secrets/code.py"]
    assert contents.warnings == [
        "left out of the source, because it belongs to the inventory, which may hold secrets: deploy, hosts.yml, link,"
        " secrets"
    ]


@pytest.mark.parametrize("given", ["inventory", "inventory/hosts.yml", "inventory/hosts.yml,", "none"])
def test_which_paths_are_inventories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "hosts.yml").write_text("")
    monkeypatch.setattr(context, "CLIARGS", {"inventory": [str(tmp_path / given)]})
    of_file = [str(folder / name) for name in ("hosts.yml", "group_vars", "host_vars", "secrets")]
    expected = {"inventory": [str(folder)], "inventory/hosts.yml": of_file}
    assert list(inventory_paths()) == expected.get(given, [])
