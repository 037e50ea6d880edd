"""What the report of an inventory shows, as plain data, made of what each host has told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.logs import ends
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED
from packaging.version import InvalidVersion, Version

from .. import capacity
from . import limits

PARTS = {"status": "apps", "capacity": "capacity", "software": "parts", "certificates": "certificates"}
"""What a host is asked for, each the result of the module of that name, with the value that an answer has."""
DEAD, FAILED, FINE = "dead", "failed", "ok"
BAD, WARN = "bad", "warn"

Data = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """The versions that the controller knows: of locks by app and package, of Grove's tools, and of the index.

    ``index`` is None where it was not asked, and ``problem`` says why it gave no answer.
    """

    locks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    index: Mapping[str, str] | None = None
    problem: str = ""


def model(hosts: Mapping[str, Mapping[str, Any]], known: Known) -> Data:
    """Return ``hosts``, ``databases``, and ``attention``: what somebody should look at, the worst first.

    ``hosts`` has the results of the modules of ``PARTS`` by host, and ``routes``, the results of the commands that read
    URL maps.
    """
    readable = {name: one["capacity"]["capacity"] for name, one in hosts.items() if is_read(one, "capacity")}
    judged = capacity.judge(readable)
    maps = dict(url_maps(hosts.values()))
    found = [_host(name, one, judged["hosts"].get(name), maps, known) for name, one in hosts.items()]
    attention = [note for one in found for note in _notes(one)]
    attention += (
        [_note(WARN, host="", app="", text=f"the index was not asked: {known.problem}")] if known.problem else []
    )
    attention += [
        _note(BAD, host=one["host"], app="", text=capacity.database_line(one))
        for one in judged["databases"]
        if one["problem"] or one["wanted"] > one["most"]
    ]
    attention.sort(key=lambda note: note["level"] != BAD)
    return {
        "hosts": found,
        "databases": [capacity.database_line(one) for one in judged["databases"]],
        "attention": attention,
        "asked_index": known.index is not None,
    }


def is_read(one: Mapping[str, Any], part: str) -> bool:
    """Return whether a host has told this part."""
    return PARTS[part] in (one.get(part) or {})


def unread(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return for each host that is dead, or that has not told a part, its name and the reason."""
    lines = []
    for name, one in hosts.items():
        state, reason = _state(one)
        if state != FINE:
            lines.append(f"{name} {'cannot be reached' if state == DEAD else 'could not be read'}: {reason}")
    return lines


def url_maps(hosts: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Data]]:
    """Yield the URL map of each application, with the reason where it could not be read."""
    for one in hosts:
        for result in (one.get("routes") or {}).get("results", []):
            name = (result.get("item") or {}).get("app")
            if not name or result.get("skipped"):
                continue
            lines = str(result.get("stdout") or "").splitlines()
            if result.get("rc") == 0 and lines:
                yield name, {"lines": lines[: limits.ROUTES_LINES], "left_out": len(lines) - limits.ROUTES_LINES}
            else:
                yield name, {"lines": [], "left_out": 0, "problem": _why_no_map(result)}


def _why_no_map(result: Mapping[str, Any]) -> str:
    if result.get("rc") == 124:
        return "the release took too long to load"
    output = str(result.get("stderr") or result.get("msg") or "")
    if "can't find '__main__'" in output or "can't open file" in output:
        return "the live release was built by an older Grove; its next release can tell its routes"
    return (output.strip().splitlines() or ["the program printed nothing"])[-1]


def _state(one: Mapping[str, Any]) -> tuple[str, str]:
    """Return whether a host is dead, failed or fine, and the reason."""
    for part in PARTS:
        result = one.get(part) or {}
        if result.get("unreachable"):
            return DEAD, _first_line(result.get("msg"))
    for part in PARTS:
        if not is_read(one, part):
            return FAILED, _first_line((one.get(part) or {}).get("msg") or f"it has not told its {part}")
    return FINE, ""


def _first_line(text: object) -> str:
    return (str(text or "").strip().removeprefix("Task failed: ").splitlines() or ["it gave no reason"])[0]


def _host(name: str, one: Mapping[str, Any], judged: Data | None, maps: Mapping[str, Data], known: Known) -> Data:
    state, reason = _state(one)
    software = one["software"] if is_read(one, "software") else {"parts": [], "debian": None}
    certificates = one["certificates"]["certificates"] if is_read(one, "certificates") else []
    states = one["status"]["apps"] if is_read(one, "status") else []
    sizes = {app["app"]: app for app in judged["apps"]} if judged else {}
    return {
        "name": name,
        "state": state,
        "reason": reason,
        "apps": [
            _app(
                app,
                sizes.get(app["app"]),
                next((cert for cert in certificates if cert["app"] == app["app"]), None),
                [part for part in software["parts"] if (part["part"], part["release"]) == (app["app"], app["release"])],
                maps.get(app["app"]),
                known,
            )
            for app in states
        ],
        "capacity": judged,
        "machine": judged["machine"] if judged else None,
        "server_words": capacity.server_words(judged["server"]).removeprefix("; ") if judged else "",
        "memory_words": capacity.memory_words(judged["memory"]) if judged and judged["server"] else "",
        "tools": [tool for part in software["parts"] for tool in _tools(part, known)],
        "debian": software["debian"],
    }


def _tools(part: Mapping[str, Any], known: Known) -> Iterator[Data]:
    """Yield the tool of a part that has one, and the version that this Grove installs."""
    if part["release"] is None and part["serves"]:
        names = {name.replace("_", "-"): name for name in known.tools}
        for package, version in part["packages"].items():
            if package in names:
                wanted = known.tools[names[package]]
                yield {"name": package, "version": version, "newer": wanted if is_newer(wanted, version) else None}


def _app(
    state: Mapping[str, Any],
    size: Data | None,
    certificate: Data | None,
    parts: list[Data],
    url_map: Data | None,
    known: Known,
) -> Data:
    part: Data = parts[0] if parts else {"packages": {}, "own": {}, "locked": True, "changed": []}
    idle: Data = next((slot for colour, slot in state["slots"].items() if colour != state["live"]), {})
    return {
        **state,
        "idle_slot": idle,
        "capacity": size,
        "first_words": capacity.first_words(size) if size else "",
        "certificate": certificate,
        "packages": len(part["packages"]) + len(part["own"]),
        "own": part["own"],
        "locked": part["locked"],
        "changed": part["changed"],
        "newer": newer_versions(part["packages"], known.locks.get(state["app"], {}), known.index),
        "map": url_map,
        "events": list(reversed(state["history"][-limits.EVENTS :])),
    }


def newer_versions(
    packages: Mapping[str, str], lock: Mapping[str, str], index: Mapping[str, str] | None
) -> list[dict[str, str | None]]:
    """Return the packages of which the lock on the controller or the index has a newer version than the release."""
    found = []
    for name, version in sorted(packages.items()):
        newer: dict[str, str | None] = {
            place: text if (text := versions.get(name)) and is_newer(text, version) else None
            for place, versions in (("lock", lock), ("index", index or {}))
        }
        if any(newer.values()):
            found.append({"name": name, "version": version, **newer})
    return found


def is_newer(one: str, other: str) -> bool:
    """Return whether a version is newer than another; what is no version is not."""
    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False


def _note(level: str, *, host: str, app: str, text: str) -> Data:
    return {"level": level, "host": host, "app": app, "text": text}


def _notes(host: Mapping[str, Any]) -> Iterator[Data]:
    """Yield what somebody should look at on a host."""
    name = host["name"]
    if host["state"] == DEAD:
        yield _note(BAD, host=name, app="", text=f"the host cannot be reached: {host['reason']}")
    elif host["state"] == FAILED:
        yield _note(BAD, host=name, app="", text=f"the host could not be read: {host['reason']}")
    for app in host["apps"]:
        for level, text in _app_notes(app):
            yield _note(level, host=name, app=app["app"], text=text)
    for tool in host["tools"]:
        if tool["newer"]:
            text = f"{tool['name']} is {tool['version']}, and this Grove installs {tool['newer']}: run ./grove site"
            yield _note(WARN, host=name, app="", text=text)
    debian = host["debian"]
    if debian and debian["security"]:
        count = len(debian["security"])
        text = f"{count} security update{'s' if count != 1 else ''} of Debian can be installed"
        yield _note(WARN, host=name, app="", text=text)
    for problem in debian["problems"] if debian else ():
        yield _note(WARN, host=name, app="", text=problem)
    for problem in host["capacity"]["problems"] if host["capacity"] else ():
        yield _note(WARN, host=name, app="", text=problem)
    sizes = host["capacity"]["memory"] if host["capacity"] else {"total": 0, "apps": 0, "workers": 0}
    if sizes["total"] and sizes["apps"] + sizes["workers"] > sizes["total"]:
        yield _note(WARN, host=name, app="", text=capacity.memory_words(sizes))


def _app_notes(app: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if app["state"] == REMOVED:
        return
    if app["problem"]:
        yield BAD, app["problem"]
    elif not app["healthy"]:
        yield BAD, f"the health request {app['health']}"
    if app["ended"]:
        yield WARN, ends.words(app["ended"])
    if app["deployment"]:
        yield WARN, f"a deployment is at work: {app['deployment']}"
    for agent in app["agents"]:
        if not agent["running"]:
            yield BAD, f"the agent {agent['agent']} does not run"
        elif agent["release"] != app["release"]:
            yield BAD, f"the agent {agent['agent']} runs release {agent['release']}"
        elif agent.get("lease") and agent["lease"]["word"] == "away":
            yield BAD, f"the agent {agent['agent']} cannot use its database"
    certificate = app["certificate"]
    if certificate and certificate["problem"]:
        yield BAD, f"the certificate is not known: {certificate['problem']}"
    elif certificate and certificate["days"] < limits.CERTIFICATE_DAYS:
        days = certificate["days"]
        text = f"the certificate ends in {days} days" if days >= 0 else f"the certificate ended {-days} days ago"
        yield BAD, text
    for status, number in (app["capacity"]["used"]["refused"] if app["capacity"] else {}).items():
        yield WARN, f"{number} requests got {status}"
    if app["changed"]:
        yield WARN, f"its virtualenv was changed by hand: {app['changed'][0]}"
    if behind := [one for one in app["newer"] if one["lock"]]:
        words = f"{len(behind)} packages" if len(behind) > 1 else str(behind[0]["name"])
        yield WARN, f"its lock has newer versions of {words} than the live release: deploy it"
