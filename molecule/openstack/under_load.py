"""The control plane while it is asked without a pause."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloud import Cloud
from served import Host

LOAD = Path(__file__).with_name("asking.py")
URLS = [
    *("http://127.0.0.1:5000/v3/projects", "http://127.0.0.1:8778/resource_providers"),
    *("http://127.0.0.1:8774/v2.1/flavors", "http://127.0.0.1:9696/v2.0/networks"),
    *("http://127.0.0.1:9292/v2/images", "http://127.0.0.1:8777/v2/meters"),
]


def watcher(admin: Cloud) -> Cloud:
    """Return a user who may see all; the administrator's own account goes with a rotation, and its tokens with it."""
    if "watcher" not in {user["Name"] for user in admin.show("openstack user list")}:
        admin.run("openstack user create --project admin --password from-the-tower watcher")
        admin.run("openstack role add --project admin --user watcher admin")
    return Cloud(admin.host, {"OS_USERNAME": "watcher", "OS_PASSWORD": "from-the-tower"})


@contextlib.contextmanager
def asked(admin: Cloud) -> Iterator[dict[str, Any]]:
    """Ask all APIs while the block runs; the dictionary is filled when it has ended."""
    token = watcher(admin).show("openstack token issue")["id"]
    stop = "/run/load-stops"
    admin.host.run("rm", "-f", stop)
    podman = ["podman", "exec", "--interactive", admin.host.container, "python3", "-", token, stop, *URLS]
    seen: dict[str, Any] = {}
    with LOAD.open() as program, subprocess.Popen(podman, stdin=program, stdout=subprocess.PIPE, text=True) as load:
        try:
            yield seen
        finally:
            admin.host.run("touch", stop)
            said, _ = load.communicate(timeout=120)
    seen.update(json.loads(said))


def all_live(host: Host) -> dict[str, str]:
    """Return the live release of each application."""
    names = host.run("ls", "/srv/wsgi").split()
    return {name: host.live(name)[1] for name in names}
