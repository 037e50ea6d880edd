"""The script that Apache loads, in a process with a stand-in for the module mod_wsgi."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "wsgi" / "slot.wsgi"
PROCESS = """
import json, sys, threading, types
sys.modules["mod_wsgi"] = types.SimpleNamespace(process_group=sys.argv[2])
module = types.ModuleType("script")
module.__file__ = sys.argv[1]
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), module.__dict__)
loaded = "grove_app" in sys.modules
answers = []
def ask():
    answers.append(module.application({}, None))
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
name = type(module.application).__name__
print(json.dumps([loaded, answers, name, sys.modules["grove_app"].loads if answers else 0]))
"""
ENTRY = """
import builtins, time
builtins.loads = loads = getattr(builtins, "loads", 0) + 1
time.sleep(0.1)
def application(environ, start_response):
    return "one"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    release = tmp_path / "releases" / "one"
    release.mkdir(parents=True)
    (release / "app.wsgi").write_text(ENTRY)
    (tmp_path / "slots").mkdir()
    for colour in ("blue", "green"):
        (tmp_path / "slots" / colour).symlink_to("../releases/one")
    (tmp_path / "slot.wsgi").write_text(SCRIPT.read_text())
    (tmp_path / "slot.map").write_text("live my-shop-blue\n")
    return tmp_path


def start(folder: Path, group: str) -> Any:
    """Return whether the release was loaded at once, the answers of eight threads, and the final application."""
    command = [sys.executable, "-c", PROCESS, str(folder / "slot.wsgi"), group]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(completed.stdout)


@pytest.mark.parametrize(
    ("slot_map", "preload", "group", "at_once"),
    [
        ("live my-shop-blue\n", None, "my-shop-blue", True),
        ("live my-shop-blue\n", None, "my-shop-green", False),
        ("live my-shop-green\n", None, "my-shop-green", True),
        ("live my-shop-blue|my-shop-blue|my-shop-green\n", None, "my-shop-green", True),
        ("live my-shop-blue\n", "green\n", "my-shop-green", True),
        ("live my-shop-blue\n", "blue green\n", "my-shop-green", True),
        ("live my-shop-blue\n", "blue\n", "my-shop-green", False),
        (None, None, "my-shop-green", True),
        ("", None, "my-shop-green", True),
    ],
)
def test_which_processes_load_their_release_at_once(
    folder: Path, slot_map: str | None, preload: str | None, group: str, at_once: bool
) -> None:
    if slot_map is None:
        (folder / "slot.map").unlink()
    else:
        (folder / "slot.map").write_text(slot_map)
    if preload is not None:
        (folder / "preload").write_text(preload)
    loaded, answers, became, loads = start(folder, group)
    assert loaded is at_once
    assert answers == ["one"] * 8
    assert (became, loads) == ("function", 1)


def test_a_release_that_was_built_before_it_had_an_app_wsgi(folder: Path) -> None:
    release = folder / "releases" / "one"
    (release / "app.wsgi").rename(release / "entry.py")
    loaded, answers, became, loads = start(folder, "my-shop-blue")
    assert (loaded, answers, became, loads) == (True, ["one"] * 8, "function", 1)
