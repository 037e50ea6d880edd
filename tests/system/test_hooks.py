"""Hooks, run as real commands."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.release import hooks, prepared, publishing

ACCOUNT = pwd.getpwuid(os.getuid())
LAUNCHER = Path(__file__).resolve().parents[2] / "wsgi" / "grove_runtime" / "launch.py"
SECRET = "mysql://shop:opensesame@db/shop"


@pytest.fixture
def folder(tmp_path: Path) -> AppFolder:
    app_folder = AppFolder("shop", tmp_path / "shop")
    (app_folder.release("one") / "venv" / "bin").mkdir(parents=True)
    (app_folder.release("one") / "venv" / "bin" / "python").symlink_to(sys.executable)
    (app_folder.release("one") / "RELEASE.json").write_text('{"id": "one"}')
    (app_folder.release("one") / "runtime" / "grove_runtime").mkdir(parents=True)
    shutil.copy(LAUNCHER, app_folder.release("one") / "runtime" / "grove_runtime")
    app_folder.point("blue", "one")
    app_folder.flip("blue")
    return app_folder


def write_commands(folder: AppFolder, **commands: str | list[str]) -> None:
    content: dict[str, Any] = {
        **commands,
        "environment": {"DATABASE": SECRET, "CONF": "{etc}/shop.ini"},
        "home": "/var/lib/shop",
        "state": "/var/lib/shop",
        "logs": "/var/log/shop",
    }
    (folder.release("one") / "commands.json").write_text(json.dumps(content))


def test_a_hook_is_run_in_the_environment_of_its_release(folder: AppFolder) -> None:
    seen_file = folder.path / "seen"
    code = (
        "import os, sys; u = os.umask(0); "
        "print(os.getcwd(), os.environ['CONF'], os.environ['HOME'], oct(u), sys.argv[1:], os.environ['DATABASE'][:5],"
        " os.environ['GROVE_RELEASE'], 'TERM' in os.environ, file=open(sys.argv[1], 'w'), sep=chr(10))"
    )
    write_commands(folder, migrate=f'python -c "{code}" {seen_file} "{{logs}}/a b" \'$HOME;*\'')
    result = hooks.run(folder, "one", "migrate", ACCOUNT)
    release = folder.release("one")
    assert seen_file.read_text().splitlines() == [
        str(release),
        f"{release}/etc/shop.ini",
        "/var/lib/shop",
        "0o27",
        f"['{seen_file}', '/var/log/shop/a b', '$HOME;*']",
        "mysql",
        "one",
        "False",
    ]
    assert result["seconds"] > 0
    assert [event["what"] for event in history.read(folder)] == ["migrated"]


def test_a_failure_shows_last_lines_without_secrets(folder: AppFolder) -> None:
    code = "import os; print('x' * 9); print(os.environ['DATABASE']); raise SystemExit(7)"
    write_commands(folder, migrate=f'python -c "{code}"')
    with pytest.raises(hooks.HookError) as raised:
        hooks.run(folder, "one", "migrate", ACCOUNT)
    text = str(raised.value)
    assert text.startswith("key migrate: python failed (exit status 7) after ")
    assert text.endswith(" s:\nxxxxxxxxx\n********")
    assert history.read(folder) == []


def test_several_commands_end_at_the_first_failure(folder: AppFolder) -> None:
    seen_file = folder.path / "seen"
    mark = "python -c \"import sys; open(sys.argv[1], 'a').write(sys.argv[2]); print(sys.argv[2])\""
    write_commands(folder, migrate=[f"{mark} {seen_file} one", f"{mark} {seen_file} two"])
    assert hooks.run(folder, "one", "migrate", ACCOUNT)["output"] == "one\ntwo"
    assert seen_file.read_text() == "onetwo"
    url = "rabbit://shop:opensesame@broker/"
    write_commands(folder, migrate=[f"python -c \"raise SystemExit('{url}')\"", f"{mark} {seen_file} three"])
    with pytest.raises(hooks.HookError) as raised:
        hooks.run(folder, "one", "migrate", ACCOUNT)
    assert str(raised.value).startswith("key migrate[0]: python failed (exit status 1) after ")
    assert str(raised.value).endswith("\nrabbit://shop:********@broker/")
    assert seen_file.read_text() == "onetwo"


def test_a_command_that_is_not_there(folder: AppFolder) -> None:
    write_commands(folder, after="alembic upgrade head")
    expected = "key after: found no command 'alembic' in the release's virtualenv or on the host"
    with pytest.raises(hooks.HookError) as raised:
        hooks.run(folder, "one", "after", ACCOUNT)
    assert str(raised.value) == expected
    program = folder.release("one") / "dependencies" / "bin" / "alembic"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho $1\n")
    program.chmod(0o755)
    assert hooks.run(folder, "one", "after", ACCOUNT)["output"] == "upgrade"


def test_when_hooks_are_due(folder: AppFolder) -> None:
    assert not hooks.is_due(folder, "one", "migrate")
    write_commands(folder, migrate="true", contract="true", after="true")
    assert hooks.is_due(folder, "one", "migrate")
    hooks.run(folder, "one", "migrate", ACCOUNT)
    assert not hooks.is_due(folder, "one", "migrate")
    assert hooks.is_due(folder, "one", "contract")
    assert not hooks.is_due(folder, "one", "after")
    history.append(folder, "switched", "one")
    assert hooks.is_due(folder, "one", "after")
    for what in ("contract", "after"):
        hooks.run(folder, "one", what, ACCOUNT)
        assert not hooks.is_due(folder, "one", what)
    folder.flip("green")
    (folder.path / history.NAME).unlink()
    assert not hooks.is_due(folder, "one", "contract")


def test_an_after_that_follows_migrations_is_not_run_for_a_release_that_needed_none(folder: AppFolder) -> None:
    write_commands(folder, migrate="true", migration="m", after="true", after_on="migration")
    hooks.run(folder, "one", "migrate", ACCOUNT)
    history.append(folder, "switched", "one")
    assert hooks.is_due(folder, "one", "after")
    hooks.run(folder, "one", "after", ACCOUNT)
    history.append(folder, "switched", "one")
    assert not hooks.is_due(folder, "one", "after")
    hooks.note(folder, "one", "migrate")
    assert hooks.is_due(folder, "one", "after")


@pytest.mark.parametrize("text", ["", "{", '{"migrate": "true"}'])
def test_hooks_that_cannot_be_read(folder: AppFolder, text: str) -> None:
    (folder.release("one") / "commands.json").write_text(text)
    with pytest.raises(hooks.HookError, match=r"^the commands of release one cannot be used: "):
        hooks.run(folder, "one", "migrate", ACCOUNT)


def test_a_hook_leaves_no_file_in_its_release(folder: AppFolder) -> None:
    write_commands(folder, migrate="true")
    before = sorted(folder.path.rglob("*"))
    assert hooks.is_due(folder, "one", "migrate")
    hooks.run(folder, "one", "migrate", ACCOUNT)
    assert sorted(folder.path.rglob("*")) == sorted([*before, folder.path / history.NAME])


def test_a_hook_of_a_release_without_a_launcher_is_started_by_the_hosts(folder: AppFolder) -> None:
    write_commands(folder, migrate="python -c \"print('done')\"")
    (folder.release("one") / "runtime" / "grove_runtime" / "launch.py").rename(folder.path / "launch.py")
    assert hooks.run(folder, "one", "migrate", ACCOUNT)["output"] == "done"


def test_the_report_of_a_failed_hook(folder: AppFolder) -> None:
    history.append(folder, "deployed", "one")
    assert hooks.aftermath(folder, "two", "migrate").startswith("release one serves on; done: release two is built")
    assert hooks.aftermath(folder, "one", "migrate").startswith("release one serves on. ")
    assert hooks.aftermath(folder, "one", "after").startswith("release one is live and stays so")
    folder.slot_map.write_text("nonsense\n")
    assert "it cannot be told which release serves: " in hooks.aftermath(folder, "two", "migrate")


FIRST = "is the first one and was not started; nothing serves yet"


def slots(folder: AppFolder) -> list[str | None]:
    return [folder.release_of(colour) for colour in ("blue", "green")]


@pytest.fixture
def first(folder: AppFolder) -> AppFolder:
    """The application's folder before its first deployment, with three releases that can be built."""
    folder.slot_map.unlink()
    folder.slot("blue").unlink()
    for name in ("two", "three"):
        folder.release(name).mkdir()
        (folder.release(name) / "RELEASE.json").write_text(json.dumps({"id": name}))
    return folder


def test_a_first_release_that_fails_in_its_migration_never_served(first: AppFolder) -> None:
    history.append(first, "built", "one")
    assert publishing.point_first(first, "one", ACCOUNT.pw_name)
    assert not publishing.point_first(first, "one", ACCOUNT.pw_name)
    assert FIRST in hooks.aftermath(first, "one", "migrate")
    history.note_failure(first, "failed", "one", why="no table", step="migrate")

    history.append(first, "built", "two")
    assert publishing.point_first(first, "two", ACCOUNT.pw_name, dry=True)
    assert slots(first) == ["one", "one"]
    assert publishing.point_first(first, "two", ACCOUNT.pw_name)
    assert (slots(first), first.live()) == (["two", "two"], "blue")
    assert FIRST in hooks.aftermath(first, "two", "migrate")
    # The event that the switch records when the front answers.
    history.append(first, "deployed", "two")
    assert not publishing.point_first(first, "three", ACCOUNT.pw_name)
    assert history.previous(first, history.read(first)) is None
    assert hooks.aftermath(first, "three", "migrate").startswith("release two serves on; done: release three")


def test_a_first_release_that_fails_in_apache_never_served(first: AppFolder) -> None:
    history.append(first, "built", "one")
    assert publishing.point_first(first, "one", ACCOUNT.pw_name)
    with tempfile.TemporaryDirectory() as run, socket.socket(socket.AF_UNIX) as group:
        # The name that mod_wsgi gives to the socket of a process group.
        group.bind(f"{run}/wsgi.100.u{ACCOUNT.pw_uid}.1.sock")
        group.listen()
        history.note_failure(first, "refused", "one", why="key health", step="switch")
        history.append(first, "built", "two")
        assert not publishing.point_first(first, "two", ACCOUNT.pw_name)
        assert FIRST in hooks.aftermath(first, "two", "migrate")
        assert history.serving(first) is None
    # Like the switch, start the release in the other slot.
    first.point("green", "two")
    first.flip("green")
    history.append(first, "switched", "two")
    assert (slots(first), history.serving(first)) == (["one", "two"], "two")
    assert history.previous(first, history.read(first)) is None
    assert not publishing.point_first(first, "three", ACCOUNT.pw_name)


def appending(path: Path, *letters: str) -> list[str]:
    """Return command lines that append a letter each; ``!`` fails."""
    return ["false" if letter == "!" else f"sh -c 'printf {letter} >>{path}'" for letter in letters]


def test_the_host_remembers_what_it_has_prepared(folder: AppFolder) -> None:
    made = folder.path / "made"
    write_commands(folder, prepare=appending(made, "a", "b"))
    assert hooks.is_due(folder, "one", "prepare")
    hooks.run(folder, "one", "prepare", ACCOUNT)
    assert made.read_text() == "ab"
    assert not hooks.is_due(folder, "one", "prepare")
    # A new line and a changed one are run; one that comes back is not.
    write_commands(folder, prepare=appending(made, "c", "b"))
    hooks.run(folder, "one", "prepare", ACCOUNT)
    write_commands(folder, prepare=appending(made, "a", "c", "b"))
    assert not hooks.is_due(folder, "one", "prepare")
    assert made.read_text() == "abc"
    assert [event["what"] for event in history.read(folder)] == ["prepared", "prepared"]
    text = (folder.path / prepared.FILE).read_text()
    assert "printf" not in text
    assert (folder.path / prepared.FILE).stat().st_mode & 0o777 == 0o640
    # As the documents say: without the file, all of them run again.
    (folder.path / prepared.FILE).unlink()
    assert hooks.is_due(folder, "one", "prepare")


def test_a_preparation_that_fails_half_way_goes_on_there(folder: AppFolder) -> None:
    made = folder.path / "made"
    write_commands(folder, prepare=appending(made, "a", "!", "b"))
    with pytest.raises(hooks.HookError, match=r"key prepare\[1\]: false failed \(exit status 1\)"):
        hooks.run(folder, "one", "prepare", ACCOUNT)
    assert hooks.is_due(folder, "one", "prepare")
    assert "not done: starting the idle slot" in hooks.aftermath(folder, "one", "prepare") or "serves on" in (
        hooks.aftermath(folder, "one", "prepare")
    )
    write_commands(folder, prepare=appending(made, "a", "c", "b"))
    hooks.run(folder, "one", "prepare", ACCOUNT)
    assert made.read_text() == "acb"


def test_a_damaged_memory_is_named(folder: AppFolder) -> None:
    write_commands(folder, prepare="true")
    (folder.path / prepared.FILE).write_text("[]")
    with pytest.raises(ValueError, match=r"prepared\.json holds no dictionary; delete the file"):
        hooks.run(folder, "one", "prepare", ACCOUNT)
