"""The size of Apache's event MPM: the one place for its arithmetic, for the configuration and the check of records."""

from __future__ import annotations

from dataclasses import dataclass

# Two, so that a machine with one core can replace one process while the other serves.
LEAST_PROCESSES = 2
# ServerLimit over StartServers: processes of the previous configuration stay until their last request has ended, and
# count towards ServerLimit meanwhile.
GENERATIONS = 4


def per_core(number: int, cores: int) -> int:
    """Return ``number``; for 0, one for each core and at least two."""
    return number or max(LEAST_PROCESSES, cores)


@dataclass(frozen=True)
class Mpm:
    """Processes and threads of the event MPM. The number of processes is fixed."""

    servers: int
    threads: int

    @classmethod
    def sized(cls, servers: int, threads: int, cores: int) -> Mpm:
        """Return the MPM for the variables of the role ``httpd``, where 0 servers means one for each core."""
        return cls(per_core(servers, cores), threads)

    @property
    def server_limit(self) -> int:
        """How many processes there may be while old ones end (ServerLimit)."""
        return self.servers * GENERATIONS

    @property
    def workers(self) -> int:
        """How many requests are served at once (MaxRequestWorkers)."""
        return self.servers * self.threads
