"""What a host serves already: Apache, its sites, the applications, interrupted runs, and certificates."""

from __future__ import annotations

import datetime
import glob
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.doctor import limits
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.commands import output
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import (
    PROBLEM,
    Finding,
    ok,
    problem,
    some,
    warning,
)
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.processes import Listener, listeners
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import control, parent, tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.info import describe
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.logs import ends
from ansible_collections.grove.wsgi.plugins.module_utils.status.report import report
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED, REMOVED_TEXT
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file

DATE = "%b %d %H:%M:%S %Y %Z"
"""The format of ``openssl x509 -enddate``."""


def apache(layout: Layout, *, expected: bool) -> Iterator[Finding]:
    """Examine Apache. expected: whether applications of this host need it already."""
    described = describe(layout)
    if not described["version"]:
        if expected:
            yield problem("Apache", "it is not installed", "apps were deployed here", "./grove site")
        else:
            yield ok("Apache", "not installed yet; the first run does that")
        return
    running = control.parent_pid(layout)
    stopped = parent.problem(Path(layout.pid_file), layout.program)
    checked = tree.ask_apache(layout)
    if checked.returncode:
        text = " ".join((checked.stderr or checked.stdout).split())
        yield problem("Apache", f"it refuses its configuration: {text}", "Syntax OK", "apachectl configtest")
    elif stopped and expected:
        yield problem("Apache", stopped, "it runs", 'docs/runbook.md, "Apache does not run"')
    else:
        yield ok("Apache", f"{described['version']}, " + (f"process {running}" if running else "does not run"))
    own, foreign = described["sites"], described["foreign_sites"]
    yield ok("sites", f"{some(own) or 'none'} of Grove, {some(foreign) or 'none'} of others")


def ports(wanted: Iterable[int], held: Sequence[Listener], program: str) -> Iterator[Finding]:
    """Examine the ports of the records."""
    free, ours = [], []
    for port in wanted:
        holder = next((one for one in held if one.port == port and one.program != program), None)
        if holder is not None:
            who = f"{holder.program} (process {holder.pid})" if holder.pid else "a program that cannot be seen"
            remedy = f"ps -o pid,user,args -p {holder.pid}" if holder.pid else f"ss -ltnp sport = :{port}"
            remedy += ", then stop that program, or choose another port"
            yield problem(f"port {port}", f"{who} holds it on {holder.address}", "free, or Apache's", remedy)
        elif any(one.port == port for one in held):
            ours.append(str(port))
        else:
            free.append(str(port))
    texts = [f"{some(ours)} of Apache" if ours else "", f"{some(free)} free" if free else ""]
    if any(texts):
        yield ok("ports", ", ".join(filter(None, texts)))


@dataclass
class Applications:
    """The findings on a host's applications, the notes of runs, and how many applications have to be served."""

    findings: list[Finding] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    expected: int = 0


def applications(base: Path, wanted: Collection[str]) -> Applications:
    """Examine the applications of a host.

    wanted: the applications of the inventory. A removed application need not answer if it is not among them.
    """
    result = Applications()
    findings = result.findings
    names = app_file.names(base)
    well, kept = [], []
    for name in names:
        result.expected += 1
        try:
            state = report(*app_file.read(base, name), last=0)
        except OperatorError as error:
            findings.append(problem(f"app {name}", str(error), "it can be read", f"./grove deploy -e app={name}"))
            continue
        if state["state"] == REMOVED and name not in wanted:
            result.expected -= 1
            kept.append(name)
            continue
        note = lease.holder(AppFolder(name, base / name))
        if note is not None:
            run, renewed = note
            result.runs.append(
                {"app": name, "run": vars(run), "text": str(run), "age": max(0.0, time.time() - renewed)}
            )
        found = list(application(state))
        findings += found
        if all(one.verdict != PROBLEM for one in found):
            well.append(f"{name} ({state['release']})")
    if well:
        findings.append(ok("apps", f"healthy: {some(well)}"))
    if kept:
        findings.append(ok("apps", f"removed, and their files are kept: {some(kept)}"))
    if not names:
        findings.append(ok("apps", "none was deployed yet"))
    return result


def application(state: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with an application."""
    name = state["app"]
    subject, look = f"app {name}", f"./grove logs -e app={name}"
    if state["state"] == REMOVED:
        yield problem(subject, REMOVED_TEXT, "the inventory has it", f"./grove deploy -e app={name}")
    elif state["problem"]:
        yield problem(subject, state["problem"], "a complete release is live", f"./grove deploy -e app={name}")
    elif not state["healthy"]:
        yield problem(subject, f"{state['url']}: {state['health']}", "its health path answers", look)
    if state["ended"]:
        remedy = f'{look} -e since=1d, and docs/runbook.md, "502"'
        yield warning(subject, ends.words(state["ended"]), "no signal ends a process", remedy)
    for agent in state["agents"]:
        if not agent["running"]:
            unit = f"grove-{name}-{agent['agent']}"
            text = agent.get("problem") or "it does not run"
            yield problem(f"agent {unit}", text, "it runs", f"journalctl -u {unit}")
        elif agent.get("lease") and agent["lease"]["word"] == "away":
            unit = f"grove-{name}-{agent['agent']}"
            yield problem(f"agent {unit}", "it cannot use its database", "one host runs it", f"journalctl -u {unit}")
    if state["canary_percent"]:
        share = f"{state['canary_percent']:g} % of the requests go to a canary"
        yield warning(subject, share, "one release", f"./grove canary -e app={name} -e percent=100, or percent=0")


def certificates(paths: Iterable[str], folder: str, now: datetime.datetime) -> Iterator[Finding]:
    """Examine the certificates of records (``paths``), and those that Grove's own authority made in ``folder``."""
    made = sorted(glob.glob(f"{folder}/*.crt"))
    given = sorted(set(paths).difference(made))
    well = []
    for path in (*given, *made):
        text = output("openssl", "x509", "-noout", "-enddate", "-in", path) or ""
        try:
            end = datetime.datetime.strptime(text.partition("=")[2].strip(), DATE).replace(tzinfo=datetime.UTC)
        except ValueError:
            # The check of records has said that the file is not there, or is no certificate.
            continue
        found = certificate(path, (end - now).total_seconds() / 86400, made=path in made)
        if found is None:
            well.append(f"{path} until {end:%Y-%m-%d}")
        else:
            yield found
    if well:
        yield ok("certificates", some(well))


def certificate(path: str, days: float, *, made: bool) -> Finding | None:
    """Return what is wrong with a certificate that ends in so many days; None where that is long enough."""
    if days > limits.CERTIFICATE_DAYS:
        return None
    remedy = "./grove site" if made else "renew the file, then apachectl configtest && apachectl graceful"
    actual = f"it ended {-days:.0f} days ago" if days < 0 else f"it ends in {days:.0f} days"
    verdict = problem if days < 0 else warning
    return verdict(f"certificate {path}", actual, f"more than {limits.CERTIFICATE_DAYS} days", remedy)


def all_of(
    layout: Layout, base: Path, wanted: Sequence[int], paths: Sequence[str], apps: Collection[str]
) -> tuple[list[Finding], list[dict[str, Any]]]:
    """Examine everything that a host serves. apps: the applications of the inventory."""
    examined = applications(base, apps)
    found = [
        *apache(layout, expected=bool(examined.expected)),
        *ports(wanted, listeners(), layout.program),
        *examined.findings,
        *certificates(paths, f"{layout.root}/grove-tls", datetime.datetime.now(datetime.UTC)),
    ]
    return found, examined.runs
