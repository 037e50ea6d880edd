"""The history of an application, and the conclusions from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app import history, limits
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder


@pytest.fixture
def folder(tmp_path: Path) -> AppFolder:
    return AppFolder("shop", tmp_path)


def noted(folder: AppFolder, text: str) -> list[history.Event]:
    """Note events such as ``switched:two<one contracted:two`` and return all."""
    for word in text.split():
        what, _, rest = word.partition(":")
        release, _, origin = rest.partition("<")
        history.append(folder, what, release, **{"from": origin})
    return history.read(folder)


def add_release(folder: AppFolder, identifier: str) -> None:
    folder.release(identifier).mkdir(parents=True)
    (folder.release(identifier) / "RELEASE.json").write_text(json.dumps({"id": identifier}))


def test_events_are_kept_in_order(folder: AppFolder) -> None:
    assert history.read(folder) == []
    event = history.append(folder, "refused", "two", why="no\nreason: ü", seconds={}, by=None)
    assert set(event) == {"at", "what", "release", "why"}
    history.append(folder, "switched", "two", **{"from": "one"})
    assert [(one["what"], one.get("from")) for one in history.read(folder)] == [("refused", None), ("switched", "one")]
    assert history.read(folder)[0]["why"] == "no\nreason: ü"
    assert (folder.path / history.NAME).stat().st_mode & 0o777 == 0o640
    with pytest.raises(ValueError, match="flipped"):
        history.append(folder, "flipped", "two")


def test_a_line_that_was_cut_off_takes_no_other_with_it(folder: AppFolder) -> None:
    noted(folder, "built:one")
    with (folder.path / history.NAME).open("a") as stream:
        stream.write('{"what": "swit')
    assert [event["what"] for event in noted(folder, "switched:one")] == ["built", "switched"]


def test_the_length_is_bounded_and_what_decides_is_kept(folder: AppFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_EVENTS", 20)
    monkeypatch.setattr(limits, "HISTORY_KEPT", 10)
    noted(folder, "contracted:one " + "refused:two " * 50)
    events = history.read(folder)
    assert len(events) <= 20
    assert events[0]["what"] == "contracted"
    assert events[-1]["release"] == "two"


@pytest.mark.parametrize(
    ("text", "target", "crossed"),
    [
        ("deployed:one switched:two<one", "one", False),
        ("deployed:one switched:two<one contracted:two", "one", True),
        ("switched:two<one contracted:two", "one", True),
        ("deployed:one switched:two<one contracted:two", "two", False),
        ("deployed:one switched:two<one contracted:two rolled_back:one<two", "two", False),
        ("deployed:one switched:two<one contracted:two rolled_back:one<two", "one", False),
        ("deployed:one switched:two<one contracted:two switched:three<two", "one", True),
        ("deployed:one switched:two<one contracted:two switched:three<two", "two", False),
        ("deployed:one switched:two<one contracted:two", "three", False),
    ],
)
def test_releases_from_before_a_contract(folder: AppFolder, text: str, target: str, crossed: bool) -> None:
    assert bool(history.contract_between(noted(folder, text), target)) is crossed


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("", False),
        ("deployed:one", True),
        ("deployed:one after:one", False),
        ("switched:one<two after:one switched:two<one after:two switched:one<two", True),
        ("switched:two<one after:two rolled_back:one<two", False),
        ("switched:two<one", False),
    ],
)
def test_when_the_hook_after_is_due(folder: AppFolder, text: str, due: bool) -> None:
    assert history.is_after_due(noted(folder, text), "one") is due


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("migrated:one deployed:one", True),
        ("migrated:one deployed:one after:one", False),
        ("migrated:two deployed:two after:two switched:one<two", False),
        ("migrated:two deployed:two after:two migrated:one switched:one<two", True),
        ("migrated:two deployed:two switched:one<two", True),
        ("migrated:two deployed:two after:two migrated:one", False),
        ("deployed:one", True),
    ],
)
def test_when_an_after_that_follows_migrations_is_due(folder: AppFolder, text: str, due: bool) -> None:
    assert history.is_after_due(noted(folder, text), "one", on_migration=True) is due


@pytest.mark.parametrize(
    ("text", "idle", "there", "expected"),
    [
        ("deployed:one switched:two<one", "one", "one two", "one"),
        ("switched:two<one", "one", "one two", "one"),
        ("deployed:one switched:two<one", "refused", "one two refused", "one"),
        ("deployed:one switched:two<one", "one", "two", None),
        ("deployed:zero switched:one<zero switched:two<one", "two", "zero two", "zero"),
        # The first release was refused, and another one was switched to.
        ("built:one refused:one built:two switched:two<one", "one", "one two", None),
        ("built:one built:two switched:two<one", "one", "one two", None),
        ("built:one refused:one deployed:one built:two switched:two<one", "one", "one two", "one"),
        ("", "one", "one two", "one"),
        ("", "two", "one two", None),
    ],
)
def test_the_release_to_go_back_to(folder: AppFolder, text: str, idle: str, there: str, expected: str | None) -> None:
    for identifier in there.split():
        add_release(folder, identifier)
    folder.point("blue", "two")
    folder.point("green", idle)
    assert history.previous(folder, noted(folder, text)) is None
    folder.flip("blue")
    assert history.previous(folder, history.read(folder)) == expected


@pytest.mark.parametrize(
    ("text", "never_good"),
    [
        ("deployed:one built:two refused:two", {"two"}),
        ("deployed:one built:two refused:two built:two switched:two<one", set()),
        ("deployed:one built:two switched:two<one refused:one", set()),
        ("switched:two<one refused:one", set()),
        ("built:one refused:one built:two switched:two<one", {"one"}),
        ("deployed:one refused:two built:two", set()),
        ("deployed:one built:two canary:two<one refused:two", set()),
        ("deployed:one built:two refused:two built:three refused:three failed:three", {"two", "three"}),
    ],
)
def test_releases_that_were_never_good(folder: AppFolder, text: str, never_good: set[str]) -> None:
    assert history.never_good(noted(folder, text)) == never_good


@pytest.mark.parametrize(
    ("text", "serving"),
    [
        ("", "one"),
        ("deployed:one", "one"),
        ("switched:two<one", "one"),
        ("built:one", None),
        ("built:one refused:one", None),
        ("built:one refused:one canary:one", None),
        ("built:one failed:one deployed:one", "one"),
    ],
)
def test_a_release_serves_when_it_was_made_live_and_verified(folder: AppFolder, text: str, serving: str | None) -> None:
    events = noted(folder, text)
    assert history.serving(folder, events) is None
    add_release(folder, "one")
    folder.point("blue", "one")
    folder.flip("blue")
    assert history.serving(folder) == serving
