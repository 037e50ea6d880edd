"""A restart of Apache in another sandbox: the applications that served before have to serve afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import (
    control,
    drop_in,
    last_good,
    loaded,
    parent,
    service,
    tree,
)
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.switching.survivors import Survivors

OLD, NEW = "[Service]\nPrivateTmp=no\n", "[Service]\nPrivateTmp=yes\n"


class Door(BaseHTTPRequestHandler):
    """Answers for both applications; a test changes the status of ``shop``."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.headers["Host"] == "blue.shop.door" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """Two applications whose doors a small server answers."""
    Door.status = 200
    server = HTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("shop", "blog"):
        folder = tmp_path / "srv" / name
        folder.mkdir(parents=True)
        (folder / "slot.map").write_text(f"live {name}-blue\n")
        record = {
            "name": name,
            "folder": str(folder),
            "account": name,
            "processes": 1,
            "health_path": "/health",
            "start_timeout": 1,
            "door": f"127.0.0.1:{server.server_port}",
            "doors": {colour: f"{colour}.{name}.door" for colour in ("blue", "green")},
            "address": "*",
            "port": 80,
            "server_name": None,
            "tls": "off",
        }
        (folder / "app.json").write_text(json.dumps({"program": "apache2", "record": record}))
    yield tmp_path / "srv"
    server.shutdown()
    server.server_close()


def test_an_application_that_does_not_come_back(base: Path) -> None:
    before = Survivors.of(sorted(base.iterdir()))
    assert [app.folder.name for app, _ in before.live] == ["blog", "shop"]
    assert before.problems() == []
    Door.status = 500
    [problem] = before.problems()
    assert problem.startswith("record shop, key sandbox: /health answered 500")


def test_an_application_that_did_not_serve_before_is_not_waited_for(base: Path) -> None:
    Door.status = 503
    before = Survivors.of(sorted(base.iterdir()))
    assert [app.folder.name for app, _ in before.live] == ["blog"]
    assert Survivors.of([base / "nothing"]).problems() == []


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """An Apache that is restarted by a note, beside its drop-in and the one that it had before."""
    monkeypatch.setattr(drop_in, "UNITS", tmp_path / "units")
    monkeypatch.setattr(last_good, "KEPT", tmp_path / "lib" / "kept")
    monkeypatch.setattr(last_good, "KEPT_UNIT", tmp_path / "lib" / "kept.conf")
    values = dict.fromkeys(Layout.__dataclass_fields__, "")
    (tmp_path / "tree").mkdir()
    layout = Layout(**{**values, "root": str(tmp_path / "tree"), "service": "apache2"})
    drop_in.put(layout, tree.Entry(content=OLD))
    last_good.keep(layout)
    drop_in.put(layout, tree.Entry(content=NEW))
    return layout


def test_apache_goes_back_to_the_sandbox_in_which_all_worked(
    base: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandboxes = []

    def restart(layout: Layout) -> int:
        sandboxes.append(drop_in.current(layout).content)
        Door.status = 500 if sandboxes[-1] == NEW else 200
        return 1

    path = str(drop_in.path_of(layout.service))
    monkeypatch.setattr(control, "parent_pid", lambda layout: 1)
    monkeypatch.setattr(control, "restart", restart)
    monkeypatch.setattr(control, "enable_at_boot", lambda layout, dry: False)
    monkeypatch.setattr(loaded, "pending", lambda parent: ([path], True))
    noted: list[int] = []
    monkeypatch.setattr(loaded, "note_loaded", noted.append)

    def survivors() -> service.Problems:
        return Survivors.of(sorted(base.iterdir())).problems

    with pytest.raises(control.ControlError, match="record shop, key sandbox"):
        service.load(layout, survivors, dry=False)
    assert sandboxes == [NEW, OLD]
    assert drop_in.current(layout).content == OLD
    assert noted == []
    assert service.load(layout, lambda: list, dry=True)["action"] == "restart"


HANDS_OVER = f"ExecReload=+{drop_in.PROGRAM} prepare\nTasksMax=1\nPrivateTmp=yes\n"


@pytest.mark.parametrize(
    ("change", "action"), [(("TasksMax=1", "TasksMax=2"), "reload"), (("PrivateTmp=yes", "PrivateTmp=no"), "restart")]
)
def test_a_handover_takes_the_limits_of_the_unit(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], action: str
) -> None:
    """If it is refused, the unit gets its former limits back, with which the former Apache serves on."""
    done: list[str] = []

    def load(layout: Layout) -> int:
        done.append(action)
        return 1

    def refuse(layout: Layout) -> int:
        raise control.ControlError("app shop: /health answered 500")

    path = str(drop_in.path_of(layout.service))
    drop_in.put(layout, tree.Entry(content=HANDS_OVER))
    last_good.keep(layout)
    after = HANDS_OVER.replace(*change)
    monkeypatch.setattr(control, "parent_pid", lambda layout: 1)
    monkeypatch.setattr(control, "enable_at_boot", lambda layout, dry: False)
    monkeypatch.setattr(control, "read_units", lambda: done.append("read"))
    monkeypatch.setattr(loaded, "note_loaded", lambda parent: None)
    monkeypatch.setattr(loaded, "pending", lambda parent: ([], False))
    restart = (path,) if action == "restart" else ()
    foreseen = service.load(layout, lambda: list, dry=True, unwritten=service.Unwritten((path,), restart))
    assert foreseen["action"] == action
    drop_in.put(layout, tree.Entry(content=after))
    monkeypatch.setattr(loaded, "pending", lambda parent: ([path], True))
    monkeypatch.setattr(control, action, load)
    assert service.load(layout, lambda: list, dry=False)["action"] == action
    assert done == [action]
    assert drop_in.current(layout).content == after
    drop_in.put(layout, tree.Entry(content=HANDS_OVER.replace("TasksMax=1", "TasksMax=3").replace(*change)))
    monkeypatch.setattr(control, "reload", refuse)
    with pytest.raises(control.ControlError, match="app shop"):
        service.load(layout, lambda: list, dry=False)
    assert done == [action, "read"]
    assert drop_in.current(layout).content == after


@pytest.mark.parametrize(("drop_in_text", "action"), [(HANDS_OVER, "reload"), (NEW, "restart")])
def test_apache_runs_with_what_is_installed_where_that_is_asked_for(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, drop_in_text: str, action: str
) -> None:
    """A new generation loads the installed files, and a graceful restart keeps the former ones."""
    drop_in.put(layout, tree.Entry(content=drop_in_text))
    monkeypatch.setattr(control, "parent_pid", lambda layout: 1)
    monkeypatch.setattr(control, "enable_at_boot", lambda layout, dry: False)
    monkeypatch.setattr(loaded, "pending", lambda parent: ([], False))
    monkeypatch.setattr(parent, "replaced", lambda pid_file, program: ["libssl.so.3"])
    result = service.load(layout, lambda: list, dry=True, installed=True)
    assert (result["action"], result["because"]) == (action, ["libssl.so.3"])
    assert service.load(layout, lambda: list, dry=True)["action"] == "none"
    monkeypatch.setattr(parent, "replaced", lambda pid_file, program: [])
    assert service.load(layout, lambda: list, dry=True, installed=True)["action"] == "none"


def test_check_mode_says_what_apache_would_do_with_what_was_not_written(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "parent_pid", lambda layout: 1)
    monkeypatch.setattr(control, "enable_at_boot", lambda layout, dry: False)
    monkeypatch.setattr(loaded, "pending", lambda parent: ([], False))
    cases = [(((), ()), "none"), ((("a.conf",), ()), "reload"), ((("a.conf", "mpm"), ("mpm",)), "restart")]
    for (files, restart), action in cases:
        result = service.load(layout, lambda: list, dry=True, unwritten=service.Unwritten(files, restart))
        assert (result["action"], result["changed"], result["because"]) == (action, bool(files), list(files))
        assert not files or action in result["diff"]["after"]
