"""Database servers for the tests: Debian's programs, each with its data and its socket in a temporary folder."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PATHS = ("/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/bin")
PORTS = range(28_000, 32_000)
"""Many, so that two runs at the same time rarely choose the same one; below those that the kernel gives to clients."""


class MissingError(Exception):
    """A program is not installed."""


def find(program: str) -> str:
    """Return the path of a program. Raises MissingError."""
    # The packages may be installed after this file has been loaded.
    postgresql = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    path = shutil.which(program, path=os.pathsep.join([*PATHS, *postgresql, os.environ.get("PATH", "")]))
    if path is None:
        raise MissingError(f"{program} is not installed")
    return path


def _account(name: str) -> Callable[[], None] | None:
    """Return the function that makes a child process run as an account. Debian's servers refuse to run as root."""
    if os.geteuid() != 0 or not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        entry = pwd.getpwnam("nobody")

    def become() -> None:
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)

    return become


def _folder(account: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="telemetry-test-", dir="/var/tmp"))
    if os.geteuid() == 0:
        try:
            entry = pwd.getpwnam(account)
        except KeyError:
            entry = pwd.getpwnam("nobody")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    folder.chmod(0o755)
    return folder


class Server:
    """A server process that a test can stop and start again."""

    def __init__(
        self,
        command: list[str],
        account: str,
        folder: Path,
        ready: Callable[[], bool],
        environment: dict[str, str] | None = None,
    ) -> None:
        self._command, self._account, self._folder, self._ready = command, account, folder, ready
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until the server answers."""
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                preexec_fn=_account(self._account),
                cwd=self._folder,
                env=self._environment,
            )
        deadline = time.monotonic() + 600
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(240)
            self._process = None

    @contextmanager
    def running(self, stop_signal: int = signal.SIGTERM) -> Iterator[None]:
        """Start, and stop at the end of the block."""
        self.start()
        try:
            yield
        finally:
            self.stop(stop_signal)


def _succeeds(command: list[str]) -> Callable[[], bool]:
    return lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address on which no server listens."""
    ports = []
    # In random order, so that two runs at the same time rarely choose the same port.
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise MissingError("no free ports")


def _listens(port: int) -> Callable[[], bool]:
    def answers() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return answers


@contextmanager
def rabbitmq() -> Iterator[tuple[str, Server]]:
    """Run RabbitMQ; yields the transport URL, and the server."""
    binary = find("rabbitmq-server")
    folder = _folder("rabbitmq")
    port, distribution, mapper = free_ports(3)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"telemetry{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/log.d",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
    }
    server = Server([binary], "rabbitmq", folder, _listens(port), environment)
    try:
        with server.running():
            yield f"rabbit://guest:guest@127.0.0.1:{port}/", server
    finally:
        subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[tuple[str, Server]]:
    """Run PostgreSQL; yields the URL of an empty database, and the server."""
    binary, initdb, client = find("postgres"), find("initdb"), find("psql")
    folder = _folder("postgres")
    become = _account("postgres")
    try:
        subprocess.run(
            [initdb, "-D", folder / "data", "-U", "telemetry", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True,
            capture_output=True,
            preexec_fn=become,
            cwd=folder,
        )
        command = [
            binary,
            "-D",
            str(folder / "data"),
            "-k",
            str(folder),
            "-h",
            "",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=200",
        ]
        ready = _succeeds([client, "-h", str(folder), "-U", "telemetry", "-d", "postgres", "-c", "select 1"])
        server = Server(command, "postgres", folder, ready)
        with server.running(signal.SIGINT):
            yield f"postgresql://telemetry@/postgres?host={folder}", server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mariadb(port: int | None = None) -> Iterator[tuple[str, Server]]:
    """Run MariaDB, at a port or at a socket of Unix alone; yields the URL of an empty database, and the server."""
    binary, install, client = find("mariadbd"), find("mariadb-install-db"), find("mariadb")
    folder = _folder("mysql")
    become = _account("mysql")
    path = folder / "socket"
    try:
        installed = subprocess.run(
            [
                install,
                "--no-defaults",
                f"--datadir={folder}/data",
                f"--tmpdir={folder}",
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
            ],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=become,
            cwd=folder,
        )
        if installed.returncode:
            raise RuntimeError(installed.stdout[-2000:])
        command = [
            binary,
            "--no-defaults",
            f"--datadir={folder}/data",
            f"--socket={path}",
            *(["--skip-networking"] if port is None else ["--bind-address=127.0.0.1", f"--port={port}"]),
            # At its start, a server deletes all temporary tables in this folder, those of other servers too.
            f"--tmpdir={folder}",
            f"--pid-file={folder}/pid",
            "--innodb-flush-log-at-trx-commit=2",
            "--max-connections=200",
        ]
        base = [client, "--no-defaults", f"--socket={path}", "-uroot", "-e"]
        server = Server(command, "mysql", folder, _succeeds([*base, "select 1"]))
        with server.running():
            subprocess.run([*base, "create database telemetry"], check=True)
            place = f"/telemetry?charset=utf8mb4&unix_socket={path}" if port is None else f"127.0.0.1:{port}/telemetry"
            yield f"mysql://root@{place}", server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mongodb() -> Iterator[tuple[str, Server]]:
    """Run SecantusDB, which speaks MongoDB's protocol; yields the URL of an empty database, and the server."""
    binary = find("secantusd-py")
    folder = _folder("nobody")
    (port,) = free_ports(1)
    command = [binary, "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(folder / "data")]
    try:
        # From PyPI, it runs as the account of the tests.
        server = Server([*command, "--cache-size", "128M", "--standalone"], "", folder, _listens(port))
        with server.running():
            yield f"mongodb://127.0.0.1:{port}/telemetry", server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
