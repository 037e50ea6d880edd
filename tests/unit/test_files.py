"""Files and links that are replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_link, replace_text


def test_a_file_is_replaced_with_its_permissions_and_no_other_file_remains(tmp_path: Path) -> None:
    replace_text(tmp_path / "file", "one\n", 0o600)
    replace_text(tmp_path / "file", "two\n", 0o640)
    assert (tmp_path / "file").read_text() == "two\n"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_bytes_that_are_no_text_and_line_ends_stay_as_they_are(tmp_path: Path) -> None:
    content = b"caf\xe9\r\n"
    replace_text(tmp_path / "file", content.decode(errors="surrogateescape"), 0o644)
    assert (tmp_path / "file").read_bytes() == content


def test_leftovers_of_a_killed_process_are_replaced(tmp_path: Path) -> None:
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to("elsewhere")
    replace_text(tmp_path / "file", "one\n", 0o644)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_or_a_link_becomes_a_link(tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.write_text("file")
    for target in ("one", "two"):
        replace_link(path, target)
        assert os.readlink(path) == target
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="file"):
        replace_text(tmp_path / "file", "one\n", 0o644)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
