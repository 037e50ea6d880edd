"""Start a database and run figures.py on it: run.py sqlite|postgresql|mariadb|mongodb [options of figures.py].

The servers are Debian's, with their default settings, except for a socket in a temporary folder. That for MongoDB is
the server of the tests, which is written in Python. See README.md.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "wsgi" / "telemetry"))


def main() -> int:
    """Start the database, run figures.py on it, and stop it. Return the exit status."""
    from tests import servers

    name, *options = sys.argv[1:]
    figures = [sys.executable, str(HERE / "figures.py")]
    if name == "sqlite":
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="telemetry-bench-") as folder:
            return subprocess.call([*figures, f"sqlite:///{folder}/telemetry.sqlite", *options])
    start: dict[str, Callable[[], AbstractContextManager[tuple[str, Any]]]] = {
        "postgresql": servers.postgresql,
        "mariadb": servers.mariadb,
        "mongodb": servers.mongodb,
    }
    with start[name]() as (url, _):
        return subprocess.call([*figures, url, *options])


if __name__ == "__main__":
    sys.exit(main())
