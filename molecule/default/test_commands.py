"""The commands of README.md and docs/ that are typed on a host, as they stand there."""

from __future__ import annotations

import re

import page_commands
import pytest
from served import Host


@pytest.mark.parametrize("run", page_commands.ON_A_HOST, ids=lambda run: run.command.split()[0])
def test_a_command_of_the_pages(host: Host, run: page_commands.Run) -> None:
    if run.words().startswith("curl"):
        # Debian's base system does not have it.
        host.run("sh", "-c", "command -v curl || apt-get install --yes --quiet curl", DEBIAN_FRONTEND="noninteractive")
    done = host.try_run("sh", "-c", run.words())
    shown = done.stdout + done.stderr
    assert done.returncode == run.status, shown
    assert re.search(run.shows, shown), shown
