"""Run a Python program so that the processes it forks go on sharing its memory.

Usage: forking.py PROGRAM [ARGUMENT...]

PROGRAM is the name of a script in PATH, or its path. Services on cotyledon and oslo.service load their code in one
process and fork workers from it. The kernel copies a page when a process writes to it, and Python's garbage collector
writes to every object that it looks at, so that after a while each process has a copy of everything. Objects that are
frozen before the fork are left alone.
"""

from __future__ import annotations

import gc
import os
import runpy
import shutil
import sys

_frozen = False


def freeze_once() -> None:
    """Keep the garbage collector away from all objects that exist now, at the first call alone.

    What was frozen is never collected. A program that forks often would otherwise lose memory with each fork.
    """
    global _frozen
    if not _frozen:
        _frozen = True
        gc.freeze()


def main(arguments: list[str]) -> None:
    """Run the program in this process. Raises SystemExit without arguments and for a program that is not there."""
    if not arguments:
        sys.exit(__doc__)
    program = shutil.which(arguments[0])
    if program is None:
        sys.exit(f"forking.py: {arguments[0]} is no program in PATH")
    os.register_at_fork(before=freeze_once)
    sys.argv[:] = [program, *arguments[1:]]
    # Python has put the folder of this file there, whose modules a service may not import by accident.
    sys.path[0] = os.path.dirname(os.path.realpath(program))
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
