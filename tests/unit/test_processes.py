"""The process table, with real processes and real sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from child_programs import wait_for

UNUSED_PID = 1 << 22


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_running_process(child: subprocess.Popen[bytes]) -> None:
    wait_for(child.pid, "sleep 60")
    assert child.pid in set(processes.pids())
    assert processes.program(child.pid) == "sleep"
    assert processes.command_line(child.pid) == "sleep 60"
    assert processes.owner(child.pid) == os.getuid()
    assert processes.parent_of(child.pid) == os.getpid()
    assert processes.start_time(child.pid) >= processes.start_time(os.getpid()) > 0
    assert abs(processes.start_clock(child.pid) - time.time()) < 60


def test_a_process_that_is_gone() -> None:
    assert UNUSED_PID not in set(processes.pids())
    assert processes.program(UNUSED_PID) == ""
    assert processes.command_line(UNUSED_PID) == ""
    assert processes.owner(UNUSED_PID) is None
    assert processes.parent_of(UNUSED_PID) == 0
    assert processes.start_time(UNUSED_PID) == 0


def test_children_and_the_sockets_that_they_hold(child: subprocess.Popen[bytes]) -> None:
    assert child.pid in processes.children(os.getpid())
    assert child.pid not in processes.children(child.pid)
    with socket.socket() as probe:
        inode = os.fstat(probe.fileno()).st_ino
        assert inode in processes.socket_inodes(os.getpid())
        assert inode not in processes.socket_inodes(child.pid)
    assert processes.socket_inodes(UNUSED_PID) == set()


def test_a_process_that_has_ended_is_no_child_any_more() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert processes.parent_of(process.pid) == os.getpid()
        assert process.pid not in processes.children(os.getpid())


FIRST_THREAD_ENDS = """
import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
SYS_exit = {"x86_64": 60}.get(os.uname().machine, 93)
ctypes.CDLL(None).syscall(SYS_exit, 0)
"""


def test_a_process_whose_first_thread_alone_has_ended_goes_on() -> None:
    """A kill of a server with many threads looks like that for a moment, in which its sockets still listen."""
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS]) as process:
        stat = Path("/proc", str(process.pid), "stat")
        deadline = time.monotonic() + 120
        while stat.read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not processes.has_ended(process.pid)
        assert process.pid in processes.children(os.getpid())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert processes.has_ended(process.pid)
        assert process.pid not in processes.children(os.getpid())


def test_a_process_of_a_container_is_not_local(child: subprocess.Popen[bytes]) -> None:
    assert processes.is_local(os.getpid())
    assert processes.is_local(child.pid)
    assert not processes.is_local(UNUSED_PID)
    command = ["unshare", "--user", "--pid", "--fork", "sleep", "600"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as container:
        deadline = time.monotonic() + 120
        while not (inside := processes.children(container.pid)):
            if container.poll() is not None:
                pytest.skip("this machine allows no namespaces")
            assert time.monotonic() < deadline, "unshare starts no program"
            time.sleep(0.02)
        assert processes.is_local(container.pid)
        assert not any(map(processes.is_local, inside))
        for pid in inside:
            os.kill(pid, signal.SIGKILL)


def test_a_program_whose_name_holds_spaces_and_brackets(tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("bin") / "a ) b"
    link.symlink_to("/bin/sleep")
    with subprocess.Popen([link, "60"]) as process:
        wait_for(process.pid, f"{link} 60")
        assert processes.program(process.pid) == "a ) b"
        assert processes.parent_of(process.pid) == os.getpid()
        assert processes.start_time(process.pid) > 0
        process.kill()


@pytest.mark.parametrize(
    ("family", "address", "expected"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", "*"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "*"),
    ],
)
def test_listeners_with_their_holder(family: socket.AddressFamily, address: str, expected: str) -> None:
    if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with socket.socket(family) as listening:
        listening.bind((address, 0))
        port = listening.getsockname()[1]
        assert not [listeners for listeners in processes.listeners() if listeners.port == port]
        listening.listen()
        listeners = [listeners for listeners in processes.listeners() if listeners.port == port]
    me = processes.program(os.getpid())
    version = 6 if family == socket.AF_INET6 else 4
    assert listeners == [processes.Listener(expected, port, os.getpid(), me, version)]


def test_the_unit_of_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first form is that of one hierarchy of control groups, the second that of several."""
    monkeypatch.setattr(processes, "PROC", tmp_path)
    for pid, text, unit in (
        (1, "0::/init.scope\n", "init.scope"),
        (2, "3:cpu:/\n1:name=systemd:/system.slice/grove-shop-worker.service\n", "grove-shop-worker.service"),
        (3, "0::/machine.slice/host.scope/system.slice/apache2.service\n", "apache2.service"),
        (4, "0::/\n", ""),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cgroup").write_text(text)
        assert processes.unit_of(pid) == unit
    assert processes.unit_of(UNUSED_PID) == ""


@pytest.mark.parametrize(
    ("name", "is_library"),
    [("libssl.so.3", True), ("libapr-1.so.0.7.2", True), ("mod_wsgi.so-3.11", True), ("app.so.cache", False)],
)
def test_the_names_of_libraries(name: str, is_library: bool) -> None:
    assert bool(processes.LIBRARY.fullmatch(f"/usr/lib/{name}")) is is_library
