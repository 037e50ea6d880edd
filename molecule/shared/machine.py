"""The resources of the controller that test hosts use: the cache folder, podman and the sources of Debian packages."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOOLS = ("podman", "runc", "mmdebstrap", "iptables")
HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
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


def podman(*arguments: str, timeout: float = 300) -> str:
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


def note_pid_file(name: str) -> None:
    """Note in which file podman keeps the process id of the host, for enter()."""
    (folder(name) / "pid_file").write_text(podman("inspect", "--format", "{{.PidFile}}", name).strip())


def enter(name: str, **environment: str) -> list[str]:
    """Return the words that, before a command, run it on the host as root, with these variables in its environment.

    The command gets the namespaces, capabilities and limits that ``podman exec`` would give it. A call of podman takes
    0.3 s of the processor, this one 0.005 s, and a scenario runs thousands of commands. Raises HostError.
    """
    process = _proc(name)
    status = (process / "status").read_text()
    bounding_set = int(re.findall(r"(?m)^CapBnd:\s*(\w+)", status)[0], 16)
    capabilities = "".join(f",+cap_{bit}" for bit in range(64) if bounding_set >> bit & 1)
    variables = {"PATH": HOST_PATH, "HOME": "/root", "TERM": "xterm", "container": "podman", "HOSTNAME": name}
    return [
        *("env", "--ignore-environment", *(f"{key}={value}" for key, value in (variables | environment).items())),
        *("prlimit", *(f"--{limit}={value}:{value}" for limit, value in _limits().items())),
        *("nsenter", f"--target={process.name}", "--all", "--root", "--wd"),
        *("setpriv", f"--bounding-set=-all{capabilities}"),
    ]


@contextmanager
def commands_continue(name: str) -> Iterator[None]:
    """Keep the commands that have entered the host from standing still while it shuts down.

    systemd stops all processes with SIGSTOP before it ends them. nsenter then stops itself as its command did, and
    nobody continues it. As long as it does not wait for its dead command, the host cannot end.
    """
    words = ["nsenter", f"--target={_proc(name).name}"]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    if (process / "cmdline").read_bytes().decode(errors="replace").split("\0")[:2] == words:
                        os.kill(int(process.name), signal.SIGCONT)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def pids(name: str) -> dict[int, int]:
    """Return the ids that the host's processes have on the controller, by their ids on the host.

    podman knows those of its own control group alone, to which a command that has entered the host does not belong.
    """
    namespace = os.readlink(_proc(name) / "ns" / "pid")
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(process / "ns" / "pid") == namespace:
                status = (process / "status").read_text()
                found[int(re.findall(r"(?m)^NSpid:.*?(\d+)$", status)[0])] = int(process.name)
    return found


def folder(name: str) -> Path:
    """Return the host's folder on the controller."""
    return cache() / "hosts" / name


def _proc(name: str) -> Path:
    try:
        process = Path("/proc", Path((folder(name) / "pid_file").read_text()).read_text())
    except OSError:
        raise HostError(f"{name} does not run") from None
    if not process.exists():
        raise HostError(f"{name} does not run")
    return process


def _limits() -> dict[str, int]:
    # The kernel counts an account's processes and threads over all hosts: their Apaches share one account.
    return {"nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1], "nproc": 32768}


def _containers_conf() -> Path:
    limits = ", ".join(f'"{limit}={value}:{value}"' for limit, value in _limits().items())
    text = f"""\
[containers]
base_hosts_file = "none"
default_ulimits = [{limits}]
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
    routes = (_proc(name) / "net" / "fib_trie").read_text()
    addresses: list[str] = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", routes)
    return next(item for item in addresses if not item.startswith("127."))
