"""Requests to the control plane without a pause."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machine
from cloud import Cloud
from served import Host

LOAD = Path(__file__).parents[1] / "shared" / "request_loop.py"
URLS = [
    *("http://127.0.0.1:5000/v3/projects", "http://127.0.0.1:8778/resource_providers"),
    *("http://127.0.0.1:8774/v2.1/flavors", "http://127.0.0.1:9696/v2.0/networks"),
    *("http://127.0.0.1:9292/v2/images", "http://127.0.0.1:8777/v2/meters"),
]


def watcher(admin: Cloud) -> Cloud:
    """Return a second administrator: a rotation removes the first one, and its tokens become invalid."""
    if "watcher" not in {user["Name"] for user in admin.show("openstack user list")}:
        admin.run("openstack user create --project admin --password from-the-tower watcher")
        admin.run("openstack role add --project admin --user watcher admin")
    return Cloud(admin.host, {"OS_USERNAME": "watcher", "OS_PASSWORD": "from-the-tower"})


@contextlib.contextmanager
def constant_requests(admin: Cloud) -> Iterator[dict[str, Any]]:
    """Send requests to all APIs while the block runs. The dictionary has the counts when the block has ended."""
    token = watcher(admin).show("openstack token issue")["id"]
    stop = "/run/load-stops"
    admin.host.run("rm", "-f", stop)
    command = [*machine.enter(admin.host.container), "python3", "-", token, stop, *URLS]
    counts: dict[str, Any] = {}
    with LOAD.open() as program, subprocess.Popen(command, stdin=program, stdout=subprocess.PIPE, text=True) as load:
        try:
            yield counts
        finally:
            admin.host.run("touch", stop)
            output, _ = load.communicate(timeout=120)
    counts.update(json.loads(output))


def all_live(host: Host) -> dict[str, str]:
    """Return the live release of each application."""
    names = host.run("ls", "/srv/wsgi").split()
    return {name: host.live(name)[1] for name in names}
