"""Reading the logs of an application: their places, their lines, and one order of time."""

from __future__ import annotations

import json
import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.filter.log_lines import log_lines, shown
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.logs import ends, entries, limits, places, reading

NOW = 1_795_894_200.0


@pytest.mark.parametrize(
    ("since", "start"),
    [
        ("10m", NOW - 600),
        ("30s", NOW - 30),
        (" 2 h ", NOW - 7200),
        ("1d", NOW - 86400),
        ("2026-11-28T19:30", 1_795_894_200),
        ("2026-11-28 19:30:05", 1_795_894_205),
        ("2026-11-28T19:30Z", 1_795_894_200),
        ("2026-11-28T20:30+01:00", 1_795_894_200),
        ("2026-11-28", 1_795_824_000),
    ],
)
def test_how_far_back(since: str, start: float) -> None:
    assert entries.start_of(since, NOW) == start


@pytest.mark.parametrize("since", ["", "10", "m", "0m", "-1h", "10w", "3651d", "yesterday", "2026-13-01", "1e3s", "٣m"])
def test_what_is_no_time_is_refused_with_what_would_be_right(since: str) -> None:
    with pytest.raises(
        entries.LogError, match=r"^since is .*; write a number and s, m, h or d, such as 10m, up to 3650d"
    ):
        entries.start_of(since, NOW)


def access_line(**more: Any) -> str:
    fields = {"time": "2026-11-28T19:30:00.500000+0000", "status": 200, "bytes": 3, "ms": 12, "client": "192.0.2.1"}
    return json.dumps({**fields, "request": "GET / HTTP/1.1", "app": "shop", "id": "i", **more})


def test_lines_of_an_access_log() -> None:
    text = '127.0.0.1 - - [28/Nov/2026:20:30:01 +0100] "GET /old HTTP/1.1" 200 3 "-" "a" ms=1 slot=shop-blue'
    lines = [access_line(), access_line(app="cart"), access_line(app=None, status=400), text, "no line", "{}", "[1]"]
    own = list(entries.access_entries(lines, "shop", is_own=True))
    assert [entry.moment for entry in own] == [NOW + 0.5, NOW + 0.5, NOW + 1]
    assert own[0].text == "200 3 bytes 12 ms GET / HTTP/1.1 from 192.0.2.1"
    assert (own[0].fields["id"], own[2].text, own[2].fields) == ("i", text, {"app": "shop", "slot": "blue"})
    shared = list(entries.access_entries(lines, "cart", is_own=False))
    assert [entry.fields["app"] for entry in shared] == ["cart"]


def test_lines_of_an_own_log() -> None:
    lines = [
        "of a library at the start",
        "2026-11-28T19:30:00.250000Z blue/4711 abc Traceback (most recent call last):",
        "of a library",
        "2026-11-28T19:30:01.000000Z green/12 - two  spaces",
    ]
    found = list(entries.own_entries(lines))
    assert [(entry.moment, entry.text) for entry in found] == [
        (0.0, "of a library at the start"),
        (NOW + 0.25, "Traceback (most recent call last):"),
        (NOW + 0.25, "of a library"),
        (NOW + 1, "two  spaces"),
    ]
    assert found[1].fields == {"slot": "blue", "process": 4711, "id": "abc"}
    assert found[3].fields == {"slot": "green", "process": 12, "id": None}


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host whose time zone is an hour ahead."""
    monkeypatch.setenv("TZ", "Etc/GMT-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_lines_of_an_error_log() -> None:
    lines = [
        "[Sat Nov 28 20:30:00.000001 2026] [wsgi:info] [pid 1] [id abc] text",
        "more",
        "[Sat Xxx 28 20:30:00.000001 2026] x",
    ]
    found = list(entries.error_entries(lines))
    assert [entry.moment for entry in found] == pytest.approx([NOW + 1e-6] * 3, abs=1e-5)
    assert [entry.text for entry in found] == ["[wsgi:info] [pid 1] [id abc] text", "more", lines[2]]


# What Apache 2.4 wrote about processes that got SIGSEGV, SIGKILL and SIGTERM, in turn. mod_wsgi exits at SIGTERM.
MOD_WSGI_6 = """\
[Sun Nov 29 02:43:07.567273 2026] [core:notice] [pid 6762:tid 139646658824064] AH00052: child pid 6783 exit signal \
Segmentation fault (11)
[Sun Nov 29 02:43:07.567384 2026] [wsgi:info] [pid 6762:tid 139646658824064] Process 'shop-blue' (pid=6783) has died; \
deregistering and restarting it.
[Sun Nov 29 02:43:07.567398 2026] [wsgi:info] [pid 6762:tid 139646658824064] Process 'shop-blue' (pid=6783) terminated \
by signal 11
[Sun Nov 29 02:43:09.575852 2026] [wsgi:info] [pid 6762:tid 139646658824064] Process 'shop-blue' (pid=6784) terminated \
by signal 9
[Sun Nov 29 02:43:11.583884 2026] [wsgi:info] [pid 6762:tid 139646658824064] Process 'shop-green' (pid=6785) \
terminated normally, exit code 0
"""
MOD_WSGI_4 = """\
[Sun Nov 29 02:45:29.239249 2026] [core:notice] [pid 3456:tid 3456] AH00052: child pid 3458 exit signal \
Segmentation fault (11)
[Sun Nov 29 02:45:29.239289 2026] [wsgi:info] [pid 3456:tid 3456] mod_wsgi (pid=3458): Process 'shop-blue' \
terminated by signal 11
[Sun Nov 29 02:45:32.252685 2026] [wsgi:info] [pid 3456:tid 3456] mod_wsgi (pid=3459): Process 'shop-blue' \
terminated by signal 9
"""


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(("log", "processes"), [(MOD_WSGI_6, [6783, 6784]), (MOD_WSGI_4, [3458, 3459])])
def test_how_processes_ended(log: str, processes: list[int]) -> None:
    found = list(ends.ends(log.splitlines(), "shop"))
    assert [(end.slot, end.process, end.name) for end in found] == [
        ("blue", processes[0], "SIGSEGV"),
        ("blue", processes[1], "SIGKILL"),
    ]
    entry = found[0].entry()
    assert (entry.source, entry.text) == ("error", "the process was ended by SIGSEGV")
    assert entry.fields == {"slot": "blue", "process": processes[0]}
    summary = ends.by_signal(found)
    assert summary is not None
    assert ends.words(summary) == (
        "2 processes were ended by a signal in the last day (SIGSEGV 1x, SIGKILL 1x), the last one at "
        f"{entries.utc(found[1].moment)[:19].replace('T', ' ')} UTC"
    )
    assert list(ends.ends(log.splitlines(), "sho")) == []
    # A text that a client has sent stands elsewhere in a line.
    told = log.replace("[wsgi:info] [pid", "[core:error] [pid 1] [client 192.0.2.1] AH00126: [wsgi:info] [pid")
    assert list(ends.ends(told.splitlines(), "shop")) == []


@pytest.mark.usefixtures("zone")
def test_an_exit_is_no_signal() -> None:
    log = MOD_WSGI_6.replace("exit code 0", "exit code 3")
    end = list(ends.ends(log.splitlines(), "shop"))[-1]
    assert end.entry().text == "the process ended with exit code 3"
    assert ends.by_signal([end]) is None


def test_lines_of_the_journal() -> None:
    own = {"__REALTIME_TIMESTAMP": "1795894200500000", "_SYSTEMD_UNIT": "grove-shop-worker.service", "_PID": "12"}
    of_systemd = {
        "__REALTIME_TIMESTAMP": "1795894201000000",
        "_SYSTEMD_UNIT": "init.scope",
        "UNIT": "grove-shop-a.service",
    }
    lines = [
        json.dumps({**own, "MESSAGE": "ü"}),
        json.dumps({**own, "MESSAGE": [255, 65]}),
        json.dumps({**own, "MESSAGE": None}),
        json.dumps({**of_systemd, "MESSAGE": "Started"}),
        "no JSON",
        "{}",
    ]
    found = list(entries.journal_entries(lines))
    assert [entry.text for entry in found] == ["ü", "\ufffdA", "[the message is too long]", "Started"]
    assert [entry.source for entry in found] == ["grove-shop-worker"] * 3 + ["grove-shop-a"]
    assert (found[0].moment, found[0].fields) == (NOW + 0.5, {"process": 12})


SITE = """
WSGIDaemonProcess {name}-blue display-name=b-{name}
    ErrorLog "|$chown {name} /proc/self/fd/0; exec rotatelogs -l -L {logs}/{name}-error.log -p /x {logs}/y 86400"
"""
FRONT = """
    CustomLog "|/usr/bin/rotatelogs -l -L {logs}/shop-access.log -p /x {logs}/shop-access.log-%Y 86400" grove
    RewriteMap shop "rnd:/srv/wsgi/shop/slot.map"
    RewriteMap cart "rnd:/srv/wsgi/cart/slot.map"
"""


@pytest.fixture
def folder(tmp_path: Path) -> AppFolder:
    """An application with a live release, an agent and a timer."""
    app = AppFolder("shop", tmp_path / "srv" / "shop")
    app.release("one").mkdir(parents=True)
    commands = {"logs": str(tmp_path / "own"), "agents": {"worker": {}}, "timers": {"report": "x"}}
    (app.release("one") / "commands.json").write_text(json.dumps(commands))
    app.point("blue", "one")
    app.flip("blue")
    (tmp_path / "own").mkdir()
    sites = tmp_path / "sites"
    sites.mkdir()
    for name in ("shop", "cart"):
        (sites / f"wsgi-{name}.conf").write_text(SITE.format(name=name, logs=tmp_path))
    with (sites / "wsgi-shop.conf").open("a") as stream:
        stream.write(FRONT.format(logs=tmp_path))
    return app


def test_where_the_logs_lie(folder: AppFolder, tmp_path: Path) -> None:
    sites = tmp_path / "sites"
    units = ("grove-shop-report.service", "grove-shop-worker.service")
    assert places.places(folder, "apache2", sites) == places.Places(
        tmp_path / "shop-access.log",
        tmp_path / "shop-error.log",
        tmp_path / "own" / "output.log",
        units,
        True,
        Path("/var/log/apache2/error.log"),
    )
    cart = places.places(AppFolder("cart", tmp_path / "srv" / "cart"), "apache2", sites)
    mounted = {name: places.is_mounted(name, "apache2", sites) for name in ("shop", "cart", "car", "gone")}
    assert mounted == {"shop": True, "cart": True, "car": False, "gone": False}
    assert (cart.access, cart.is_own) == (tmp_path / "shop-access.log", False)
    assert (cart.error, cart.output) == (tmp_path / "cart-error.log", Path("/var/log/cart/output.log"))
    gone = places.places(AppFolder("gone", tmp_path / "gone"), "httpd", tmp_path / "none")
    assert (gone.access, gone.error) == (Path("/var/log/httpd/gone-access.log"), Path("/var/log/httpd/gone-error.log"))


def read(folder: AppFolder, tmp_path: Path, start: float = NOW, last: int = 100) -> dict[str, Any]:
    found = places.places(folder, "apache2", tmp_path / "sites")
    return reading.read("shop", found, pwd.getpwuid(os.geteuid()).pw_name, start, last)


def own_line(second: int, text: str) -> str:
    return f"2026-11-28T19:30:{second:02}.000000Z blue/1 - {text}\n"


@pytest.mark.usefixtures("zone")
def test_all_logs_are_one_in_order_of_time(folder: AppFolder, tmp_path: Path) -> None:
    """Full files too; Apache's current file has two names, and is read once."""
    (tmp_path / "shop-access.log-20261128").write_text(access_line() + "\n")
    os.link(tmp_path / "shop-access.log-20261128", tmp_path / "shop-access.log")
    (tmp_path / "shop-error.log").write_text(
        "[Sat Nov 28 20:30:02.500000 2026] [wsgi:info] [pid 1:tid 2] Exiting daemon process 'shop-blue'.\n"
        "[Sat Nov 28 20:30:03.000000 2026] three\n"
    )
    (tmp_path / "own" / "output.log-20261128-193002-000").write_text(own_line(-0, "zero") + own_line(2, "two"))
    (tmp_path / "own" / "output.log").write_text(own_line(4, "four") + own_line(4, "five") + "six")
    (tmp_path / "own" / "output.log.other").write_text("")
    result = read(folder, tmp_path)
    assert [entry["text"].split()[0] for entry in result["entries"]] == [
        "zero",
        "200",
        "two",
        "three",
        "four",
        "five",
        "six",
    ]
    assert (result["left_out"], result["problems"]) == (0, [])
    assert [entry["text"] for entry in read(folder, tmp_path, last=2)["entries"]] == ["five", "six"]
    assert read(folder, tmp_path, last=2)["left_out"] == 5
    assert [entry["text"] for entry in read(folder, tmp_path, NOW + 3.5)["entries"]] == ["four", "five", "six"]


def test_root_reads_only_files_of_the_application(
    folder: AppFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account of the application may have put something else into its folder."""
    secret = tmp_path / "secret"
    secret.write_text(own_line(1, "secret"))
    (tmp_path / "own" / "output.log").symlink_to(secret)
    os.mkfifo(tmp_path / "own" / "output.log-pipe")
    result = read(folder, tmp_path)
    assert result["entries"] == []
    assert any("output.log was not read: Too many levels" in problem for problem in result["problems"])
    assert any("output.log-pipe was not read" in problem for problem in result["problems"])
    (tmp_path / "own" / "output.log").unlink()
    (tmp_path / "own" / "output.log").write_text(own_line(1, "secret"))
    monkeypatch.setattr(reading, "owner", lambda number: "somebody")
    result = read(folder, tmp_path)
    assert result["entries"] == []
    assert any(problem.endswith("output.log was not read: it belongs to somebody") for problem in result["problems"])


def test_of_a_long_file_the_end_is_read(folder: AppFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TAIL_BYTES", 1 << 20)
    with (tmp_path / "own" / "output.log").open("w") as stream:
        stream.writelines(own_line(1, f"{number} {'x' * 1000}") for number in range(2000))
    result = read(folder, tmp_path, last=3000)
    assert 900 < len(result["entries"]) < 1020
    assert result["entries"][-1]["text"].startswith("1999 ")
    assert result["problems"] == [f"{tmp_path}/own/output.log is long: only its last 1 MiB were read"]


def test_a_long_entry_is_cut() -> None:
    text = entries.Entry(NOW, "app", "x" * 300_000).plain()["text"]
    assert text.endswith("x [100000 more characters]")


def result_of(*found: entries.Entry, **more: Any) -> dict[str, Any]:
    return {"entries": [entry.plain() for entry in found], "left_out": 0, "problems": [], **more}


def test_entries_of_several_hosts() -> None:
    results = {
        "web1": result_of(entries.Entry(NOW + 2, "app", "two", {"slot": "blue", "process": 7, "id": None}), left_out=3),
        "web10": result_of(
            entries.Entry(NOW + 1.5, "access", "one", {"host": "a", "id": "i"}), problems=["a\x1b was not read"]
        ),
    }
    assert log_lines(results) == [
        "2026-11-28 19:30:01.500 web10 access [i] one",
        "2026-11-28 19:30:02.000 web1  app    [blue 7] two",
        "web1: 3 older entries are left out; -e last=N shows more",
        "web10: a\\x1b was not read",
    ]
    assert log_lines({"web1": results["web1"] | {"state": "removed"}})[-1] == (
        "web1: the app was removed: Apache has no site of it, and its files are kept"
    )
    lines = [json.loads(line) for line in log_lines(results, "json")]
    assert lines[0] == {
        "time": "2026-11-28T19:30:01.500000Z",
        "host": "web10",
        "source": "access",
        "requested_host": "a",
        "id": "i",
        "text": "one",
    }
    assert lines[1]["process"] == 7
    assert log_lines({"web1": result_of()}) == ["there are no entries in this time; -e since=1d goes back a day"]


def test_a_terminal_obeys_no_text_of_a_client() -> None:
    assert shown("ü \x1b[31m\x07\u202e\r\n\udcff\tend") == "ü \\x1b[31m\\x07\\u202e\\r\\n\\udcff\tend"
