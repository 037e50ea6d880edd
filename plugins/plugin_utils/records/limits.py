"""The limits of a record's values, each with its reason. Numbers are inclusive."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """The least and the greatest number that a key may have."""

    least: int
    greatest: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and self.least <= number <= self.greatest

    def __str__(self) -> str:
        return f"from {self.least} to {self.greatest}"


RANGES = {
    # One process has to answer; beyond 512 a number is a typing error, and the MPM cannot feed so many.
    "processes": Range(1, 512),
    "threads": Range(1, 512),
    # Seconds. A start or a drain of an hour is a broken application, and the deployment's lease is no longer.
    "start_timeout": Range(1, 3600),
    "drain_timeout": Range(0, 3600),
    # Bytes: LimitRequestBody takes 0 for no limit; 1 TiB is beyond what a WSGI application can read.
    "max_body": Range(0, 1 << 40),
    # Bytes, in a temporary file; 0 is off. More than 1 GiB for one request would let a few clients fill a disk.
    "buffer_body": Range(0, 1 << 30),
    "buffer_answer": Range(0, 1 << 30),
    # Megabytes: with less than 64 Python itself cannot import an application; 1 TiB is more than a host has.
    "memory_limit": Range(64, 1 << 20),
    # Seconds, a day at most; 0 is no limit.
    "request_timeout": Range(0, 86_400),
}
# Seconds: systemd kills an agent that does not end, and a deployment waits for an agent to settle.
AGENT_RANGES = {"stop_timeout": Range(1, 3600), "settle": Range(1, 120)}
# Seconds that an agent may take to end: as long as the drain of a slot.
AGENT_STOP_TIMEOUT = 60
# Seconds that an agent has to stay up: most programs that cannot work end within two.
AGENT_SETTLE = 4
# TCP ports.
PORTS = Range(1, 65_535)
# Characters of an application's name: an account's name has 32, and cron and process titles add to it.
NAME_LENGTH = 30
# Characters of a timer's or an agent's name: together with an application's name it makes the name of a unit.
UNIT_NAME_LENGTH = 31
# Characters of a value that a message shows.
SHOWN_LENGTH = 80
# Threads of a process, for records without the key: 3 are the best for Pecan by measurement, 5 the advice of mod_wsgi.
THREADS = {"pecan": 3, "paste": 5, "module": 5}
