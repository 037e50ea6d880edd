"""What the roles' variables say about all records of a host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The variables of the roles ``wsgi_app``, ``mod_wsgi`` and ``httpd`` that records are checked against.

    ``processes`` are those of a record that does not say, and 0 means one per core, 2 at least, as it does for
    ``servers``. ``servers`` times ``workers_per_server`` is MaxRequestWorkers of the MPM; ``folders``
    are the ones on the controller that a relative path is looked up in; ``mod_wsgi`` is the version that is, or is
    going to be, installed, and ``mod_wsgi_python`` its interpreter.
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

    @property
    def door_address(self) -> str:
        return self.door.rpartition(":")[0].strip("[]")

    @property
    def door_port(self) -> int:
        """The port of the doors; 0 where the variable names none."""
        port = self.door.rpartition(":")[2]
        return int(port) if port.isascii() and port.isdigit() else 0
