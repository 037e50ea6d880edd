"""Run a program again and again, each time in a process of its own, which keeps no memory between two runs.

Usage: repeat.py SECONDS PROGRAM [ARGUMENT...]

SECONDS is the pause before each run. A run that fails is named, and does not end the others.
"""

from __future__ import annotations

import subprocess
import sys
import time


def main(words: list[str]) -> None:
    """Run the program until this process is stopped. Raises SystemExit for words that are no pause and program."""
    try:
        pause = float(words[0])
        program = words[1:]
    except (IndexError, ValueError):
        sys.exit(__doc__)
    if not program or not 0 <= pause < float("inf"):
        sys.exit(__doc__)
    while True:
        time.sleep(pause)
        try:
            status = subprocess.run(program, check=False).returncode
        except OSError as error:
            sys.exit(f"repeat.py: {program[0]} cannot be run: {error.strerror}")
        if status:
            print(f"repeat.py: {program[0]} ended with status {status}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
