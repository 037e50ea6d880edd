"""What one host has built once is on another one (modules built_files and release_software, as hosts run them)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from module_calls import call

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what is built belongs to root")


@contextlib.contextmanager
def careful_root() -> Iterator[None]:
    """Let modules inherit the umask of a careful root."""
    former = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(former)


def make_built(folder: Path) -> list[str]:
    """Make a folder with a program and a link, and a single file; return their paths and one that is not there."""
    tool = folder / "tools" / "1.0"
    (tool / "bin").mkdir(parents=True)
    (tool / "bin" / "tool").write_text("#!/bin/sh\n")
    (tool / "bin" / "tool").chmod(0o4775)
    (tool / "module.so").symlink_to(tool / "bin" / "tool")
    (folder / "modules").mkdir()
    (folder / "modules" / "guard.so").write_text("guard")
    (folder / "modules" / "guard.so").chmod(0o644)
    os.chown(folder / "modules" / "guard.so", 65534, 65534)
    return [str(tool), str(folder / "modules" / "guard.so"), str(folder / "other" / "missing.so")]


def test_files_get_to_another_host(tmp_path: Path) -> None:
    host, into = tmp_path / "host", tmp_path / "into"
    into.mkdir()
    os.chown(into, 65534, 65534)
    paths = make_built(host)
    with careful_root():
        packed = call("built_files", paths=paths, into=str(into))
    assert packed["changed"] is False
    # Who logs in fetches the archive, and nobody else reads it.
    status = Path(packed["archive"]).stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (65534, 0o600)
    host.rename(tmp_path / "first")
    checked = call("built_files", paths=paths, archive=packed["archive"], check=True)
    assert (checked["changed"], checked["placed"], host.exists()) == (False, [], False)
    with careful_root():
        placed = call("built_files", paths=paths, archive=packed["archive"])
    assert (placed["changed"], placed["placed"]) == (True, paths[:2])
    tool, guard = Path(paths[0]), Path(paths[1])
    assert (tool / "module.so").resolve() == tool / "bin" / "tool"
    for path in [tool, tool / "bin", guard.parent, tool / "bin" / "tool", host]:
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o755, 0), path
    assert (stat.S_IMODE(guard.stat().st_mode), guard.stat().st_uid, guard.read_text()) == (0o644, 0, "guard")
    assert not list(host.rglob(".built*"))


def test_what_a_killed_run_left_is_removed_and_what_another_one_unpacks_is_not(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    paths = make_built(tmp_path / "host")
    archive = call("built_files", paths=paths, into=str(into))["archive"]
    folder = Path(paths[0]).parent
    left = folder / ".built.left"
    (left / "0" / "bin").mkdir(parents=True)
    (tmp_path / "host" / "modules" / "guard.so").unlink()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call, "built_files", paths=paths, archive=archive)
        # The other run holds the lock for as long as it unpacks.
        with pytest.raises(TimeoutError):
            placed.result(timeout=3)
        assert left.exists()
        os.close(handle)
        assert placed.result()["placed"] == [paths[1]]
    assert not list((tmp_path / "host").rglob(".built*"))


def test_what_is_there_stays(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    paths = make_built(tmp_path / "host")
    archive = call("built_files", paths=paths, into=str(into))["archive"]
    Path(paths[1]).write_text("own")
    assert call("built_files", paths=paths, archive=archive)["placed"] == []
    assert Path(paths[1]).read_text() == "own"


def test_a_host_that_has_nothing_packs_nothing(tmp_path: Path) -> None:
    assert call("built_files", paths=[str(tmp_path / "missing")], into=str(tmp_path))["archive"] == ""
    packed = call("release_software", base=str(tmp_path), apps={"shop": {"python": "a"}}, into=str(tmp_path))
    assert (packed["changed"], packed["archives"]) == (False, {})


def test_an_archive_with_something_else_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "built.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(__file__, "7")
    path = tmp_path / "tools" / "1.0"
    result = call("built_files", paths=[str(path)], archive=str(archive))
    assert result["failed"] is True
    assert "what another host has built cannot be used: the archive has 7, which does not belong there" in result["msg"]
    assert not path.exists()


def test_the_software_of_the_release_with_these_inputs_is_packed(tmp_path: Path) -> None:
    inputs = {"python": "cp311", "source": "b"}
    into = tmp_path / "into"
    into.mkdir()
    for number, source in (("one", "a"), ("two", "b")):
        release = tmp_path / "shop" / "releases" / number
        (release / "venv").mkdir(parents=True)
        (release / "venv" / "which").write_text(number)
        described = {"id": number, "inputs": {"python": "cp311", "source": source, "config x": number}}
        (release / "RELEASE.json").write_text(json.dumps(described))
    apps = {"shop": inputs, "blog": inputs}
    checked = call("release_software", base=str(tmp_path), apps=apps, into=str(into), check=True)
    assert (checked["archives"], list(into.iterdir())) == ({}, [])
    packed = call("release_software", base=str(tmp_path), apps=apps, into=str(into))
    assert list(packed["archives"]) == ["shop"]
    with tarfile.open(packed["archives"]["shop"]) as archive:
        content = archive.extractfile("venv/which")
        assert content is not None
        assert content.read() == b"two"
