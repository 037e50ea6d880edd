"""A real Apache with every spelling of Listen: a run sees that it serves, and moves a port to another address."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import control, last_good, limits
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

pytestmark = pytest.mark.debian_packages("apache2")

REPOSITORY = Path(__file__).resolve().parents[2]
PORT = 18331
CONFIGURATION = """
ServerRoot {root}
PidFile {root}/pid
ServerName localhost
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
ErrorLog {root}/error.log
Include {root}/ports.conf
"""
SPELLINGS = {
    f"{PORT}": "127.0.0.1",
    f"*:{PORT}": "127.0.0.1",
    f"0.0.0.0:{PORT}": "127.0.0.1",
    f"127.0.0.1:{PORT}": "127.0.0.1",
    f"localhost:{PORT}": "localhost",
    f"[::]:{PORT}": "::1",
    f"[::1]:{PORT}": "::1",
    f"[0:0:0:0:0:0:0:1]:{PORT} http": "::1",
}
"""Arguments of Listen, and where each is reached."""


@dataclasses.dataclass(frozen=True)
class Apache:
    """An Apache with a configuration of its own, controlled as on a host without systemd."""

    layout: Layout

    def listen(self, *lines: str) -> None:
        """Write the Listen lines."""
        path = Path(self.layout.root, self.layout.listen_path)
        path.write_text("".join(f"Listen {line}\n" for line in lines))


@pytest.fixture
def apache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apache]:
    """An Apache that does not run yet."""
    root = Path(tempfile.mkdtemp(prefix="grove-listen-", dir="/tmp"))
    root.chmod(0o755)
    (root / "apache2.conf").write_text(CONFIGURATION.format(root=root))
    script = f'#!/bin/sh\nexec /usr/sbin/apache2 -f {root}/apache2.conf -k "$1"\n'
    (root / "control").write_text(script)
    (root / "control").chmod(0o755)
    values = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]["Debian"]
    places = {"root": str(root), "control": str(root / "control"), "pid_file": str(root / "pid"), "log_dir": str(root)}
    monkeypatch.setattr(control, "has_systemd", lambda: False)
    # The check of the configuration would read that of this machine.
    monkeypatch.setattr(control, "check", lambda _: None)
    monkeypatch.setattr(last_good, "KEPT", root / "kept" / "tree")
    monkeypatch.setattr(last_good, "KEPT_UNIT", root / "kept" / "unit")
    server = Apache(Layout.of({**values["layout"], **places, "envvars": ""}))
    yield server
    if pid := control.parent_pid(server.layout):
        subprocess.run([root / "control", "stop"], check=True)
        while Path(f"/proc/{pid}").exists() and control.parent_pid(server.layout):
            time.sleep(0.05)
    shutil.rmtree(root)


def has_ipv6() -> bool:
    return os.path.exists("/proc/net/if_inet6") and bool(Path("/proc/net/if_inet6").read_text())


def reached(address: str) -> bool:
    try:
        socket.create_connection((address, PORT), timeout=30).close()
    except OSError:
        return False
    return True


def seconds(layout: Layout, action: str) -> float:
    begun = time.monotonic()
    getattr(control, action)(layout)
    taken = time.monotonic() - begun
    kept = last_good.KEPT / layout.listen_path
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(layout.root, layout.listen_path), kept)
    return taken


@pytest.mark.parametrize("line", SPELLINGS)
def test_a_run_sees_that_apache_serves(apache: Apache, line: str) -> None:
    if "[" in line and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    apache.listen(line)
    assert seconds(apache.layout, "start") < limits.SERVING_SECONDS
    assert reached(SPELLINGS[line])
    assert seconds(apache.layout, "reload") < limits.SERVING_SECONDS
    assert reached(SPELLINGS[line])


def test_a_port_moves_from_one_spelling_to_the_next(apache: Apache) -> None:
    """Apache binds before it closes, so the kernel would refuse each of these reloads without the step between."""
    apache.listen("127.0.0.1:18332", f"{PORT}")
    seconds(apache.layout, "start")
    pid = control.parent_pid(apache.layout)
    for line, address in [*SPELLINGS.items(), (str(PORT), "127.0.0.1")]:
        if "[" in line and not has_ipv6():
            continue
        apache.listen("127.0.0.1:18332", line)
        assert seconds(apache.layout, "reload") < limits.SERVING_SECONDS
        assert reached(address), line
        assert control.parent_pid(apache.layout) == pid
