"""The status report of an application, and its table."""

from __future__ import annotations

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.filter.hosts import unwell_apps, update_report
from ansible_collections.grove.wsgi.plugins.filter.status_table import status_table
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.doctor import served
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import OK, PROBLEM
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent
from ansible_collections.grove.wsgi.plugins.module_utils.logs import places
from ansible_collections.grove.wsgi.plugins.module_utils.status import presence
from ansible_collections.grove.wsgi.plugins.module_utils.status import report as status_report
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file, health
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import Apache
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ports import free_port
from record_settings import switching_part


@pytest.fixture(autouse=True)
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of Apache's sites, which has the site of the application."""
    folder = tmp_path / "sites"
    folder.mkdir()
    (folder / "wsgi-shop.conf").write_text('    RewriteMap shop "rnd:/srv/wsgi/shop/slot.map"\n')
    monkeypatch.setitem(places.SITES, "apache2", folder)
    return folder


@pytest.fixture
def record(tmp_path: Path) -> dict[str, Any]:
    """The serving part of a record whose application does not run."""
    return switching_part(tmp_path, free_port())


@pytest.fixture
def server(tmp_path: Path) -> Apache:
    """Apache, whose parent process is that of the tests. The host of the tests may have an Apache of its own."""
    pid_file = tmp_path / "apache2.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    return app_file.apache(processes.program(os.getpid()), str(pid_file))


@pytest.fixture
def folder(record: dict[str, Any], server: Apache) -> AppFolder:
    app_folder = AppFolder("shop", Path(record["folder"]))
    for identifier in ("one", "two"):
        app_folder.release(identifier).mkdir(parents=True)
        content = {"id": identifier, "made_at": f"2026-01-0{len(identifier)}T10:00:00+00:00", "made_from": "./shop"}
        (app_folder.release(identifier) / "RELEASE.json").write_text(json.dumps(content))
    app_folder.point("blue", "one")
    app_folder.point("green", "two")
    app_folder.flip("green")
    history.append(app_folder, "switched", "two", **{"from": "one"})
    history.append(app_folder, "refused", "three", why="no database\nmore", step="build")
    app_file.write(record, server)
    return app_folder


def test_applications_are_found_by_what_was_noted(
    folder: AppFolder, record: dict[str, Any], server: Apache, tmp_path: Path
) -> None:
    assert app_file.names(tmp_path) == ["shop"]
    app, noted = app_file.read(tmp_path, "shop")
    assert noted == record
    assert (app.folder, app.processes, app.idle, app.preloads) == (folder, 2, "cold", set())
    before = (folder.path / app_file.NAME).stat().st_mtime_ns
    app_file.write(record, server)
    assert (folder.path / app_file.NAME).stat().st_mtime_ns == before
    with pytest.raises(FolderError) as raised:
        app_file.read(tmp_path, "shoop")
    assert str(raised.value) == "no application 'shoop' was deployed; on this host there are: shop"
    with pytest.raises(FolderError, match=r"^say which application: -e app=NAME; on this host there are: shop$"):
        app_file.read(tmp_path, "")


@pytest.mark.usefixtures("folder")
def test_another_application_that_answers_at_the_address(server: Apache, tmp_path: Path) -> None:
    """The application left the inventory, and another one has its port now."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    app, record = app_file.read(tmp_path, "shop")
    with HTTPServer(("127.0.0.1", app.front.port), Other) as another:
        threading.Thread(target=another.serve_forever, daemon=True).start()
        state = status_report.report(app, record)
        server.pid_file.write_text("4194304\n")
        stopped = status_report.report(*app_file.read(tmp_path, "shop"))
        another.shutdown()
    assert (state["healthy"], state["health"]) == (False, "another application answers")
    assert "no process of shop" in state["problem"]
    # A process of the same program as the parent's is there still.
    assert (stopped["healthy"], stopped["problem"]) == (True, parent.ORPHANED)


def test_a_removed_application_need_not_answer(folder: AppFolder, sites: Path, tmp_path: Path) -> None:
    """Status, doctor and the certificates say the same of it, and none of them asks its former address."""
    app, record = app_file.read(tmp_path, "shop")
    assert (presence.presence(app), [one.folder.name for one in presence.served(tmp_path)]) == ("served", ["shop"])
    assert served.applications(tmp_path, ()).findings[0].verdict == PROBLEM
    (sites / "wsgi-shop.conf").unlink()
    assert (presence.presence(app), presence.served(tmp_path)) == ("removed", [])
    with socket.create_server(("127.0.0.1", app.front.port)) as other:
        other.settimeout(0)
        state = status_report.report(app, record)
        examined = served.applications(tmp_path, ())
        with pytest.raises(BlockingIOError):
            other.accept()
    assert (state["state"], state["problem"], state["live"]) == ("removed", None, None)
    assert state["health"] == "removed: Apache has no site of it, and its files are kept"
    [row] = status_table({"web1": [state]})[1:2]
    assert "  removed, files kept  none  " in row
    assert [(found.verdict, found.actual) for found in examined.findings] == [
        (OK, "removed, and their files are kept: shop")
    ]
    assert examined.expected == 0
    # The inventory has the application, so somebody has deleted its site.
    missed = served.applications(tmp_path, ("shop",))
    assert (missed.expected, missed.findings[0].verdict, missed.findings[0].actual) == (1, PROBLEM, state["health"])


def test_a_front_without_apache(folder: AppFolder, server: Apache, record: dict[str, Any], tmp_path: Path) -> None:
    app_file.write(record, app_file.apache("no-apache", str(server.pid_file)))
    state = status_report.report(*app_file.read(tmp_path, "shop"))
    assert (state["problem"], state["healthy"], state["live"]) == ("Apache does not run", False, folder.live())
    app, _ = app_file.read(tmp_path, "shop")
    with pytest.raises(SwitchError, match=r"gave no answer \(Connection refused\).*Apache does not run: .*error log"):
        health.verify_front(app)


def test_the_report_of_an_application(folder: AppFolder, tmp_path: Path) -> None:
    state = status_report.report(*app_file.read(tmp_path, "shop"))
    assert (state["live"], state["release"], state["idle_release"], state["previous"]) == ("green", "two", "one", "one")
    assert (state["healthy"], state["problem"], state["canary_percent"]) == (False, None, 0.0)
    assert state["health"].startswith("gave no answer (Connection refused)")
    assert state["last_switch"]["release"] == "two"
    assert [event["what"] for event in state["history"]] == ["switched", "refused"]
    assert {one["release"] for one in state["releases"]} == {"one", "two"}
    assert state["slots"]["green"] == {
        "role": "live",
        "release": "two",
        "complete": True,
        "made_at": "2026-01-03T10:00:00+00:00",
        "made_from": "./shop",
        "processes": [],
    }
    assert json.loads(json.dumps(state)) == state


def test_an_account_that_is_gone_does_not_hide_the_other_applications(
    folder: AppFolder, record: dict[str, Any], tmp_path: Path
) -> None:
    pid_file = tmp_path / "apache.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    server = app_file.apache(processes.program(os.getpid()), str(pid_file))
    app_file.write({**record, "account": "no-such-account"}, server)
    state = status_report.report(*app_file.read(tmp_path, "shop"))
    assert (state["live"], state["slots"]["green"]["processes"]) == ("green", [])
    assert "no-such-account" in state["problem"]


def test_what_is_wrong_is_said(folder: AppFolder, tmp_path: Path) -> None:
    (folder.release("two") / "RELEASE.json").unlink()
    state = status_report.report(*app_file.read(tmp_path, "shop"))
    assert state["problem"] == "slot green points to release two, which is not there or not complete"
    folder.slot_map.write_text("nonsense\n")
    state = status_report.report(*app_file.read(tmp_path, "shop"))
    assert state["problem"].startswith(f"{folder.slot_map} holds 'nonsense'")
    folder.slot_map.unlink()
    state = status_report.report(*app_file.read(tmp_path, "shop"))
    assert state["problem"] == "it was never deployed on this host"
    assert "PROBLEM: it was never deployed" in "\n".join(status_table({"web1": [state]}))


def test_reports_keep_the_order_of_their_applications(
    folder: AppFolder, record: dict[str, Any], tmp_path: Path
) -> None:
    assert folder.live() == "green"
    other = {**record, "name": "blog", "folder": str(tmp_path / "blog")}
    (tmp_path / "blog").mkdir()
    app_file.write(other, app_file.apache("apache2", None))
    states = status_report.reports([app_file.read(tmp_path, name) for name in ("shop", "blog")], last=1)
    assert [(state["app"], state["live"], len(state["history"])) for state in states] == [
        ("shop", "green", 1),
        ("blog", None, 0),
    ]
    assert states[0]["disk_used"] > 0


def test_disk_is_counted_once_for_linked_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 100_000)
    one = status_report.disk_used(tmp_path)
    os.link(tmp_path / "a" / "file", tmp_path / "second")
    assert status_report.disk_used(tmp_path) == one >= 100_000


def test_the_table(folder: AppFolder, tmp_path: Path) -> None:
    # This process stands for Apache. An upgrade of a package may have replaced one of its libraries.
    state = {**status_report.report(*app_file.read(tmp_path, "shop")), "replaced": []}
    state["slots"]["green"]["processes"] = [
        {"pid": 7, "age": 1, "memory": 2_000_000},
        {"pid": 8, "age": 1, "memory": 0},
    ]
    lines = status_table({"web1": [state], "web2": []})
    assert lines[0].split() == [
        *("host", "app", "slot", "release", "made", "from", "health", "processes", "idle", "last", "switch", "disk")
    ]
    assert lines[1].startswith("web1  shop  green  two      2026-01-03 10:00:00  ./shop  gave no answer")
    assert "7,8 (2.0 MB)  one cold, none" in lines[1]
    assert lines[2] == ""
    upgraded = {**state, "replaced": ["apache2", "mod_wsgi.so"], "hands_over": False}
    notes = status_table({"web1": [upgraded, upgraded]})
    remark = "web1: Apache runs with files that are older than the installed ones (apache2, mod_wsgi.so), until"
    assert [line for line in notes if "older" in line] == [f"{remark} it is restarted, which cuts requests"]
    notes = status_table({"web1": [{**upgraded, "hands_over": True}]})
    assert f"{remark} the next handover; systemctl reload apache2 hands over" in notes
    agents = [
        {
            "agent": word,
            "running": True,
            "release": "two",
            "pid": 7,
            "memory": 0,
            "lease": {"word": word, "host": "api2"},
        }
        for word in ("waits", "runs", "starts", "away")
    ]
    notes = status_table({"web1": [{**state, "agents": agents}]})
    assert [line for line in notes if ": agent " in line] == [
        "web1 shop: agent waits waits with that release; api2 runs it",
        "web1 shop: agent runs runs that release, process 7 (0.0 MB), on this host alone",
        "web1 shop: agent starts starts with that release, process 7 (0.0 MB)",
        "web1 shop: agent away: PROBLEM: it cannot use its database, so it does not run;"
        " see journalctl -u grove-shop-away",
    ]
    many = {**upgraded, "replaced": [f"{number}.so" for number in range(6)]}
    assert "(0.so, 1.so, 2.so, 3.so and 2 more)" in "\n".join(status_table({"web1": [many]}))
    assert lines[3].endswith("switched two from one")
    assert lines[4].endswith("refused three: no database")


def test_the_apps_that_are_not_well() -> None:
    """A removed app need not answer."""
    well: dict[str, Any] = {"app": "shop", "state": "served", "problem": None, "agents": []}
    well |= {"healthy": True, "health": "answered 200"}
    stopped = [{"agent": "mail", "running": False}, {"agent": "sweep", "running": True}]
    away = [{"agent": "mail", "running": True, "lease": {"word": "away", "host": ""}}]
    states = [
        well,
        {**well, "app": "far", "agents": away},
        {**well, "app": "sick", "healthy": False, "health": "answered 503"},
        {**well, "app": "broken", "problem": "Apache does not run"},
        {**well, "app": "mute", "agents": stopped},
        {**well, "app": "gone", "state": "removed", "healthy": False},
    ]
    assert unwell_apps(states) == [
        "app far: its agent mail cannot use its database",
        "app sick: answered 503",
        "app broken: Apache does not run",
        "app mute: its agent mail does not run",
    ]


@pytest.mark.parametrize(
    ("pending", "reboots", "left", "check", "text"),
    [
        ([], False, {"reboot": [], "units": {}}, False, "no package has an update; not rebooted"),
        (["libssl3", "zlib1g"], True, {"reboot": [], "units": {}}, False, "upgraded: libssl3, zlib1g; rebooted"),
        (
            ["libssl3"],
            False,
            {"reboot": ["a newer kernel is installed"], "units": {"init": ["/lib/libssl.so.3"]}},
            True,
            "would be upgraded: libssl3; would be not rebooted; only a reboot completes the update, since"
            " a newer kernel is installed, and older files are run by init",
        ),
    ],
)
def test_what_an_update_has_done(
    pending: list[str], reboots: bool, left: dict[str, Any], check: bool, text: str
) -> None:
    assert update_report(pending, reboots, left, check) == text
