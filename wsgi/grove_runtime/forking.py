"""Run an agent, a Python program, so that its worker processes take little memory, and let it wait for its database.

Usage: forking.py [--alone] [--share MODULE,...] PROGRAM [ARGUMENT...]

PROGRAM is the name of a script in PATH, or its path. Services on cotyledon and oslo.service load their code in one
process and fork workers from it. The kernel copies a page when a process writes to it, and Python's garbage collector
writes to every object that it looks at, so that after a while each process has a copy of everything. Objects that are
frozen before the fork are left alone.

MODULEs are those that each worker would import for itself. The program imports them before it forks its first worker.
A module that is not there is left out: which drivers are installed may depend on what a service is to use.

With --alone, a program on cotyledon that has one worker forks none: its first process does the work. systemd starts the
program again when this process ends, as the first process otherwise does with its worker.

A connection to a database that is away waits until it is back (retrying.py).
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import inspect
import multiprocessing
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_fork = os.fork
_frozen = False


def share(modules: Sequence[str]) -> None:
    """Import modules, and keep the garbage collector away from all objects that exist now, at the first call alone.

    What was frozen is never collected. A program that forks often would otherwise lose memory with each fork.
    """
    global _frozen
    if _frozen:
        return
    _frozen = True
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def sharing_fork(modules: Sequence[str]) -> Callable[[], int]:
    """Return an ``os.fork`` for forks of workers.

    A hook of ``os.register_at_fork`` would also run where the program starts another one, which may be long before it
    has imported everything.
    """

    @functools.wraps(_fork)
    def fork() -> int:
        share(modules)
        return _fork()

    return fork


WORKER_TAKES = ("started_event", "config", "service_id", "worker_id", "parent_pipe", "started_hooks")
"""The first parameters of the function of cotyledon by which a worker works, in the versions that are known here."""


def work_alone(manager: Any, worker: Any) -> None:
    """Let the class ``cotyledon.ServiceManager`` run a single worker in the process that would fork it.

    ``worker`` is cotyledon's class of workers. If it is not as it is known here, workers are forked as ever.
    """
    run_workers = manager.run
    if tuple(inspect.signature(worker.create_and_wait).parameters)[: len(WORKER_TAKES)] != WORKER_TAKES:
        print("forking.py: this cotyledon is not known; it forks its worker", file=sys.stderr, flush=True)
        return

    @functools.wraps(run_workers)
    def run(self: Any) -> None:
        configs = list(self._services.values())
        if [config.workers for config in configs] != [1]:
            run_workers(self)
            return
        self._systemd_notify_once()
        # A worker closes the end that its parent keeps open, and ends when no process has it any more.
        read, write = multiprocessing.Pipe(duplex=False)
        os.dup(write.fileno())
        started, hooks, timeout = multiprocessing.Event(), self._hooks["new_worker"], self._graceful_shutdown_timeout
        worker.create_and_wait(started, configs[0], configs[0].service_id, 0, (read, write), hooks, timeout)

    manager.run = run


def wait_for_databases() -> None:
    """Let connections to databases wait. Raises ImportError without wrapt, which oslo.config brings along."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    importlib.import_module("grove_runtime.retrying").wait_for_databases()


def main(arguments: list[str]) -> None:
    """Run the program in this process. Raises SystemExit without arguments and for a program that is not there."""
    modules: list[str] = []
    if arguments[:1] == ["--alone"]:
        arguments = arguments[1:]
        cotyledon = importlib.import_module("cotyledon")
        work_alone(cotyledon.ServiceManager, importlib.import_module("cotyledon._service_worker").ServiceWorker)
    if arguments[:1] == ["--share"]:
        modules, arguments = arguments[1].split(",") if arguments[1:] else [], arguments[2:]
    if not arguments:
        sys.exit(__doc__)
    program = shutil.which(arguments[0])
    if program is None:
        sys.exit(f"forking.py: {arguments[0]} is no program in PATH")
    wait_for_databases()
    os.fork = sharing_fork(modules)
    sys.argv[:] = [program, *arguments[1:]]
    # Python has put the folder of this file there, whose modules a service may not import by accident.
    sys.path[0] = os.path.dirname(os.path.realpath(program))
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
