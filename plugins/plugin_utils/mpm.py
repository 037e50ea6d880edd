"""The size of Apache's event MPM: the one place for its arithmetic, for the configuration and the check of records.

A worker is a thread that reads a request, waits for the application and writes the answer. A client that sends its
request slowly holds one. A kept-alive connection without a request holds none, but the event MPM closes such
connections as soon as all workers of a process are busy, and their clients see that as an error. So there have to be
more workers than clients with a request under way, slow ones included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Two, so that a machine with one core can replace one process while the other serves.
LEAST_PROCESSES = 2
# A busy process closes its kept connections although another one is idle, so few large processes are better. The
# thread that accepts connections is one for each process: four feed more cores than applications leave it.
MOST_PROCESSES = 4
# ServerLimit over StartServers: processes of the previous configuration stay until their last request has ended, and
# count towards ServerLimit meanwhile.
GENERATIONS = 4
# 2 000 kept-alive clients that all have a request under way, and 500 slow ones.
MOST_WORKERS = 2560
# What hosts had before workers were sized from memory, and what every host can bear.
LEAST_WORKERS = 128
# Kilobytes of memory of a busy worker with its connection: 90 measured, and a third more.
WORKER_KILOBYTES = 120
# The share of the host's memory that all workers may take together when all of them are busy.
MEMORY_SHARE = 8
# The share of the tasks that the host may have: a reload has two generations of workers, and applications have threads.
TASKS_SHARE = 3
# The share of the workers that no single client address can take.
OTHERS_SHARE = 10
# A new kernel reports a little more or less memory; without steps it would change the configuration.
WORKER_STEP = 128
# Connections of all processes while their workers are idle; the event MPM accepts no further ones beyond that.
CONNECTIONS = 3 * MOST_WORKERS
LEAST_FACTOR, MOST_FACTOR = 1, 16
# Descriptors of a worker beside its connection: the socket to the application, and the files of body and answer.
WORKER_DESCRIPTORS = 3
# Descriptors of a process for logs, listening sockets and modules.
PROCESS_DESCRIPTORS = 256
# Open files of a process: what apache2ctl of Debian sets, unless somebody changes it.
DESCRIPTORS = 8192
# With more threads a process could not hold a connection for each of them in its open files.
MOST_THREADS = (DESCRIPTORS - PROCESS_DESCRIPTORS) // (1 + LEAST_FACTOR + WORKER_DESCRIPTORS)
# Processes of a host with many cores and few threads in each; Apache keeps a table with a row for each thread.
MOST_SERVERS = 512
# Tasks (threads and processes) for applications, log programs and the modules' own threads.
OTHER_TASKS = 8192


def per_core(number: int, cores: int) -> int:
    """Return ``number``; for 0, one for each core and at least two."""
    return number or max(LEAST_PROCESSES, cores)


class MpmError(ValueError):
    """A variable of the role ``httpd`` has a number that Apache cannot have."""

    def __init__(self, name: str, number: int, most: int) -> None:
        super().__init__(f"{name} is {number}; it has to be from 0 to {most}")
        self.name, self.number, self.most = name, number, most


@dataclass(frozen=True)
class Machine:
    """A host as far as it limits Apache: cores, megabytes of memory, and tasks; 0 megabytes or tasks are unknown."""

    cores: int
    memory: int = 0
    tasks: int = 0

    @classmethod
    def of(cls, host: Mapping[str, Any]) -> Machine:
        """Return the machine of what the module ``host_info`` has read."""
        return cls(int(host["cores"]), int(host.get("memory") or 0), int(host.get("tasks") or 0))

    @property
    def workers(self) -> int:
        """How many workers the machine can bear."""
        by_memory = self.memory * 1024 // MEMORY_SHARE // WORKER_KILOBYTES if self.memory else MOST_WORKERS
        by_tasks = self.tasks // TASKS_SHARE if self.tasks else MOST_WORKERS
        number = min(MOST_WORKERS, by_memory, by_tasks)
        return max(LEAST_WORKERS, number - number % WORKER_STEP)


@dataclass(frozen=True)
class Mpm:
    """Processes and threads of the event MPM. The number of processes is fixed."""

    servers: int
    threads: int

    @classmethod
    def sized(cls, servers: int, threads: int, machine: Machine) -> Mpm:
        """Return the MPM for the variables of the role ``httpd`` on a machine.

        0 threads: as many as the machine can bear. 0 servers: one for each core, at least two; at most four if the
        number of threads is 0, too. Raises MpmError for a number that Apache cannot have.
        """
        for name, number, most in (
            ("httpd_threads_per_child", threads, MOST_THREADS),
            ("httpd_server_limit", servers, MOST_SERVERS),
        ):
            if number not in range(most + 1):
                raise MpmError(name, number, most)
        if threads:
            return cls(per_core(servers, machine.cores), threads)
        processes = servers or min(MOST_PROCESSES, per_core(0, machine.cores))
        return cls(processes, max(1, min(MOST_THREADS, machine.workers // processes)))

    @property
    def server_limit(self) -> int:
        """How many processes there may be while old ones end (ServerLimit)."""
        return self.servers * GENERATIONS

    @property
    def workers(self) -> int:
        """How many requests are served at once (MaxRequestWorkers)."""
        return self.servers * self.threads

    @property
    def factor(self) -> int:
        """How many connections each idle worker stands for (AsyncRequestWorkerFactor)."""
        wanted = -(-CONNECTIONS // self.workers) - 1
        by_descriptors = (DESCRIPTORS - PROCESS_DESCRIPTORS) // self.threads - WORKER_DESCRIPTORS - 1
        return max(LEAST_FACTOR, min(MOST_FACTOR, wanted, by_descriptors))

    @property
    def connections(self) -> int:
        """How many connections all processes hold while their workers are idle."""
        return self.workers * (1 + self.factor)

    @property
    def address_connections(self) -> int:
        """How many connections one client address may have: a tenth of the workers is left for others."""
        return self.workers - self.workers // OTHERS_SHARE

    @property
    def descriptors(self) -> int:
        """How many files a process has open at worst."""
        return self.threads * (1 + self.factor + WORKER_DESCRIPTORS) + PROCESS_DESCRIPTORS

    @property
    def tasks(self) -> int:
        """How many tasks Apache and its applications may have (TasksMax): workers of all generations, and others."""
        return self.server_limit * (self.threads + 2) + OTHER_TASKS
