"""The roles' variables that all records of a host depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..mpm import Machine, Mpm
from .limits import PORT_DIGITS, PORTS

TEXT_LISTS = ("folders", "handover_doors", "httpd_listen", "only", "trusted_proxies")
NUMBERS = ("servers", "workers_per_server", "processes")


@dataclass(frozen=True)
class Settings:
    """Variables of the roles ``wsgi_app``, ``mod_wsgi`` and ``httpd``.

    base, state_base, log_base: folders on the host that hold the applications' folders.
    listen_address: the address of records whose ``listen`` is a bare port.
    door: address and port of the doors.
    python: the Python of records without the key.
    mod_wsgi: the version that is, or is going to be, installed; ``mod_wsgi_python`` is its interpreter.
    folders: where a relative path is looked up on the controller.
    workers_per_server, servers: threads and processes of the MPM; 0 means a number that the host can bear.
    processes: the daemon processes of records without the key; 0 means the same.
    tls_dir, tls_ca_dir: where certificates of the private authority are on the host, and on the controller.
    balanced: whether load balancers of the inventory stand in front of the host, with certificates of their own.
    several: whether other hosts of the inventory may have the same records: there are several API hosts, or load
        balancers, which may get another one.
    httpd_listen: further addresses that Apache listens on; ``httpd_program`` is the name of its program.
    trusted_proxies: the proxies in front of the host whose headers Apache believes.
    handover_doors: two further addresses of doors, one for each of two Apaches; none where a change is a reload.
    sandbox: the directives of Apache's unit that the operator has changed.
    only: names of the records that are deployed; empty for all.
    host_name: the host's name in the inventory.
    require_hashes: whether every record needs a lock, a commit and hashes for what is fetched.
    inventories: the folders on the controller that Ansible reads as inventories.
    locking: the name of the record whose lock is made by this run, so that it may be missing or old.
    """

    base: str
    state_base: str
    log_base: str
    listen_address: str
    door: str
    python: str
    mod_wsgi: str
    mod_wsgi_python: str
    folders: tuple[str, ...]
    workers_per_server: int
    servers: int = 0
    processes: int = 0
    tls_dir: str = "/etc/apache2/grove-tls"
    httpd_listen: tuple[str, ...] = ()
    httpd_program: str = "apache2"
    tls_ca_dir: str = ""
    balanced: bool = False
    several: bool = False
    trusted_proxies: tuple[str, ...] = ()
    handover_doors: tuple[str, ...] = ()
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    host_name: str = "localhost"
    require_hashes: bool = False
    inventories: tuple[str, ...] = ()
    locking: str = ""

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Settings:
        """Return the settings of an action's argument, in which numbers may be texts."""
        texts = {key: tuple(str(value) for value in variables.get(key) or ()) for key in TEXT_LISTS}
        numbers = {key: int(variables[key]) for key in NUMBERS if key in variables}
        return cls(**{**variables, **texts, **numbers})

    @property
    def every_door(self) -> list[tuple[str, str, str, int]]:
        """The addresses of all doors: the variable, the address as it was written and without brackets, and the port.

        The port is 0 where it cannot be used.
        """
        doors = [("wsgi_app_door", self.door), *(("httpd_handover_doors", door) for door in self.handover_doors)]
        parts = [(name, door.rpartition(":")) for name, door in doors]
        return [(name, host, host.strip("[]"), _port(port)) for name, (host, _, port) in parts]

    @property
    def door_address(self) -> str:
        """The address of the doors, without brackets."""
        return self.door.rpartition(":")[0].strip("[]")

    @property
    def door_host(self) -> str:
        """The address of the doors, as it was written."""
        return self.door.rpartition(":")[0]

    @property
    def door_port(self) -> int:
        """The port of the doors; 0 where the variable has none that can be used."""
        return _port(self.door.rpartition(":")[2])

    def mpm(self, machine: Machine) -> Mpm:
        """Return the MPM of a host; raises MpmError as ``Mpm.sized`` does."""
        return Mpm.sized(self.servers, self.workers_per_server, machine)


def _port(text: str) -> int:
    """Return the port that a text is; 0 if it is none."""
    if not text.isascii() or not text.isdigit() or len(text) > PORT_DIGITS:
        return 0
    return int(text) if int(text) in PORTS else 0
