"""Written and loaded configuration, with real notes and a real process that stands for Apache's parent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import loaded
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.tree import ABSENT, Entry

ONE = {"sites-available/one.conf": Entry(content="one\n")}
TWO = {"sites-available/one.conf": Entry(content="two\n")}
MODULE = {"mods-available/wsgi.load": Entry(content="LoadModule\n")}


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(loaded, "APPLIED", tmp_path / "lib" / "applied.json")
    monkeypatch.setattr(loaded, "LOADED", tmp_path / "run" / "loaded.json")
    return tmp_path


@pytest.fixture
def parent() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def write(root: Path, entries: dict[str, Entry], restart: list[str] | None = None, written: bool = True) -> None:
    for path, entry in entries.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if entry == ABSENT:
            (root / path).unlink(missing_ok=True)
        else:
            (root / path).write_text(entry.content or "")
    loaded.note_applied(str(root), entries, restart or [], list(entries) if written else [])


def test_nothing_is_pending_before_anything_was_written(parent: int) -> None:
    assert loaded.pending(parent) == ([], False)


def test_written_is_pending_until_it_is_loaded(root: Path, parent: int) -> None:
    write(root, ONE)
    assert loaded.pending(parent) == (["sites-available/one.conf"], False)
    loaded.note_loaded(parent)
    assert loaded.pending(parent) == ([], False)
    write(root, ONE, written=False)
    assert loaded.pending(parent) == ([], False)
    write(root, TWO)
    assert loaded.pending(parent) == (["sites-available/one.conf"], False)


def test_a_module_needs_a_restart(root: Path, parent: int) -> None:
    write(root, MODULE, ["mods-available/wsgi.load"])
    assert loaded.pending(parent) == (["mods-available/wsgi.load"], True)
    loaded.note_loaded(parent)
    write(root, ONE)
    assert loaded.pending(parent) == (["sites-available/one.conf"], False)


def test_a_removed_file_is_pending(root: Path, parent: int) -> None:
    write(root, ONE)
    loaded.note_loaded(parent)
    write(root, {"sites-available/one.conf": ABSENT})
    assert loaded.pending(parent) == (["sites-available/one.conf"], False)
    loaded.note_loaded(parent)
    assert loaded.pending(parent) == ([], False)


def test_a_removed_file_that_grove_never_wrote_is_pending(root: Path, parent: int) -> None:
    write(root, ONE)
    loaded.note_loaded(parent)
    write(root, {"sites-enabled/000-default.conf": ABSENT})
    assert loaded.pending(parent) == (["sites-enabled/000-default.conf"], False)
    loaded.note_loaded(parent)
    write(root, {"sites-enabled/000-default.conf": ABSENT}, written=False)
    assert loaded.pending(parent) == ([], False)


def test_a_file_that_went_without_a_note_is_pending(root: Path, parent: int) -> None:
    write(root, ONE)
    loaded.note_loaded(parent)
    (root / "sites-available/one.conf").unlink()
    write(root, MODULE)
    loaded.note_applied(str(root), MODULE, [], [])
    assert loaded.pending(parent) == (["mods-available/wsgi.load", "sites-available/one.conf"], False)


def test_a_file_that_somebody_had_changed_is_pending_when_it_is_put_back(root: Path, parent: int) -> None:
    write(root, ONE)
    loaded.note_loaded(parent)
    write(root, ONE, written=True)
    assert loaded.pending(parent) == (["sites-available/one.conf"], False)


def test_an_apache_that_was_started_after_the_writing_has_read_it(root: Path) -> None:
    write(root, ONE)
    long_ago = 1_000_000
    os.utime(loaded.APPLIED, (long_ago, long_ago))
    with subprocess.Popen(["sleep", "60"]) as process:
        assert loaded.pending(process.pid) == ([], False)
        process.kill()


def test_notes_of_another_process_do_not_count(root: Path, parent: int) -> None:
    write(root, ONE)
    with subprocess.Popen(["sleep", "60"]) as process:
        loaded.note_loaded(process.pid)
        process.kill()
    assert loaded.pending(parent) == (["sites-available/one.conf"], False)


def test_broken_notes_are_as_good_as_none(root: Path, parent: int) -> None:
    write(root, ONE)
    loaded.note_loaded(parent)
    loaded.LOADED.write_text("{")
    assert loaded.pending(parent) == (["sites-available/one.conf"], False)
