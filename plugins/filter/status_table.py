"""The states of applications as a table for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.logs import ends

DOCUMENTATION = r"""
name: status_table
short_description: States of applications as lines of text
description:
  - Makes a table of the states that M(grove.wsgi.status) returned on each host. Below it stand problems, agents and the
    last events.
options:
  _input:
    description: The lists of states by host.
    type: dict
    required: true
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

FILES_SHOWN = 4
"""Names of files that one line shows: those of an upgrade of Apache, and not all of its modules."""
HEAD = ("host", "app", "slot", "release", "made", "from", "health", "processes", "idle", "last switch", "disk")


def megabytes(size: int) -> str:
    """Return a size in bytes as megabytes."""
    return f"{size / 1_000_000:.1f} MB"


def moment(text: object) -> str:
    """Return a UTC time of ISO 8601 to the second, without its zone."""
    return str(text)[:19].replace("T", " ") if text else "-"


def _processes(slot: Mapping[str, Any]) -> str:
    processes = slot.get("processes") or []
    pids = ",".join(str(process["pid"]) for process in processes)
    return f"{pids} ({megabytes(sum(process['memory'] for process in processes))})" if processes else "none"


def _health(state: Mapping[str, Any]) -> str:
    if state["state"] == "removed":
        return "removed, files kept"
    return "healthy" if state["healthy"] else str(state["health"])


def _row(host: str, state: Mapping[str, Any]) -> tuple[str, ...]:
    live = state.get("slots", {}).get(state["live"] or "", {})
    idle: Mapping[str, Any] = next(
        (slot for colour, slot in state.get("slots", {}).items() if colour != state["live"]), {}
    )
    last = state.get("last_switch") or {}
    share = f", {state['canary_percent']:g} % canary" if state["canary_percent"] else ""
    return (
        host,
        state["app"],
        state["live"] or "-",
        state["release"] or "-",
        moment(state.get("made_at")),
        str(state.get("made_from") or "-"),
        _health(state),
        _processes(live),
        f"{idle.get('release') or '-'} {state['idle_kind']}{share}, {_processes(idle)}",
        f"{moment(last.get('at'))} {last.get('what', '')}".strip(),
        megabytes(state["disk_used"]),
    )


def _notes(host: str, state: Mapping[str, Any]) -> list[str]:
    lines = []
    if state["problem"]:
        lines.append(f"{host} {state['app']}: PROBLEM: {state['problem']}")
    if state["deployment"]:
        lines.append(f"{host} {state['app']}: a deployment is at work: {state['deployment']}")
    if state["ended"]:
        look = f"./grove logs -e app={state['app']} -e since=1d"
        lines.append(f"{host} {state['app']}: {ends.words(state['ended'])}; see {look}")
    for agent in state.get("agents", []):
        prefix = f"{host} {state['app']}: agent {agent['agent']}"
        if not agent["running"]:
            lines.append(f"{prefix}: PROBLEM: it does not run; see journalctl -u grove-{state['app']}-{agent['agent']}")
        elif agent["release"] != state["release"]:
            lines.append(f"{prefix}: PROBLEM: it runs release {agent['release']}, and {state['release']} is live")
        else:
            lines.append(f"{prefix}{_activity(state['app'], agent)}")
    for event in state["history"]:
        why = str(event.get("why", "")).splitlines()
        origin = f" from {event['from']}" if event.get("from") else ""
        text = f"{event['what']} {event.get('release') or ''}{origin}" + (f": {why[0]}" if why else "")
        lines.append(f"{host} {state['app']}: {moment(event['at'])} {text}")
    return lines


def _activity(app: str, agent: Mapping[str, Any]) -> str:
    """Return what an agent does that has the live release; one that needs a lease may run on another host."""
    lease = agent.get("lease")
    if lease and lease["word"] == "away":
        return (
            f": PROBLEM: it cannot use its database, so it does not run; see journalctl -u grove-{app}-{agent['agent']}"
        )
    if lease and lease["word"] == "waits":
        return f" waits with that release; {lease['host'] or 'another host'} runs it"
    process = f"process {agent['pid']} ({megabytes(agent['memory'])})"
    if lease and lease["word"] == "starts":
        return f" starts with that release, {process}"
    return f" runs that release, {process}" + (", on this host alone" if lease else "")


def _server_notes(host: str, states: list[Mapping[str, Any]]) -> list[str]:
    """Return what is to be said of the host's Apache, which all applications share."""
    replaced = sorted({name for state in states for name in state.get("replaced", ())})
    if not replaced:
        return []
    shown = ", ".join(replaced[:FILES_SHOWN]) + (
        f" and {len(replaced) - FILES_SHOWN} more" if len(replaced) > FILES_SHOWN else ""
    )
    remedy = (
        "until the next handover; systemctl reload apache2 hands over"
        if any(state.get("hands_over") for state in states)
        else "until it is restarted, which cuts requests"
    )
    return [f"{host}: Apache runs with files that are older than the installed ones ({shown}), {remedy}"]


def status_table(states: Mapping[str, list[Mapping[str, Any]]]) -> list[str]:
    """Return a table of the states of each host's applications, and below it problems, agents and last events."""
    rows = [HEAD, *(_row(host, state) for host in states for state in states[host])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [line for host in states for line in _server_notes(host, states[host])]
    notes += [line for host in states for state in states[host] for line in _notes(host, state)]
    return [*table, "", *notes] if notes else table


class FilterModule:
    """The filter ``grove.wsgi.status_table``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"status_table": status_table}
