"""The hosts of a play by what this run has done on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED

# Facts that the role wsgi_app sets or registers on each host.
NAMES = "__wsgi_app_names"
SWITCHED = "__wsgi_app_switched"
# What the playbooks routes and trace register.
STATUS = "__status"


def hosts_with_app(hosts: Iterable[str], app: str, hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of ``hosts`` on which this run deploys ``app``, in their order."""
    return [host for host in hosts if app in (hostvars[host].get(NAMES) or ())]


def hosts_not_switched(hosts: Iterable[str], play_hosts: Collection[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of ``hosts`` that may run an older release, since this run has not switched their traffic.

    ``play_hosts`` are the hosts of the play that have not failed.
    """
    return [host for host in hosts if host not in play_hosts or hostvars[host].get(SWITCHED) is None]


def unwell_apps(states: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each app of a host that is not well, from what the module ``status`` has returned."""
    sentences = []
    for state in states:
        if state["state"] == REMOVED:
            continue
        stopped = [agent["agent"] for agent in state["agents"] if not agent["running"]]
        if state["problem"] or not state["healthy"]:
            sentences.append(f"app {state['app']}: {state['problem'] or state['health']}")
        elif stopped:
            sentences.append(f"app {state['app']}: its agent {', '.join(stopped)} does not run")
        elif away := [agent["agent"] for agent in state["agents"] if _is_away(agent)]:
            sentences.append(f"app {state['app']}: its agent {', '.join(away)} cannot use its database")
    return sentences


def _is_away(agent: Mapping[str, Any]) -> bool:
    return bool(agent.get("lease")) and agent["lease"]["word"] == "away"


def examinations(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the playbook ``doctor`` has registered on each of ``hosts``, for the action ``doctor_report``.

    A host that was lost on the way lacks the later results.
    """
    results = {}
    for host in hosts:
        own = hostvars[host]
        checked = own.get("__wsgi_app_checked") or {}
        records = "" if checked.get("steps") else own.get("__records")
        results[host] = {
            "reached": own.get("__reached"),
            "examined": own.get("__examined"),
            "records": records,
            "address": own.get("ansible_host"),
        }
    return results


def live_app(hosts: Iterable[str], hostvars: Mapping[str, Any], app: str) -> dict[str, str]:
    """Return ``host``, the first of ``hosts`` that serves a release of ``app``, or ``problem``, why none does.

    ``hostvars`` has on each host the registered result of M(grove.wsgi.status) as ``__status``.
    """
    live: dict[str, list[str]] = {}
    removed = []
    for host in hosts:
        for state in hostvars[host].get(STATUS, {}).get("apps", ()):
            if state["state"] == REMOVED:
                removed += [host] if state["app"] == app else []
            elif state["release"]:
                live.setdefault(state["app"], []).append(host)
    if app in live:
        return {"host": live[app][0], "problem": ""}
    if not app:
        reason = "name the app: -e app=NAME"
    elif removed:
        reason = f"app {app} was removed from {', '.join(removed)}; its files are kept"
    else:
        reason = f"no host has a live app {app}"
    others = f"the live apps are {', '.join(sorted(live))}" if live else "no app is live"
    return {"host": "", "problem": f"{reason}; {others}"}


def update_report(pending: Sequence[str], reboots: object, left: Mapping[str, Any], check: object) -> str:
    """Return what update_hosts has done to a host.

    pending: the packages that had updates. reboots: whether the host has rebooted. left: what the module ``outdated``
    says of the host afterwards. check: whether nothing was changed.
    """
    would = "would be " if check else ""
    done = f"{would}upgraded: {', '.join(pending)}" if pending else "no package has an update"
    reasons = [*left["reboot"], *([f"older files are run by {', '.join(left['units'])}"] if left["units"] else [])]
    remaining = f"; only a reboot completes the update, since {', and '.join(reasons)}" if reasons else ""
    return f"{done}; {would}{'rebooted' if reboots else 'not rebooted'}{remaining}"


class FilterModule:
    """Filters of the role ``wsgi_app``, and of the playbooks ``doctor``, ``routes``, ``trace`` and ``update_hosts``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "hosts_with_app": hosts_with_app,
            "hosts_not_switched": hosts_not_switched,
            "unwell_apps": unwell_apps,
            "examinations": examinations,
            "live_app": live_app,
            "update_report": update_report,
        }
