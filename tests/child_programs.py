"""Programs that tests start."""

from __future__ import annotations

import time

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes


def wait_for(pid: int, command_line: str) -> None:
    """Return when the process ``pid`` has become the program with this command line; fail after a minute.

    ``Popen`` returns while the kernel still loads the program. Until then the process has no command line, its name may
    be its parent's, and its program's file is not in its memory.
    """
    deadline = time.monotonic() + 60
    while processes.command_line(pid) != command_line:
        assert time.monotonic() < deadline, f"{command_line}: {processes.command_line(pid)}"
        time.sleep(0.01)
