"""HAProxy's configuration: checked by HAProxy, put in place, and read by a process that takes over the sockets.

Beside the configuration there is the plan that it was made from, for ``members.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import limits
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.runtime import READY, Haproxy, RuntimeSocketError

PROGRAM = "/usr/sbin/haproxy"
FOLDER = Path("/etc/haproxy")
CONFIGURATION = FOLDER / "haproxy.cfg"
PLAN = FOLDER / "grove-plan.json"
MODE = 0o640
DIGEST = "@digest@"
"""Stands in the text of a configuration for the hash of the text, which the running HAProxy then says of itself."""
EVERY = "*"


class ConfigurationError(OperatorError):
    """HAProxy does not accept a configuration, or does not run with it."""


def held_ports(places: Collection[tuple[str, int]]) -> list[str]:
    """Return a sentence for each address and port that HAProxy is to listen on and that another program holds."""
    found = {}
    for one in processes.listeners():
        for address, port in places:
            if (
                one.port == port
                and one.program != "haproxy"
                and (EVERY in (address, one.address) or address == one.address)
            ):
                found[one.address, port] = (
                    f"port {port}: {one.program} (process {one.pid}) listens on {one.address}:{port}"
                )
    return list(found.values())


def complete(content: str) -> tuple[str, str]:
    """Return a configuration with its hash in the place of DIGEST, and the hash."""
    digest = hashlib.sha256(content.encode()).hexdigest()[: limits.DIGEST_LENGTH]
    return content.replace(DIGEST, digest), digest


def put(content: str, plan: Mapping[str, Any], *, dry: bool) -> dict[str, Any]:
    """Let HAProxy run with a configuration, and keep the plan beside it; return what changed.

    Servers that were taken out of the traffic stay out. Raises ConfigurationError; then HAProxy runs as before.
    """
    text, digest = complete(content)
    plan_text = json.dumps(plan, indent=1, sort_keys=True) + "\n"
    former, former_plan = _read(CONFIGURATION), _read(PLAN)
    written = (text, plan_text) != (former, former_plan)
    loaded = _runs_with(digest)
    result = {
        "changed": written or not loaded,
        "action": "none" if loaded else "load",
        "diff": {"before": former or "", "after": text, "before_header": str(CONFIGURATION)},
    }
    if dry or not result["changed"]:
        return result
    _check(text)
    replace_text(CONFIGURATION, text, MODE)
    if not loaded:
        try:
            _load(digest)
        except ConfigurationError:
            if former is not None:
                replace_text(CONFIGURATION, former, MODE)
            raise
    # Last, since a plan says what HAProxy does.
    replace_text(PLAN, plan_text, MODE)
    return result


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _check(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=FOLDER, prefix=".grove-", suffix=".cfg") as file:
        file.write(text)
        file.flush()
        done = _run(PROGRAM, "-c", "-q", "-f", file.name)
        if done.returncode:
            raise ConfigurationError(
                f"HAProxy refuses its new configuration, and runs on with the former one: {done.stderr.strip()}"
            )


def _load(digest: str) -> None:
    """Start HAProxy or let it read its configuration, and wait until it serves with it."""
    active = _run("systemctl", "is-active", "--quiet", "haproxy").returncode == 0
    out, failed = [], 0
    if active:
        with contextlib.suppress(RuntimeSocketError):
            out, failed = (
                [server for server in Haproxy().servers() if server.state != READY],
                Haproxy().failed_reloads(),
            )
    else:
        # After several failed starts, systemd refuses a further one.
        _run("systemctl", "reset-failed", "haproxy")
    done = _run("systemctl", "reload" if active else "start", "haproxy")
    deadline = time.monotonic() + limits.WORKER_SECONDS
    while done.returncode == 0 and not _runs_with(digest):
        if time.monotonic() > deadline or _has_failed(failed):
            break
        time.sleep(limits.POLL_SECONDS)
    if not _runs_with(digest):
        raise ConfigurationError(
            "HAProxy accepts its new configuration, and does not run with it;"
            f" {'the former process serves on' if active else 'no process serves'}. The end of its log:\n{_log()}"
        )
    for server in out:
        # The new configuration may no longer have the server.
        with contextlib.suppress(RuntimeSocketError):
            Haproxy().set_state(server.backend, server.name, server.state)


def _runs_with(digest: str) -> bool:
    try:
        return digest in Haproxy().info().get("description", "")
    except RuntimeSocketError:
        return False


def _has_failed(before: int) -> bool:
    """Return whether HAProxy has ended, or has kept its former configuration more often than ``before``."""
    if _run("systemctl", "is-active", "--quiet", "haproxy").returncode:
        return True
    try:
        return Haproxy().failed_reloads() > before
    except RuntimeSocketError:
        return False


def _log() -> str:
    done = _run("journalctl", "--unit=haproxy", "--no-pager", "--output=cat", f"--lines={limits.LOG_LINES}")
    return done.stdout.strip()


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=limits.COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
