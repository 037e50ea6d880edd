"""The drop-in of Apache's unit: written once, noted as a reason for a restart, and put back with the kept tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import drop_in, last_good, loaded, tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.config import Config, change
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

ONE, TWO = "[Service]\nPrivateTmp=yes\n", "[Service]\nPrivateTmp=no\n"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A tree without an Apache: nothing checks what is written."""
    monkeypatch.setattr(drop_in, "UNITS", tmp_path / "units")
    monkeypatch.setattr(loaded, "APPLIED", tmp_path / "lib" / "applied.json")
    monkeypatch.setattr(last_good, "KEPT", tmp_path / "lib" / "kept")
    monkeypatch.setattr(last_good, "KEPT_UNIT", tmp_path / "lib" / "kept.conf")
    monkeypatch.setattr(last_good, "REFUSED", tmp_path / "lib" / "refused")
    root = tmp_path / "tree"
    root.mkdir()
    values = dict.fromkeys(Layout.__dataclass_fields__, "")
    values |= {"root": str(root), "binary": "/nonexistent", "service": "apache2", "conf": "{}.conf"}
    values |= {"module": "{}.load"}
    return Layout(**values)


def path(layout: Layout) -> Path:
    return drop_in.path_of(layout.service)


def write(layout: Layout, unit: str | None, *, dry: bool = False) -> dict[str, Any]:
    return change(layout, Config(unit=unit), dry=dry)


def test_a_changed_drop_in_is_written_once_and_needs_a_restart(layout: Layout) -> None:
    assert write(layout, ONE, dry=True)["changed"]
    assert not path(layout).exists()
    result = write(layout, ONE)
    assert result["changed_files"] == [str(path(layout))]
    assert result["diff"][0]["after"] == ONE
    assert path(layout).read_text() == ONE
    assert path(layout).stat().st_mode & 0o777 == 0o640
    assert loaded.pending(1) == ([str(path(layout))], True)
    assert not write(layout, ONE)["changed"]
    assert not write(layout, None)["changed"]
    assert path(layout).read_text() == ONE
    assert write(layout, TWO)["changed"]


def test_the_drop_in_goes_back_with_the_tree(layout: Layout) -> None:
    assert not last_good.put_back(layout)
    Path(layout.root, "a.conf").write_text("one\n")
    last_good.keep(layout)
    write(layout, ONE)
    assert last_good.put_back(layout)
    assert not path(layout).exists()
    write(layout, ONE)
    last_good.keep(layout)
    write(layout, TWO)
    Path(layout.root, "a.conf").write_text("two\n")
    assert last_good.put_back(layout)
    assert path(layout).read_text() == ONE
    assert Path(layout.root, "a.conf").read_text() == "one\n"
    assert tree.current(str(last_good.REFUSED), "a.conf").content == "two\n"
