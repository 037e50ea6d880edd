"""The slot map of a canary."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError, other_than


@pytest.mark.parametrize(
    ("percent", "blue", "green"),
    [(10, 9, 1), (25, 3, 1), (50, 1, 1), (75, 1, 3), (99, 1, 99), (33, 67, 33), (1, 99, 1)],
)
def test_the_smallest_number_of_alternatives(tmp_path: Path, percent: int, blue: int, green: int) -> None:
    folder = AppFolder("a", tmp_path)
    if blue + green < 100:
        assert folder.share_out("blue", percent) == percent
        assert folder.slot_map.read_text() == "live " + "|".join(["a-blue"] * blue + ["a-green"] * green) + "\n"
    else:
        assert folder.share_out("blue", percent) == pytest.approx(percent, abs=0.1)
    assert folder.live() == "blue"
    assert folder.canary_share() == pytest.approx(percent, abs=0.1)
    assert folder.shares()[0] == "blue"


@pytest.mark.parametrize("name", ["a", "telemetry-api", "n" * 30])
def test_a_line_is_never_longer_than_what_apache_reads(tmp_path: Path, name: str) -> None:
    folder = AppFolder(name, tmp_path)
    for percent in range(1, 100):
        share = folder.share_out("green", percent)
        assert len(folder.slot_map.read_text()) <= 1001
        assert 0 < share < 100
        assert abs(share - percent) <= 3
        assert folder.live() == "green"
        assert folder.canary_share() == share


def test_a_map_with_a_foreign_alternative(tmp_path: Path) -> None:
    folder = AppFolder("shop", tmp_path)
    assert (folder.shares(), folder.canary_share()) == ([], 0.0)
    folder.slot_map.write_text("live shop-blue|other-green\n")
    with pytest.raises(FolderError):
        folder.shares()


def test_the_other_slot() -> None:
    assert (other_than("blue"), other_than("green")) == ("green", "blue")


def test_what_is_preloaded(tmp_path: Path) -> None:
    folder = AppFolder("shop", tmp_path)
    assert folder.preloaded() == set()
    assert folder.set_preloaded({"green", "blue"})
    assert not folder.set_preloaded({"green", "blue"})
    assert folder.preload.read_text() == "blue green\n"
    assert folder.preload.stat().st_mode & 0o777 == 0o644
    assert folder.set_preloaded(set())
    assert not folder.preload.exists()
