"""One record: what was written and what follows from it, as one immutable object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .copies import Copy
from .factory import Call
from .keys import Entry, Keys
from .limits import AGENT_SETTLE, AGENT_STOP_TIMEOUT

COLOURS = ("blue", "green")


@dataclass(frozen=True)
class Source:
    """Where the application comes from: the text of the record and, for a folder or a wheel, its path.

    kind: ``folder``, ``wheel``, ``requirement`` or ``vcs``. path: on the controller; None where there is none.
    """

    kind: str
    text: str
    path: str | None = None


@dataclass(frozen=True)
class Agent:
    """A program beside the application, with its defaults. Times are in seconds.

    instances: on which API hosts it runs, ``each`` or ``one`` of several. database: where the URL of the database is by
    which the hosts agree on one.
    """

    command: str
    restart: str = "after"
    stop_timeout: int = AGENT_STOP_TIMEOUT
    notify: bool = False
    settle: int = AGENT_SETTLE
    instances: str = "each"
    database: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Timer:
    """A command that is repeated."""

    command: str
    schedule: str


@dataclass(frozen=True)
class Health:
    """What is asked to learn whether the application is well, and the statuses of an answer that says so.

    path: below the application's path. headers: of the request. host: its header Host; None for that of the record.
    """

    path: str
    statuses: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str | None = None


@dataclass(frozen=True)
class PasteFile:
    """A PasteDeploy file of the installed package, and what is laid over it."""

    origin: str
    oslo_config_file: str | None
    overlay: Mapping[str, object]


@dataclass(frozen=True)
class Record:
    """A record. ``keys`` holds what was written, with the defaults of the specs; the other fields follow from it.

    A field with the name of a key is that key's completed value. ``config`` has the path of each file's template, and
    None for a file that is made of sections or copied; ``copies`` has those that are copied. ``staples`` says that the
    certificate names an OCSP responder. ``abi`` is that of ``python`` on the host, empty where it is not known.
    ``health_check`` always has a host. ``private`` says that Apache's certificate is one of the private authority.
    ``balanced_name`` is the name by which load balancers know this host, and no other, in that certificate; empty where
    no load balancer speaks TLS with it. ``several`` says that other hosts of the inventory may have the same record.
    """

    keys: Keys
    kind: str
    entry: Entry
    call: Call | None
    source: Source
    lock: str | None
    extras: tuple[str, ...]
    config: Mapping[str, str | None]
    copies: Mapping[str, Copy]
    paste: Mapping[str, PasteFile]
    environment: Mapping[str, str]
    python: str
    abi: str
    home: str
    account: str
    folder: str
    state: str
    logs: str
    groups: Mapping[str, str]
    door: str
    doors: Mapping[str, str]
    address: str
    port: int
    path: str
    health_path: str
    health_check: Health
    url: str
    site: str
    tls_certificate: str | None
    tls_key: str | None
    private: bool
    balanced_name: str
    staples: bool
    answer_headers: tuple[Mapping[str, object], ...]
    processes: int
    threads: int
    daemon_options: Mapping[str, str]
    agents: Mapping[str, Agent]
    timers: Mapping[str, Timer]
    several: bool

    @property
    def name(self) -> str:
        """The application's name."""
        return self.keys.install.name

    @property
    def server_name(self) -> str | None:
        """The host name of the VirtualHost."""
        return self.keys.reach.server_name

    @property
    def host_names(self) -> tuple[str, ...]:
        """The server name (empty where there is none) and the aliases, in lower case."""
        aliases = (alias.lower() for alias in self.keys.reach.server_aliases)
        return tuple(sorted({(self.server_name or "").lower(), *aliases}))

    @property
    def tls(self) -> str:
        """The key ``tls``."""
        return self.keys.reach.tls

    @property
    def waf(self) -> str:
        """The key ``waf``."""
        return self.keys.reach.waf

    @property
    def listen_line(self) -> str:
        """The argument of Apache's Listen."""
        return str(self.port) if self.address == "*" else f"{self.address}:{self.port}"
