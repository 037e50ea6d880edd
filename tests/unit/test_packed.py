"""Packed modules that one run leaves to the next."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils import packed
from ansible_collections.grove.wsgi.plugins.plugin_utils.packed import Packed, key_of

OWN = "ansible_collections.grove.wsgi.plugins.modules.status-ZIP_DEFLATED-none"
CORE = "ansible.modules.setup-ZIP_DEFLATED-none"


def run_of(tmp_path: Path, name: str, **files: str) -> Path:
    """Return the folder of a run with these packed modules."""
    folder = tmp_path / name
    folder.mkdir()
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


def as_it_is(content: bytes) -> bytes:
    return content


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_run_gets_what_an_earlier_one_has_packed(tmp_path: Path) -> None:
    kept = Packed(tmp_path / "home" / "grove-packed", "1")
    kept.restore(tmp_path / "first")
    assert names(tmp_path / "first") == set()
    kept.keep(run_of(tmp_path, "one", **{OWN: "a", CORE: "b"}), as_it_is)
    kept.restore(tmp_path / "second")
    assert {path.name: path.read_text() for path in (tmp_path / "second").iterdir()} == {OWN: "a", CORE: "b"}
    # What the run has packed itself stays.
    third = run_of(tmp_path, "third", **{OWN: "c"})
    kept.restore(third)
    assert {path.name: path.read_text() for path in third.iterdir()} == {OWN: "c", CORE: "b"}
    Packed(kept.folder, "2").restore(tmp_path / "other")
    assert names(tmp_path / "other") == set()


def test_a_file_is_kept_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kept = Packed(tmp_path / "grove-packed", "1")
    kept.keep(run_of(tmp_path, "one", **{OWN: "a"}), as_it_is)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        kept.keep(run_of(tmp_path, "two", **{CORE: "b"}), as_it_is)
    assert names(kept.folder / "1") == {OWN}


def test_another_file_system_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    kept = Packed(tmp_path / "grove-packed", "1")
    kept.keep(run_of(tmp_path, "one", **{OWN: "a"}), as_it_is)
    monkeypatch.setattr(os, "link", refused)
    kept.restore(tmp_path / "two")
    assert (tmp_path / "two" / OWN).read_text() == "a"
    assert names(tmp_path / "two") == {OWN}


def test_runs_at_the_same_time_read_and_write_whole_files(tmp_path: Path) -> None:
    """Four processes keep, restore and forget, as runs of Ansible do."""
    text = "x" * 200000

    def run(number: int) -> None:
        for turn in range(20):
            own = Packed(tmp_path / "grove-packed", str(turn % (packed.KEYS_KEPT + 2)))
            folder = tmp_path / f"run{number}-{turn}"
            with contextlib.suppress(FileNotFoundError):
                own.restore(folder)
            for path in folder.glob("*"):
                assert path.read_text() == text
            (tmp_path / f"new{number}-{turn}").mkdir()
            (tmp_path / f"new{number}-{turn}" / OWN).write_text(text)
            with contextlib.suppress(FileNotFoundError):
                own.keep(tmp_path / f"new{number}-{turn}", as_it_is)

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=run, args=(number,)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4


def test_what_the_key_does_not_cover_is_not_kept(tmp_path: Path) -> None:
    files = (
        "ansible.legacy.setup-ZIP_DEFLATED-none",
        "ansible_collections.community.general.plugins.modules.sefcontext-ZIP_DEFLATED-none",
        CORE.replace("-none", "-debugpy"),
        f"{OWN}-part",
        f"{OWN}.lock",
    )
    kept = Packed(tmp_path / "grove-packed", "1")
    kept.keep(run_of(tmp_path, "run", **dict.fromkeys(files, "a")), as_it_is)
    assert not kept.folder.exists()


@pytest.mark.parametrize("mode", [0o770, 0o702])
@pytest.mark.parametrize("name", [".", "1"])
def test_a_folder_in_which_others_may_write_is_left_alone(tmp_path: Path, mode: int, name: str) -> None:
    kept = Packed(tmp_path / "grove-packed", "1")
    kept.keep(run_of(tmp_path, "one", **{OWN: "a"}), as_it_is)
    (kept.folder / name).chmod(mode)
    kept.keep(run_of(tmp_path, "two", **{CORE: "b"}), as_it_is)
    assert names(kept.folder / "1") == {OWN}
    kept.restore(tmp_path / "three")
    assert names(tmp_path / "three") == set()


def test_keys_that_nobody_uses_are_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "grove-packed"
    for number in range(packed.KEYS_KEPT + 2):
        Packed(folder, str(number)).keep(run_of(tmp_path, f"run{number}", **{OWN: "a"}), as_it_is)
        os.utime(folder / str(number), (number, number))
    assert len(names(folder)) == packed.KEYS_KEPT
    assert str(packed.KEYS_KEPT + 1) in names(folder)


def test_the_key_follows_each_file_and_version(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "one.py"
    file.write_text("1")
    os.utime(file, ns=(1, 1))
    keys = [key_of(["2.19"], [tmp_path]), key_of(["2.20"], [tmp_path])]
    os.utime(file, ns=(2, 2))
    keys.append(key_of(["2.19"], [tmp_path]))
    file.write_text("12")
    os.utime(file, ns=(1, 1))
    keys.append(key_of(["2.19"], [tmp_path]))
    (tmp_path / "a" / "two.py").touch()
    keys.append(key_of(["2.19"], [tmp_path]))
    assert len({*keys}) == len(keys)
    assert key_of(["2.19"], [tmp_path]) == keys[-1]
