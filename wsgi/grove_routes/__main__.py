"""Starts the command: ``python RELEASE/runtime/grove_routes``."""

import os
import sys

# Python puts this folder into the path, where its modules could hide others. The application's path has neither folder.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from grove_runtime import trial  # noqa: E402

from grove_routes import command  # noqa: E402

del sys.path[0]

if __name__ == "__main__":
    exit_code = command.main(sys.argv[1:], trial.load)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the application started would keep the process alive.
    os._exit(exit_code)
