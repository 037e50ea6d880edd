"""The HAProxy in front of the database hosts: a unit of its own beside that of the apps."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import limits
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.configuration import MODE, complete, read
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.process import (
    DATABASE,
    ConfigurationError,
    run,
)
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.runtime import Haproxy, RuntimeSocketError

UNIT_FILE = Path("/etc/systemd/system") / f"{DATABASE.unit}.service"
UNIT_MODE = 0o644
BACKEND = "database"
"""As the configuration of HAProxy names it."""
PASSED = "passed"
"""A word of HAProxy's description of a check that was good."""


def put(content: str, unit: str, *, dry: bool) -> dict[str, Any]:
    """Let the unit run with a configuration; return what changed.

    unit: the text of the unit, which a later start reads. Raises ConfigurationError; then HAProxy runs as before.
    """
    text, digest = complete(content)
    former, former_unit = read(DATABASE.configuration), read(UNIT_FILE)
    loaded = DATABASE.runs_with(digest)
    enabled = run("systemctl", "is-enabled", "--quiet", DATABASE.unit).returncode == 0
    result = {
        "changed": (text, unit) != (former, former_unit) or not loaded or not enabled,
        "action": "none" if loaded else "load",
        "diff": {"before": former or "", "after": text, "before_header": str(DATABASE.configuration)},
    }
    if dry or not result["changed"]:
        return result
    DATABASE.check(text)
    if unit != former_unit:
        replace_text(UNIT_FILE, unit, UNIT_MODE)
        _must("daemon-reload")
    replace_text(DATABASE.configuration, text, MODE)
    if not enabled:
        _must("enable", "--quiet", DATABASE.unit)
    if not loaded:
        try:
            DATABASE.load(digest)
        except ConfigurationError:
            if former is not None:
                replace_text(DATABASE.configuration, former, MODE)
            raise
    return result


def remove(*, dry: bool) -> dict[str, Any]:
    """Stop the unit where there is one; return what changed."""
    changed = UNIT_FILE.exists()
    if changed and not dry:
        _must("disable", "--now", "--quiet", DATABASE.unit)
        for path in (UNIT_FILE, DATABASE.configuration):
            path.unlink(missing_ok=True)
        _must("daemon-reload")
    return {"changed": changed}


def serving(haproxy: Haproxy, seconds: float) -> str:
    """Return the database host that gets the connections, as soon as HAProxy's check of one has passed.

    Raises ConfigurationError with what HAProxy says of each host if there is none after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            servers = haproxy.servers()
        except RuntimeSocketError as error:
            servers, found = [], str(error)
        else:
            found = "; ".join(f"{one.name}: {one.check or 'not asked yet'}" for one in servers)
        # HAProxy takes a server for up before it has asked it for the first time.
        if all(one.check for one in servers) and (up := [one for one in servers if one.up and PASSED in one.check]):
            return up[0].name
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"HAProxy reaches no database host that serves, {seconds:.0f} s after its start: {found}."
                ' "systemctl status grove-database-health" on a database host says what it answers (docs/runbook.md)'
            )
        time.sleep(limits.POLL_SECONDS)


def seen(haproxy: Haproxy) -> dict[str, dict[str, Any]]:
    """Return of each database host whether it may have clients (``up``), and its ``address``.

    Nothing where the unit was never set up. Raises RuntimeSocketError.
    """
    if not UNIT_FILE.exists():
        return {}
    return {
        one.name: {"up": one.up and PASSED in one.check, "address": one.address}
        for one in haproxy.servers()
        if one.backend == BACKEND
    }


def wait(haproxy: Haproxy, hosts: Iterable[str], seconds: float, *, up: bool) -> None:
    """Wait until HAProxy takes each of ``hosts`` for ``up``, or none of them. Raises ConfigurationError.

    A host that HAProxy does not know is not up.
    """
    names = list(hosts)
    deadline = time.monotonic() + seconds
    while wrong := _wrong(haproxy, names, up=up):
        if time.monotonic() > deadline:
            expected = "sends clients of the database to" if up else "has ceased to send clients of the database to"
            raise ConfigurationError(
                f"after {seconds:.0f} s, HAProxy on this load balancer is not one that {expected} {', '.join(names)}:"
                f" {'; '.join(wrong)}. Look at journalctl -u {DATABASE.unit} here, and at journalctl -u"
                " grove-database-health there"
            )
        time.sleep(limits.POLL_SECONDS)


def _wrong(haproxy: Haproxy, hosts: Iterable[str], *, up: bool) -> list[str]:
    """Return which of ``hosts`` are not as they have to be, with what HAProxy says of them."""
    try:
        servers = {one.name: one for one in haproxy.servers() if one.backend == BACKEND}
    except RuntimeSocketError as error:
        return [str(error)] if up else []
    found = []
    for host in hosts:
        server = servers.get(host)
        is_up = server is not None and server.up and (PASSED in server.check or not up)
        if is_up != up:
            found.append(f"{host}: {server.check or 'not asked yet' if server else 'HAProxy does not know it'}")
    return found


def _must(*words: str) -> None:
    done = run("systemctl", *words)
    if done.returncode:
        raise ConfigurationError(f"systemctl {' '.join(words)} failed: {done.stderr.strip()}")
