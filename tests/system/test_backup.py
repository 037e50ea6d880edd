"""A real MariaDB server is copied while a client writes, and its copy goes to a server without data."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.database import backup, client, scratch
from ansible_collections.grove.wsgi.plugins.module_utils.database.backup import BackupError, Server
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import PROGRAM
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text

pytestmark = [
    pytest.mark.debian_packages("mariadb-server", "mariadb-backup"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a server with an account of its own needs root"),
]

SECONDS = 300.0
OPTIONS = """[mysqld]
datadir = {folder}/data
socket = {folder}/socket
pid-file = {folder}/pid
tmpdir = {folder}
skip-networking
innodb_buffer_pool_size = 16M
innodb_log_file_size = 16M
"""


class Process:
    """A server that the test starts, in the place of Debian's unit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        owner = pwd.getpwnam("mysql")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        self.options = folder / "my.cnf"
        self.options.write_text(OPTIONS.format(folder=folder))
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", "--user=mysql"]
        socket = ["--auth-root-authentication-method=socket", "--skip-test-db"]
        subprocess.run([*install, *socket], check=True, capture_output=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.allowed = True

    def start(self) -> None:
        self.allowed = True
        log = (self.folder / "log").open("ab")
        command = [PROGRAM, f"--defaults-file={self.options}", "--user=mysql"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while client.answer("SELECT 1", str(self.folder / "socket")) is None:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def stop(self) -> None:
        self.allowed = False
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SECONDS)

    def may_start(self) -> bool:
        return self.allowed

    def server(self) -> Server:
        return Server(self.folder / "staging", self.folder / "data", str(self.folder / "socket"), self.options)

    def query(self, text: str) -> Any:
        with pymysql.connect(unix_socket=str(self.folder / "socket"), user="root", autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute(text)
            return cursor.fetchall()


class Writer(threading.Thread):
    """A client that adds rows, and counts those that were acknowledged."""

    def __init__(self, process: Process) -> None:
        super().__init__(daemon=True)
        self.process, self.acknowledged, self.ends = process, 0, threading.Event()

    def run(self) -> None:
        with pymysql.connect(
            unix_socket=str(self.process.folder / "socket"), user="root", autocommit=True
        ) as connection:
            cursor = connection.cursor()
            while not self.ends.is_set():
                cursor.execute("INSERT INTO shop.orders (text) VALUES ('one')")
                self.acknowledged += 1


@pytest.fixture(scope="module")
def source() -> Iterator[Process]:
    """A server with a database."""
    # The server's account may not enter the folders of pytest.
    folder = Path(tempfile.mkdtemp(prefix="grove-backup-"))
    folder.chmod(0o711)
    process = Process(folder / "server")
    process.start()
    process.query("CREATE DATABASE shop")
    process.query("CREATE DATABASE empty")
    process.query("CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(20)) ENGINE=InnoDB")
    process.query("CREATE TABLE shop.`odd name` (id INT PRIMARY KEY) ENGINE=Aria")
    process.query("INSERT INTO shop.`odd name` VALUES (1), (2)")
    process.query("CREATE VIEW shop.seen AS SELECT * FROM shop.orders")
    process.query("CREATE USER shop_1@localhost IDENTIFIED BY 'secret'")
    process.query("INSERT INTO shop.orders (text) SELECT 'before' FROM shop.seq_1_to_5000")
    yield process
    process.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def made(source: Process) -> dict[str, Any]:
    """A backup that was made while a client wrote, with the numbers of rows before and after."""
    writer = Writer(source)
    writer.start()
    while writer.acknowledged < 20:
        time.sleep(0.01)
    before = 5000 + writer.acknowledged
    made = source.server().make(os.geteuid())
    after = 5000 + writer.acknowledged
    writer.ends.set()
    writer.join(SECONDS)
    return {**made, "before": before, "after": after}


@pytest.fixture
def target(source: Process) -> Iterator[Process]:
    """A fresh server."""
    process = Process(source.folder.parent / "target")
    process.start()
    yield process
    process.stop()
    shutil.rmtree(process.folder)


def restore(target: Process, made: dict[str, Any], name: str = "one", **changes: Any) -> None:
    """Send the archive to a host, and restore it."""
    archive = Path(target.server().receive(os.geteuid()))
    shutil.copy(made["archive"], archive)
    values = {"digest": made["sha256"], "expected": made["databases"], **changes}
    target.server().restore(target, name, archive, **values)


def test_a_copy_has_what_was_there_when_it_ended_and_writers_go_on(made: dict[str, Any]) -> None:
    rows = made["databases"]["shop"]["orders"]
    assert made["before"] <= rows <= made["after"]
    assert made["after"] - made["before"] > 20
    assert made["databases"] == {"empty": {}, "shop": {"orders": rows, "odd name": 2}}
    archive = Path(made["archive"])
    assert archive.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in archive.parent.iterdir() if one.is_dir()) == []


def test_a_fresh_server_gets_the_data_and_the_accounts(made: dict[str, Any], target: Process) -> None:
    restore(target, made)
    assert target.query("SELECT COUNT(*) FROM shop.orders") == ((made["databases"]["shop"]["orders"],),)
    assert target.query("SELECT COUNT(*) FROM mysql.user WHERE User = 'shop_1'") == ((1,),)
    assert target.query("SELECT COUNT(*) FROM shop.seen") == ((made["databases"]["shop"]["orders"],),)
    assert [one.name for one in (target.folder / "data").iterdir() if one.name.startswith(".grove")] == []
    assert [one.name for one in target.server().staging.iterdir()] == [".lock"]
    with pytest.raises(BackupError, match=r"has databases \(empty, shop\), and nothing was changed"):
        restore(target, made)


def test_a_damaged_archive_and_other_rows_leave_the_server_as_it_is(made: dict[str, Any], target: Process) -> None:
    with pytest.raises(BackupError, match="not as it was sent"):
        restore(target, made, digest="0" * 64)
    other = {**made["databases"], "shop": {**made["databases"]["shop"], "orders": 1}}
    with pytest.raises(BackupError, match=r"shop\.orders [0-9]+ instead of 1"):
        restore(target, made, expected=other)
    assert target.may_start()
    assert target.query("SHOW DATABASES LIKE 'shop'") == ()
    assert target.server().read()["interrupted"] == ""


@pytest.mark.parametrize("step", ["_remove_data", "replace_text", "rename", "start"])
def test_an_interrupted_restore_serves_nothing_and_goes_on(
    made: dict[str, Any], target: Process, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is interrupted in its middle, where it has one."""
    moved: list[Path] = []
    rename = Path.rename

    def remove_some(server: Server) -> None:
        shutil.rmtree(server.data / "mysql")
        raise KeyboardInterrupt

    def write_all_but_one(path: Path, text: str, mode: int) -> None:
        if path.name == backup.PLACING:
            raise KeyboardInterrupt
        replace_text(path, text, mode)

    def move_two(path: Path, to: Path) -> Path:
        moved.append(path)
        if len(moved) == 3:
            raise KeyboardInterrupt
        return rename(path, to)

    def start() -> None:
        raise KeyboardInterrupt

    place, instead = {
        "_remove_data": (Server, remove_some),
        "replace_text": (backup, write_all_but_one),
        "rename": (Path, move_two),
        "start": (target, start),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(place, step, instead)
        with pytest.raises(KeyboardInterrupt):
            restore(target, made)
    assert not target.may_start()
    assert target.server().read()["interrupted"] == "one"
    # Without the archive, since the data are there.
    target.server().restore(target, "one", None, made["sha256"], made["databases"])
    assert target.may_start()
    assert target.query("SELECT COUNT(*) FROM shop.orders") == ((made["databases"]["shop"]["orders"],),)


def test_another_backup_takes_the_place_of_one_that_was_half_restored(
    made: dict[str, Any], target: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def some(server: Server) -> None:
            (server.restoring / "data" / "shop").rename(server.data / "shop")
            raise KeyboardInterrupt

        patch.setattr(Server, "_place", some)
        with pytest.raises(KeyboardInterrupt):
            restore(target, made)
    assert target.server().read()["placing"]
    assert target.server().read()["databases"] == ["shop"]
    restore(target, made, "two")
    assert target.query("SHOW DATABASES LIKE 'empty'") == (("empty",),)


def test_a_failed_copy_leaves_nothing_on_the_host(source: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(source.folder / "other", source.folder / "data", str(source.folder / "socket"), source.options)

    def fail(_: scratch.Scratch) -> None:
        raise scratch.ScratchError("no")

    monkeypatch.setattr(scratch.Scratch, "count", fail)
    with pytest.raises(scratch.ScratchError):
        server.make(os.geteuid())
    assert [one.name for one in server.staging.iterdir()] == [".lock"]


def test_one_backup_at_a_time(source: Process) -> None:
    with source.server()._locked(), pytest.raises(BackupError, match="at work on this host"):
        source.server().make(os.geteuid())


def test_what_is_read_of_a_host(source: Process, made: dict[str, Any]) -> None:
    state = source.server().read()
    assert state["answers"]
    assert state["databases"] == ["empty", "shop"]
    assert state["cluster"] in ("", "Disconnected", "disconnected")
    assert state["data_bytes"] > 10 * 1024**2
    assert made["series"] == state["series"]
    gone = Server(Path("/nowhere/staging"), Path("/nowhere/data"), "/nowhere/socket").read()
    assert not gone["answers"]
    assert gone["databases"] == []
    assert gone["data_free"] > 0
