"""The packages of a host: who holds their locks, in which state dpkg is, and whether apt's sources answer."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.grove.wsgi.plugins.module_utils.doctor import limits
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.commands import output
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import Finding, ok, problem, some, warning
from ansible_collections.grove.wsgi.plugins.module_utils.host import package_locks

UPDATES = Path("/var/lib/dpkg/updates")
LISTS = Path("/var/lib/apt/lists")
PORTS = {"http": 80, "https": 443, "ftp": 21}
DAY = 86400


def packages(*, needed: bool) -> Iterator[Finding]:
    """Examine the packages of a Debian host; nothing on others. needed: whether the next run has to install some."""
    if not os.path.isdir("/var/lib/dpkg"):
        return
    yield lock(package_locks.holder())
    yield dpkg_state(output("dpkg", "--audit") or "", any(UPDATES.glob("[0-9]*")))
    yield lists(age_of_lists())
    yield from sources(needed=needed)


def lock(holder: package_locks.Holder | None) -> Finding:
    """Examine the locks of apt and dpkg."""
    if holder is None:
        return ok("package locks", "free")
    who = f"{holder.program} (process {holder.pid})" if holder.pid else "a program outside the host"
    remedy = "wait: a run waits for 15 minutes"
    if holder.pid:
        remedy += f"; to see what it does: ps -o pid,etime,args -p {holder.pid}"
    return warning("package locks", f"{who} holds {holder.path}", "no program that installs packages", remedy)


def dpkg_state(audit: str, interrupted: bool) -> Finding:
    """Examine what ``dpkg --audit`` says, and whether dpkg was interrupted."""
    if interrupted:
        return problem("dpkg", "it was interrupted", "no step of dpkg is left over", "dpkg --configure -a")
    if audit.strip():
        names = [line.split()[0] for line in audit.splitlines() if line.startswith(" ") and line.split()]
        remedy = "dpkg --configure -a && apt-get --fix-broken install"
        return problem("dpkg", f"half installed: {some(names)}", "every package is whole", remedy)
    return ok("dpkg", "every package is whole")


def age_of_lists(folder: Path = LISTS) -> float | None:
    """Return how many days ago apt got its newest list; None where it has none."""
    times = [path.stat().st_mtime for path in folder.glob("*_Packages*")]
    return max(0.0, time.time() - max(times)) / DAY if times else None


def lists(days: float | None) -> Finding:
    """Examine the age of apt's lists."""
    if days is None:
        return ok("apt's lists", "none yet; the first run gets them")
    if days > limits.LISTS_DAYS:
        return warning("apt's lists", f"{days:.0f} days old", f"{limits.LISTS_DAYS} days at the most", "apt-get update")
    return ok("apt's lists", f"{days:.0f} days old")


def proxies(text: str) -> dict[str, str]:
    """Return the proxy of each scheme from the output of ``apt-config dump``."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        parts = name.lower().split("::")
        if len(parts) == 3 and parts[0] == "acquire" and parts[2] == "proxy":
            found[parts[1]] = value.strip('";')
    return found


def sources(*, needed: bool) -> Iterator[Finding]:
    """Examine whether the servers of apt's sources, or the proxy before them, take a connection."""
    # It prints what an update would fetch, and fetches nothing.
    sites = sites_of(output("apt-get", "update", "--print-uris") or "")
    if not sites:
        remedy = "write /etc/apt/sources.list.d/debian.sources, and apt-get update"
        verdict = problem if needed else warning
        yield verdict("apt's sources", "none", "a source that has Debian's packages", remedy)
        return
    known = proxies(output("apt-config", "dump") or "")
    with ThreadPoolExecutor() as pool:
        answers = dict(zip(sites, pool.map(lambda site: reach(site, known), sites), strict=True))
    yield reached(answers, needed=needed)


def sites_of(uris: str) -> list[str]:
    """Return the sites of apt's sources from the output of ``apt-get update --print-uris``."""
    found = re.findall(r"(?m)^'([^']+)'", uris)
    return sorted({uri.partition("/dists/")[0] if "/dists/" in uri else uri.rpartition("/")[0] for uri in found})


def reached(answers: dict[str, str], *, needed: bool) -> Finding:
    """Examine the answers of apt's sources, by site: empty, or why there is none.

    A run that has nothing to install does not ask the sources.
    """
    silent = [f"{site} ({reason})" for site, reason in answers.items() if reason]
    if not silent:
        return ok("apt's sources", f"{some(answers)} answer" + ("s" if len(answers) == 1 else ""))
    remedy = "correct the source, the proxy (Acquire::http::Proxy) or the network, and apt-get update"
    verdict = problem if needed and len(silent) == len(answers) else warning
    return verdict("apt's sources", f"no answer from {some(silent)}", "every source answers", remedy)


def reach(site: str, known: dict[str, str], environment: Iterable[tuple[str, str]] | None = None) -> str:
    """Return why a site of apt cannot be reached; empty if it can."""
    variables = dict(os.environ.items() if environment is None else environment)
    parts = urlsplit(site)
    if parts.scheme in ("file", "copy"):
        return "" if os.path.exists(parts.path or "/") else "there is no such folder"
    # For https, apt takes the proxy of http, too.
    proxy = known.get(parts.scheme) or known.get("http") or variables.get(f"{parts.scheme}_proxy") or ""
    target = urlsplit(proxy) if proxy and proxy.lower() != "direct" else parts
    if target.scheme not in PORTS or not target.hostname:
        return ""
    try:
        reason = connect(target.hostname, target.port or PORTS[target.scheme])
    except ValueError as error:
        reason = str(error)
    return reason if target is parts or not reason else f"its proxy {target.hostname}: {reason}"


def connect(host: str, port: int) -> str:
    """Return why a server takes no connection; empty if it does. A name is asked for again."""
    reason = ""
    for attempt in range(limits.CONNECT_ATTEMPTS):
        if attempt:
            time.sleep(limits.CONNECT_PAUSE_SECONDS)
        try:
            socket.create_connection((host, port), timeout=limits.CONNECT_SECONDS).close()
        except OSError as error:
            reason = str(error.strerror or error)
            if error.errno != socket.EAI_AGAIN:
                break
        else:
            return ""
    return reason
