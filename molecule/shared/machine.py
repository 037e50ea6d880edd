"""The resources of the controller that test hosts use: the cache folder, podman and the sources of Debian packages."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOOLS = ("podman", "runc", "mmdebstrap", "iptables")
APT_SETTINGS = re.compile(r"Acquire::(https?|Check-Date|Check-Valid-Until|Retries)\b")


class HostError(Exception):
    """A test host cannot be made; the message is one line for the operator."""


def cache() -> Path:
    """Return the cache folder, which all clones share: $GROVE_CACHE, or grove in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("GROVE_CACHE") or Path(base) / "grove").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def require_tools() -> None:
    """Raise HostError unless the caller is root and every tool is there."""
    if os.geteuid():
        raise HostError("test hosts need root")
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        raise HostError(f"not installed: {' '.join(missing)} (./grove test installs what the tests need)")


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Wait for the machine-wide lock of that name and hold it. The kernel frees it when the process ends."""
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def podman(*arguments: str, timeout: float = 120) -> str:
    """Run podman with settings that work without CAP_SYS_RESOURCE; return its output, or raise HostError."""
    command = ["podman", *arguments]
    environment = os.environ | {"CONTAINERS_CONF": str(_containers_conf())}
    try:
        completed = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"podman {arguments[0]}: no answer in {timeout:.0f} s") from None
    if completed.returncode:
        lines = completed.stderr.strip().splitlines() or [f"exit status {completed.returncode}"]
        raise HostError(f"podman {arguments[0]}: {lines[-1]}")
    return completed.stdout


def _containers_conf() -> Path:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    text = f"""\
[containers]
base_hosts_file = "none"
default_ulimits = ["nofile={files}:{files}", "nproc=16384:16384"]
pids_limit = 16384
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
"""
    path = cache() / "containers.conf"
    if not path.exists() or path.read_text() != text:
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(text)
        new.replace(path)
    return path


def certificates() -> Path | None:
    """Return the controller's CA bundle, or None if it has none."""
    configured = os.environ.get("SSL_CERT_FILE")
    places = [configured] if configured else ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
    return next((path for place in places if (path := Path(place)).is_file()), None)


def package_sources(release: str) -> list[str]:
    """Return lines for sources.list: the controller's Debian mirrors with that release. Empty if it has no mirror."""
    form = r"$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)|$(CODENAME)"
    command = ["apt-get", "indextargets", "--format", form]
    targets = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lines: dict[str, None] = {}
    for target in targets.splitlines():
        creator, origin, address, codename = target.split("|")
        suite = re.fullmatch(r"[a-z]+(-updates|-security)?", codename)
        if creator == "Packages" and origin == "Debian" and suite:
            lines[f"deb {address} {release}{suite[1] or ''} main"] = None
    return list(lines)


def apt_settings() -> list[str]:
    """Return the controller's settings for reaching mirrors (proxy, retries, clock checks), as lines of apt.conf."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    return [line for line in dump.splitlines() if APT_SETTINGS.match(line)]


def address(name: str) -> str:
    """Return the IPv4 address of the running host."""
    networks = json.loads(podman("inspect", "--format", "{{json .NetworkSettings}}", name))
    return str(networks["IPAddress"])
