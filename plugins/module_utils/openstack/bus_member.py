"""A member of a RabbitMQ cluster: its state on its host, and the steps that start, join and restart it.

``plugin_utils/message_bus.py`` decides on the controller which host does what. A node joins only when a run says so: it
never looks for others by itself, since a node that finds none would go on alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.host.peers import has_address, seen, series, system
from ansible_collections.grove.wsgi.plugins.module_utils.host.unit import Unit, UnitError, run

PORT = 25672
"""On which the members of a cluster talk with each other."""
UNIT, PACKAGE, ACCOUNT = "rabbitmq-server", "rabbitmq-server", "rabbitmq"
MAPPER = "epmd.socket"
"""Erlang's port mapper, with which a node registers, and which other nodes ask for its port."""
DATA = Path("/var/lib/rabbitmq")
COOKIE = DATA / ".erlang.cookie"
COOKIE_MODE = 0o400
NODE_NAME = re.compile(r"rabbit@[A-Za-z0-9.:_-]+")
DEFAULT_ACCOUNTS = frozenset({"guest"})
"""What a node without data makes at its first start. Clients elsewhere cannot log in with it."""
COMMAND_SECONDS = 300.0
"""For one command of rabbitmqctl, which takes two seconds on an idle machine."""
ALL_GROW = 3
"""Up to this number of hosts, each has a copy of each queue. In larger clusters, each queue keeps an odd number of
copies."""


class BusError(OperatorError):
    """A broker does not become or stay a member of the cluster."""


@dataclass(frozen=True)
class Former:
    """Another node whose data are on the host, such as that of a broker without a cluster.

    ``members``: the nodes of its cluster. ``messages``: how many its queues hold; -1 if the node does not run.
    """

    name: str
    members: tuple[str, ...] = ()
    messages: int = -1


@dataclass(frozen=True)
class State:
    """A host before a run. ``peers`` has what the host sees of the others, by their names.

    ``saved``: the nodes of the cluster that the host's data name; empty without data. ``last``: those that ran when the
    host's node last ran. ``members``, ``running`` and ``parted``: what the node says of its cluster, empty if it does
    not run. ``accounts``: those that somebody has made on a node without a cluster. ``cookie``: a digest of the secret
    that the members share.
    """

    address_is_here: bool
    series: str
    system: str
    saved: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    parted: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    former: tuple[Former, ...] = ()
    cookie: str = ""
    peers: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether the node runs and answers."""
        return bool(self.running)

    @property
    def is_clustered(self) -> bool:
        """Whether the host has the data of a cluster of several nodes."""
        return max(len(self.saved), len(self.members)) > 1


def node_name(address: str) -> str:
    """Return the name of the node with an address. An address needs no name server."""
    return f"rabbit@{address}"


def digest(cookie: str) -> str:
    """Return what a module may hand over of the members' secret."""
    return hashlib.sha256(cookie.encode()).hexdigest()


class Node:
    """A node of this host, and the commands that ask and change it. Raises UnitError and BusError."""

    def __init__(self, name: str, *, long: bool = True, data: Path = DATA) -> None:
        """Take the node's name, and whether its part behind the @ has a dot or is an address."""
        self.name = name
        self.folder = data / "mnesia" / name
        self._long = long

    def ask(self, program: str, *words: str, json_output: bool = False) -> str:
        """Return what a command prints. Raises BusError with its first lines where it fails."""
        done = self._run(program, *words, *(("--formatter", "json") if json_output else ()))
        if done.returncode:
            lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip(" :-")]
            raise BusError(f"{program} {words[0]} failed on {self.name}: {' '.join(lines[:3]) or done.returncode}")
        return done.stdout

    def status(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the members, those that run, and those that are parted; nothing where the node does not run.

        The node itself runs when it listens for clients.
        """
        try:
            text = self.ask("rabbitmqctl", "cluster_status", json_output=True)
            values = json.loads(text[text.index("{") :])
        except (BusError, UnitError, ValueError):
            return (), (), ()
        return status_of(values, self.name)

    def accounts(self) -> tuple[str, ...]:
        """Return the accounts that somebody has made."""
        rows = json.loads(self.ask("rabbitmqctl", "list_users", json_output=True))
        return tuple(sorted({row["user"] for row in rows} - DEFAULT_ACCOUNTS))

    def messages(self) -> int:
        """Return how many messages the queues of a node without a cluster hold; -1 where it does not run."""
        if not self.status()[1]:
            return -1
        vhosts = [row["name"] for row in json.loads(self.ask("rabbitmqctl", "list_vhosts", json_output=True))]
        rows = [
            row
            for vhost in vhosts
            for row in json.loads(self.ask("rabbitmqctl", "list_queues", "-p", vhost, "messages", json_output=True))
        ]
        return sum(int(row["messages"] or 0) for row in rows)

    def saved(self, file: str = "cluster_nodes.config") -> tuple[str, ...]:
        """Return the nodes that a file of the node's data names; nothing where there is none."""
        try:
            return tuple(sorted(set(NODE_NAME.findall((self.folder / file).read_text()))))
        except OSError:
            return ()

    def is_critical(self) -> bool:
        """Return whether a queue would stand still without this node, or is not known not to."""
        return self._run("rabbitmq-queues", "check_if_node_is_quorum_critical").returncode != 0

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        # Debian's programs read the node's name from a file, which a run may have replaced under a running node.
        flags = ("--quiet", *(("--longnames",) if self._long else ()), "--node", self.name)
        environment = ("env", "RABBITMQ_CONF_ENV_FILE=/dev/null")
        if shutil.which(program) is None:
            raise BusError(f"{program} is not on this host; install {PACKAGE}")
        return run(*environment, program, *flags, *words, seconds=COMMAND_SECONDS)


def former_nodes(own: str, data: Path = DATA) -> tuple[Former, ...]:
    """Return the other nodes whose data are on this host, with their messages."""
    found = []
    for folder in sorted((data / "mnesia").glob("rabbit@*")):
        if folder.name == own or not (folder / "cluster_nodes.config").exists():
            continue
        name = folder.name
        long = bool(re.search(r"[.:]", name.partition("@")[2]))
        node = Node(name, long=long, data=data)
        members = node.saved()
        found.append(Former(name, members, node.messages() if len(members) < 2 else -1))
    return tuple(found)


@dataclass(frozen=True)
class Member:
    """The node of this host, as a member of a cluster."""

    address: str
    unit: Unit
    data: Path = DATA

    @property
    def node(self) -> Node:
        """The node of the address."""
        return Node(node_name(self.address), data=self.data)

    @property
    def cookie(self) -> Path:
        """The file with the members' secret."""
        return self.data / COOKIE.name

    def read(self, peers: Mapping[str, str], port: int = PORT) -> State:
        """Return the state of this host. peers: the addresses of the other hosts by name."""
        self.unit.settle()
        runs = self.unit.runs()
        members, running, parted = self.node.status() if runs else ((), (), ())
        saved = self.node.saved()
        return State(
            address_is_here=has_address(self.address),
            series=series(PACKAGE),
            system=system(),
            saved=saved,
            last=self.node.saved("nodes_running_at_shutdown"),
            members=members,
            running=running,
            parted=parted,
            accounts=self.node.accounts() if running and len(members) == 1 else (),
            former=() if saved else former_nodes(self.node.name, self.data),
            cookie=digest(self.cookie.read_text().strip()) if self.cookie.exists() else "",
            peers={name: seen(other, port) for name, other in peers.items()},
        )

    def start_again(self, *, force: bool, size: int, seconds: float) -> dict[str, Any]:
        """Start a node of a cluster of which none runs, and wait until ``size`` run. All start at the same time.

        force: the node takes its own data for the latest, since nodes that are lost may have run longer. Raises
        UnitError and BusError.
        """
        if force and not self.node.status()[1]:
            if self.unit.runs():
                self.unit.stop()
            done = run("rabbitmqctl", "--quiet", "force_boot", seconds=COMMAND_SECONDS)
            if done.returncode:
                raise BusError(f"rabbitmqctl force_boot failed: {done.stderr.strip() or done.stdout.strip()}")
        self.unit.start(seconds)
        self._wait(size, seconds)
        return {"changed": True}

    def wait(self, size: int, seconds: float, *, spared: bool) -> None:
        """Wait until ``size`` members run, this one among them.

        spared: also until every queue has a majority without this node. Raises BusError.
        """
        self._wait(size, seconds)
        if spared:
            self._wait_for_copies(seconds)

    def forget(self, nodes: Iterable[str]) -> dict[str, Any]:
        """Remove nodes that do not run from the cluster, and from its queues. Raises BusError."""
        members, running, _ = self.node.status()
        gone = [name for name in nodes if name in members]
        for name in gone:
            if name in running:
                raise BusError(f"{name} runs, so it was not removed from the cluster; run again")
            self.node.ask("rabbitmqctl", "forget_cluster_node", name)
        return {"changed": bool(gone), "forgotten": gone}

    def make_member(
        self,
        *,
        first: bool,
        join: str,
        size: int,
        hosts: int,
        cookie: str,
        files: Iterable[Path],
        seconds: float,
        dry: bool,
    ) -> dict[str, Any]:
        """Make the node a member that has read ``files``; return ``changed`` and the ``action``.

        first: the node begins a cluster. join: the node of a member that runs; empty where this host has the cluster's
        data. size: the members that have to run with this one. hosts: those of the whole cluster. Raises BusError.
        """
        running = self.node.status()[1] if self.unit.runs() else ()
        late = bool(running) and self._is_late(files, cookie)
        if join:
            action = "join"
        elif running and not late:
            action = "none"
        else:
            action = "restart" if running else "start"
        if dry:
            return {"changed": action != "none", "action": action}
        if action == "restart" and not first:
            # The others serve meanwhile, so all of them have to be there.
            self._wait(size, seconds)
            self._wait_for_copies(seconds)
        if action != "none":
            self._start(cookie, seconds)
        if action == "join":
            self._join(join)
        self._wait(1 if first else size, seconds)
        grown = [] if first else self._grow(hosts)
        return {"changed": action != "none" or bool(grown), "action": action, "grown": len(grown)}

    def _start(self, cookie: str, seconds: float) -> None:
        """Start the node with the configuration on the host, and with the members' secret."""
        if self.unit.runs():
            self.unit.stop()
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", MAPPER)
        if not self.cookie.exists() or self.cookie.read_text().strip() != cookie:
            replace_text(self.cookie, cookie, COOKIE_MODE)
            shutil.chown(self.cookie, ACCOUNT, ACCOUNT)
        self.unit.start(seconds)

    def _join(self, other: str) -> None:
        members = self.node.status()[0]
        accounts = self.node.accounts()
        if len(members) != 1 or accounts:
            raise BusError(
                f"the node has become a broker with {len(members)} members and the accounts"
                f" {', '.join(accounts) or 'none'} meanwhile, so it did not join {other}; run again"
            )
        self.node.ask("rabbitmqctl", "stop_app")
        self.node.ask("rabbitmqctl", "reset")
        try:
            self.node.ask("rabbitmqctl", "join_cluster", other)
        finally:
            self.node.ask("rabbitmqctl", "start_app")

    def _wait(self, size: int, seconds: float) -> None:
        """Wait until ``size`` members or more run, this one among them, and none is parted. Raises BusError."""
        deadline = time.monotonic() + seconds
        while True:
            members, running, parted = self.node.status()
            if self.node.name in running and len(running) >= size and not parted:
                return
            if not self.unit.runs():
                raise BusError(f"the node has ended before {size} members ran. {self.unit.log()}")
            if time.monotonic() > deadline:
                raise BusError(
                    f"after {seconds:.0f} s, {size} members do not run together: found the members"
                    f" {', '.join(members) or '(no answer)'}, of which {', '.join(running) or 'none'} run, and"
                    f" {', '.join(parted) or 'none'} are parted"
                )
            time.sleep(limits.POLL_SECONDS)

    def _wait_for_copies(self, seconds: float) -> None:
        """Wait until every queue has a majority without this node. Raises BusError."""
        deadline = time.monotonic() + seconds
        while self.node.is_critical():
            if time.monotonic() > deadline:
                raise BusError(
                    f"after {seconds:.0f} s, some queues would stand still without {self.node.name}, so it was not"
                    ' stopped; "rabbitmq-queues check_if_node_is_quorum_critical" names them'
                )
            time.sleep(limits.POLL_SECONDS)

    def _grow(self, hosts: int) -> list[Any]:
        """Give queues that were made while this node was away a copy here; return what was given."""
        text = self.node.ask(
            "rabbitmq-queues", "grow", self.node.name, "all" if hosts <= ALL_GROW else "even", json_output=True
        )
        try:
            rows: list[Any] = json.loads(text[text.index("[") :])
        except ValueError:
            return []
        failed = [row for row in rows if row.get("result") != "ok"]
        if failed:
            raise BusError(f"queues get no copy on {self.node.name}: {json.dumps(failed[:3])}")
        return rows

    def _is_late(self, files: Iterable[Path], cookie: str) -> bool:
        """Return whether a file was written after the server's start, or the secret is another one."""
        started = self.unit.started()
        return (
            any(path.exists() and path.stat().st_mtime > started for path in files)
            or not self.cookie.exists()
            or self.cookie.read_text().strip() != cookie
        )


def status_of(values: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the members, those that run, and those that are parted, from what ``cluster_status`` says of a node."""
    running = set(values.get("running_nodes", []))
    # With TLS, the protocol is amqp/ssl.
    if not any(str(one.get("protocol")).startswith("amqp") for one in values.get("listeners", {}).get(name, [])):
        running.discard(name)
    parted = values.get("partitions") or {}
    return tuple(sorted(values.get("disk_nodes", []))), tuple(sorted(running)), tuple(sorted(parted))


def as_dict(state: State) -> dict[str, Any]:
    """Return a state as a module hands it over."""
    return asdict(state)


def state_from(values: Mapping[str, Any]) -> State:
    """Return the state that ``as_dict`` gave."""
    lists = ("saved", "last", "members", "running", "parted", "accounts")
    former = tuple(Former(one["name"], tuple(one["members"]), int(one["messages"])) for one in values["former"])
    return State(**{**values, **{key: tuple(values[key]) for key in lists}, "former": former})
