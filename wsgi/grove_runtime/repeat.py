"""Run a program again and again, each time in a process of its own, which keeps no memory between two runs.

Usage: repeat.py PAUSE LIMIT PROGRAM [ARGUMENT...]

PAUSE is the time before each run, and LIMIT the longest time of a run, in seconds. A run that fails, or that is killed
at its limit, is named, and does not end the others.
"""

from __future__ import annotations

import subprocess
import sys
import time


def main(words: list[str]) -> None:
    """Run the program until this process is stopped. Raises SystemExit for words that are no times and program."""
    try:
        pause, limit = float(words[0]), float(words[1])
        program = words[2:]
    except (IndexError, ValueError):
        sys.exit(__doc__)
    if not program or not 0 <= pause < float("inf") or not 0 < limit < float("inf"):
        sys.exit(__doc__)
    while True:
        time.sleep(pause)
        try:
            status = subprocess.run(program, check=False, timeout=limit).returncode
        except subprocess.TimeoutExpired:
            print(f"repeat.py: {program[0]} was killed after {limit:g} seconds", file=sys.stderr, flush=True)
            continue
        except OSError as error:
            sys.exit(f"repeat.py: {program[0]} cannot be run: {error.strerror}")
        if status:
            print(f"repeat.py: {program[0]} ended with status {status}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
