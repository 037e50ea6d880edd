"""A member of a MariaDB Galera cluster: its state on its host, and the steps that start, stop and restart it.

``plugin_utils/galera.py`` decides on the controller which host does what.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.grove.wsgi.plugins.module_utils.database import client, limits
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits as host_limits
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.host.peers import OPEN, has_address, seen, series, system
from ansible_collections.grove.wsgi.plugins.module_utils.host.unit import Unit, run

PORT = 4567
"""On which the members of a cluster talk with each other."""
DATA = Path("/var/lib/mysql")
SOCKET = "/run/mysqld/mysqld.sock"
PROGRAM = "/usr/sbin/mariadbd"
UNIT = "mariadb"
PACKAGE = "mariadb-server"
STATE = "grastate.dat"
"""The file in which Galera keeps the cluster and the position of this host's data."""
STATE_MODE = 0o660
NO_CLUSTER = "00000000-0000-0000-0000-000000000000"
UNKNOWN = -1
"""The position in STATE of a server that runs, or that was killed."""
PRIMARY, SYNCED = "Primary", "Synced"
OWN_FOLDERS = {"mysql", "performance_schema", "sys"}
"""The server's own databases. Every other folder with a name that a database may have is somebody's data."""
RECOVERED = re.compile(r"WSREP: Recovered position: (?P<uuid>[0-9a-f-]{36}):(?P<seqno>-?[0-9]+)")


class GaleraError(OperatorError):
    """A server does not become or stay a member of the cluster."""


@dataclass(frozen=True)
class Position:
    """Which cluster a host's data belong to, and the number of their last transaction."""

    uuid: str = ""
    seqno: int = UNKNOWN


@dataclass(frozen=True)
class Status:
    """What a running server says of its cluster. ``status`` is empty where no server answers."""

    status: str = ""
    state: str = ""
    size: int = 0
    uuid: str = ""
    ready: bool = False

    @property
    def is_member(self) -> bool:
        """Whether the server is in a cluster that serves."""
        return self.status == PRIMARY


@dataclass(frozen=True)
class State:
    """A host before a run. ``peers`` has what the host sees of the others, by their names."""

    address_is_here: bool
    saved: bool
    """Whether the data folder has been used with Galera."""
    position: Position
    databases: tuple[str, ...]
    status: Status
    series: str
    system: str
    peers: Mapping[str, str] = field(default_factory=dict)


class Control(Protocol):
    """How the server of this host is started and stopped."""

    def runs(self) -> bool:
        """Return whether the server runs, or is about to."""

    def settle(self) -> None:
        """Wait until a server that is starting runs or has failed."""

    def started(self) -> float:
        """Return when the server was started, in seconds since 1970."""

    def start(self, *, first: bool, seconds: float) -> None:
        """Start the server; ``first`` makes a new cluster of it. Raises GaleraError."""

    def stop(self) -> None:
        """Stop the server. Raises GaleraError."""

    def is_barred(self) -> bool:
        """Return whether nothing starts the server."""

    def bar(self) -> None:
        """Let nothing start the server, which has been stopped, before ``start`` does. Raises GaleraError."""

    def recover(self) -> str:
        """Return what the server prints about the position of its data, while it does not run."""


class Systemd:
    """The server as Debian's unit. Raises UnitError on a host without systemd."""

    def __init__(self) -> None:
        self._unit = Unit(UNIT)

    def runs(self) -> bool:
        """Return whether the unit runs, starts, stops, or waits for its next start."""
        return self._unit.runs()

    def settle(self) -> None:
        """Wait while the unit starts or stops."""
        self._unit.settle()

    def started(self) -> float:
        """Return when the server's process was started, in seconds since 1970; 0 where none was."""
        return self._unit.started()

    def start(self, *, first: bool, seconds: float) -> None:
        """Start the unit, and let it start with the host. Raises UnitError with the end of its log."""
        self._unit.start(seconds, *(["galera_new_cluster"] if first else []))

    def stop(self) -> None:
        """Stop the unit. Raises UnitError with the end of its log."""
        self._unit.stop()

    def is_barred(self) -> bool:
        """Return whether the unit is masked."""
        return self._unit.is_barred()

    def bar(self) -> None:
        """Mask the unit. Raises UnitError."""
        self._unit.bar()

    def recover(self) -> str:
        """Return what the server prints. Raises GaleraError where it fails."""
        done = run(PROGRAM, "--user=mysql", "--wsrep-recover", "--disable-log-error", seconds=limits.RECOVER_SECONDS)
        if done.returncode:
            raise GaleraError(f"{PROGRAM} --wsrep-recover failed: {_end(done.stderr)}")
        return done.stderr


@dataclass(frozen=True)
class Member:
    """The server of this host, as a member of a cluster."""

    control: Control
    data: Path = DATA
    socket: str = SOCKET
    user: str = "root"

    def status(self) -> Status:
        """Return what the server says of its cluster. A server that does not answer has an empty status."""
        text = client.answer("SHOW GLOBAL STATUS LIKE 'wsrep%'", self.socket, user=self.user)
        return Status() if text is None else status_of(text)

    def saved_position(self) -> Position | None:
        """Return what Galera has saved in the data folder; None where the folder was not used with Galera."""
        try:
            return saved_position((self.data / STATE).read_text())
        except FileNotFoundError:
            return None

    def databases(self) -> tuple[str, ...]:
        """Return the names of the folders of databases that are not the server's own."""
        return databases_in(self.data)

    def read(self, address: str, peers: Mapping[str, str], port: int = PORT) -> State:
        """Return the state of this host. peers: the addresses of the other hosts by name."""
        self.control.settle()
        saved = self.saved_position()
        return State(
            address_is_here=has_address(address),
            saved=saved is not None,
            position=saved or Position(),
            databases=self.databases(),
            status=self.status(),
            series=series(PACKAGE),
            system=system(),
            peers={name: seen(other, port) for name, other in peers.items()},
        )

    def position(self) -> Position:
        """Stop a server that is in no cluster, and return how far its data have come.

        Raises GaleraError where the server is a member, or where the position cannot be read.
        """
        saved = self.saved_position()
        if self.control.runs():
            if self.status().is_member:
                raise GaleraError("the server has become a member of a cluster meanwhile; run again")
            self.control.stop()
            saved = self.saved_position()
        if saved is None or not saved.uuid or saved.seqno != UNKNOWN:
            return saved or Position()
        return recovered_position(self.control.recover())

    def make_member(
        self, *, first: bool, size: int, peers: Mapping[str, str], files: Iterable[Path], seconds: float, dry: bool
    ) -> dict[str, Any]:
        """Make the server a member that has read ``files``; return ``changed`` and the ``action``.

        first: start a new cluster, or the former one again, with the data of this host. size: the members that the
        cluster has to have with this one. peers: addresses of the others. Raises GaleraError.
        """
        status = self.status()
        late = self.control.runs() and self._is_late(files)
        if status.is_member and not late:
            action = "none"
        elif first and not status.is_member:
            action = "bootstrap"
        else:
            action = "restart" if status.is_member else "join"
        if action == "none" or dry:
            if not dry:
                self.wait(size, seconds)
            return {"changed": action != "none", "action": action}
        if action == "bootstrap":
            self._check_alone(peers)
        if action == "restart":
            # The others serve meanwhile, so all of them have to be there.
            self.wait(size, seconds)
        if self.control.runs():
            self.control.stop()
        if action == "bootstrap":
            self._allow_bootstrap()
        self.control.start(first=action == "bootstrap", seconds=seconds)
        self.wait(size, seconds)
        return {"changed": True, "action": action}

    def leave(self, size: int, *, dry: bool) -> dict[str, Any]:
        """Let the server leave the cluster in order, and let nothing start it again; return what changed.

        size: the members that the cluster has to have without this one. A server that ends tells the others, which
        count their majority anew. Raises GaleraError.
        """
        status, runs = self.status(), self.control.runs()
        if status.is_member and status.size - 1 < size:
            raise GaleraError(
                f"the cluster has {status.size} members with this one, and has to have {size} without it; run again"
                " when the others are back"
            )
        changed = runs or not self.control.is_barred()
        if changed and not dry:
            if runs:
                self.control.stop()
            self.control.bar()
        return {"changed": changed}

    def wait(self, size: int, seconds: float) -> None:
        """Wait until the server is a synced member of a cluster of ``size`` members or more. Raises GaleraError."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if status.is_member and status.state == SYNCED and status.ready and status.size >= size:
                return
            if not self.control.runs():
                raise GaleraError(
                    f"the server has ended before it was a synced member of the cluster; journalctl -u {UNIT} says why"
                )
            if time.monotonic() > deadline:
                raise GaleraError(
                    f"after {seconds:.0f} s, the server is not a synced member of a cluster of {size}: found"
                    f" wsrep_cluster_status {status.status or '(no answer)'}, wsrep_local_state_comment"
                    f" {status.state or '(no answer)'} and wsrep_cluster_size {status.size}"
                )
            time.sleep(host_limits.POLL_SECONDS)

    def _is_late(self, files: Iterable[Path]) -> bool:
        """Return whether a file was written after the server's start."""
        started = self.control.started()
        return any(path.exists() and path.stat().st_mtime > started for path in files)

    def _check_alone(self, peers: Mapping[str, str]) -> None:
        """Raise GaleraError if another host runs a member: it may be of a cluster that serves."""
        there = [f"{name} ({address})" for name, address in peers.items() if seen(address, PORT) == OPEN]
        if there:
            raise GaleraError(
                f"a member of a cluster listens on port {PORT} of {', '.join(there)}, so no cluster was started here;"
                " run again, and the run finds out what the member is"
            )

    def _allow_bootstrap(self) -> None:
        """Let Galera start the cluster with this host's data, which the comparison of all hosts has chosen."""
        path = self.data / STATE
        if path.exists():
            owner = path.stat()
            text = re.sub(r"(?m)^safe_to_bootstrap:.*$", "safe_to_bootstrap: 1", path.read_text())
            replace_text(path, text, STATE_MODE)
            shutil.chown(path, owner.st_uid, owner.st_gid)


def databases_in(data: Path) -> tuple[str, ...]:
    """Return the names of the folders in a data folder that are databases, and not the server's own."""
    try:
        return tuple(
            sorted(
                one.name
                for one in data.iterdir()
                if one.is_dir() and re.fullmatch(r"[A-Za-z0-9_@$]+", one.name) and one.name not in OWN_FOLDERS
            )
        )
    except FileNotFoundError:
        return ()


def status_of(text: str) -> Status:
    """Return the status that the rows of SHOW STATUS have, a name and a value with a tab between them on each line."""
    values = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    size = values.get("wsrep_cluster_size", "")
    return Status(
        status=values.get("wsrep_cluster_status", ""),
        state=values.get("wsrep_local_state_comment", ""),
        size=int(size) if size.isdigit() else 0,
        uuid=_cluster(values.get("wsrep_cluster_state_uuid", "")),
        ready=values.get("wsrep_ready") == "ON",
    )


def saved_position(text: str) -> Position:
    """Return the position in the text of STATE. Data that are not whole have no cluster."""
    values = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
    seqno = values.get("seqno", "")
    return Position(_cluster(values.get("uuid", "")), int(seqno) if re.fullmatch(r"-?[0-9]+", seqno) else UNKNOWN)


def recovered_position(text: str) -> Position:
    """Return the position that a server has printed with --wsrep-recover. Raises GaleraError where it has none."""
    found = list(RECOVERED.finditer(text))
    if not found:
        raise GaleraError(f"{PROGRAM} --wsrep-recover prints no position: {_end(text)}")
    return Position(_cluster(found[-1]["uuid"]), int(found[-1]["seqno"]))


def as_dict(state: State | Position) -> dict[str, Any]:
    """Return a state as a module hands it over."""
    return asdict(state)


def _cluster(uuid: str) -> str:
    return "" if uuid == NO_CLUSTER else uuid


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-host_limits.LOG_LINES :])
