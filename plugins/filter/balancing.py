"""The load balancers of a fleet, for the playbooks and roles that read the inventory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED
from ansible_collections.grove.wsgi.plugins.plugin_utils import balancing, clocks

VIEWS = "__wsgi_app_views"
"""The fact of the role wsgi_app with the views of a host's records."""

STEPS = "__wsgi_app_steps"
"""The fact of the role wsgi_app with the work of each step."""

SUFFIXES = (".crt", ".key")
"""Of the files of a private certificate and of its key."""

STATUS = "__add_status"
"""What the playbook fleet/add.yml registers on the API hosts that serve."""

SWITCHED, UPDATED = "__wsgi_app_switched", "__update_hosts_done"
"""The facts where a run of the role wsgi_app has gone as far as the switch, and where update_hosts has updated it."""

READ = "__lost_read"
"""What the playbook fleet/lost.yml registers on the load balancers of the module load_balancer_servers."""

CLOCK = "__load_balancer_host"
"""What the role registers of the action host_facts."""

BEFORE = "__load_balancer_before"
"""What the role registers of the module load_balancer_config before a run changes anything."""

SERIAL = "load_balancer_serial"
"""The variable with the number of API hosts that change at the same time."""

HELD = "__load_balancer_held"
"""What the role registers of the module load_balancer_address."""


def host_addresses(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return the addresses by which the hosts of a fleet reach ``hosts``."""
    try:
        return [balancing.host_address(host, hostvars[host]) for host in hosts]
    except balancing.AddressError as error:
        raise AnsibleFilterError(str(error)) from None


def hosts_on_machine(hosts: Iterable[str], addresses: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of ``hosts`` of a fleet whose address is one of the ``addresses`` of a machine."""
    names, own = list(hosts), set(addresses)
    return [host for host, address in zip(names, host_addresses(names, hostvars), strict=True) if address in own]


def clock_problems(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return which of ``hosts``, or the controller, have clocks that are apart from the others."""
    return clocks.clock_problems({host: clocks.Clock(**hostvars[host][CLOCK]["clock"]) for host in hosts})


def balancing_plan(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the load balancers in front of ``hosts`` do; the run has checked the records of ``hosts``."""
    names = list(hosts)
    apps = {host: {app: view["apache"] for app, view in hostvars[host][VIEWS].items()} for host in names}
    plan = balancing.plan(apps, dict(zip(names, host_addresses(names, hostvars), strict=True)))
    if plan["certificates"]:
        folders = {host: str(hostvars[host][STEPS]["authority"]) for host in names}
        plan["problems"] += balancing.authority_problems(folders)
        plan["authority"] = folders[names[0]]
    return plan


def certificates_of_load_balancer(
    plan: Mapping[str, Any], host: str, hostvars: Mapping[str, Any], listen: str, shared: str = ""
) -> list[dict[str, Any]]:
    """Return the private certificates of the load balancer ``host``, for the role wsgi_app to make.

    listen: the address on which clients reach the load balancer, or one that stands for every address. shared: the
    address that it shares with other load balancers; empty where there is none.
    """
    listening = [] if listen in balancing.EVERY_ADDRESS or listen == "::" else [listen]
    addresses = [*listening, *filter(None, [shared]), *host_addresses([host], hostvars)]
    return balancing.private_certificates(plan, host, list(dict.fromkeys(addresses)))


def sharing_of_load_balancer(host: str, balancers: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """Return what keepalived on the load balancer ``host`` needs, as ``balancing.sharing`` does."""
    try:
        return balancing.sharing(host, list(balancers), hostvars)
    except balancing.AddressError as error:
        raise AnsibleFilterError(str(error)) from None


def holders(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of ``hosts`` that had the shared address when the run has asked them last."""
    return [host for host in hosts if (hostvars[host].get(HELD) or {}).get("holds")]


def backups_first(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return load balancers with those that have the shared address last."""
    names = list(hosts)
    # A check of the syntax has no hostvars.
    last = holders(names, hostvars) if hostvars else []
    return [*(host for host in names if host not in last), *last]


def relief(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return why each load balancer could not take the shared address; empty for one that could.

    results: of the module ``load_balancer_address`` on each of them.
    """
    return {
        one["item"]: "" if one.get("well") else str(one.get("unwell") or one.get("msg") or "it does not answer")
        for one in results
    }


def certificate_paths(certificates: Iterable[Mapping[str, Any]], folder: str) -> dict[str, str]:
    """Return the paths on the controller of the files of private certificates in ``folder``, by file."""
    return {
        f"{each['name']}{suffix}": f"{folder}/{each['name']}{suffix}" for each in certificates for suffix in SUFFIXES
    }


def given_files(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return those of ``files_of_load_balancer`` that are given on the load balancers themselves."""
    return [
        {"name": f"{each['name']}.pem", "record": each["name"], **each["given"]}
        for each in plan["certificates"]
        if each["given"]
    ]


def files_of_load_balancer(
    plan: Mapping[str, Any], certificates: Mapping[str, str], authorities: Iterable[str]
) -> list[dict[str, Any]]:
    """Return the files beside HAProxy's configuration, for the module ``load_balancer_config``.

    certificates: the texts of the private certificates and keys, by file. authorities: the texts of the certificates of
    authorities. A file that the text of another one names stands before that one.
    """
    if not plan["certificates"]:
        return []
    private = [
        {
            "name": f"{each['name']}.pem",
            "text": "".join(certificates[f"{each['name']}{suffix}"] for suffix in SUFFIXES),
        }
        for each in plan["certificates"]
        if not each["given"]
    ]
    lists = [{"name": name, "text": text} for name, text in balancing.certificate_lists(plan).items()]
    return [*given_files(plan), *private, {"name": balancing.AUTHORITY, "text": "".join(authorities)}, *lists]


def failure_reason(result: Mapping[str, Any]) -> str:
    """Return the message of a failed task's result; of a loop, the messages of the items that failed."""
    items = [item for item in result.get("results") or [] if isinstance(item, Mapping) and item.get("failed")]
    texts = [str(one.get("msg") or one.get("stderr") or "") for one in items or [result]]
    return "\n".join(dict.fromkeys(filter(None, texts)))


def fleet_state(hosts: Iterable[str], failed: str, hostvars: Mapping[str, Any]) -> str:
    """Return what the API hosts serve after the change of the host ``failed`` has stopped a run, a line for each."""
    own = hostvars[failed]
    serving = {one["item"]: one.get("apps") for one in own["__load_balancer_serving"]["results"]}
    lines = [f"The run stopped at {failed}. The hosts serve:"]
    for host in hosts:
        states = serving.get(host)
        apps = ", ".join(f"{one['app']} {one['release'] or '(nothing)'}" for one in states or ())
        if host == failed:
            note = _traffic(own["__load_balancer_back"]["results"])
        else:
            changed = any(hostvars[host].get(fact) is not None for fact in (SWITCHED, UPDATED))
            note = "changed by this run" if changed else "not changed by this run"
        lines.append(f"- {host}: {apps or ('unknown' if states is None else 'no app')}; {note}")
    return "\n".join([*lines, "Run the same command again when the cause is gone: it goes on where this one stopped."])


def other_releases(hosts: Iterable[str], planned: Mapping[str, str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each app of which ``hosts`` serve other releases than the ``planned`` ones, by app.

    A host has the registered result of M(grove.wsgi.status) as ``__add_status``. An app that none serves is new.
    """
    served: dict[str, dict[str, str]] = {}
    for host in hosts:
        for state in hostvars[host][STATUS]["apps"]:
            if state["state"] != REMOVED and state["release"]:
                served.setdefault(state["app"], {})[host] = state["release"]
    return [
        f"app {app}: release {release}, and {', '.join(f'{host} serves {own}' for host, own in served[app].items())}"
        for app, release in planned.items()
        if app in served and release not in served[app].values()
    ]


def not_lost(host: str, balancers: Iterable[str], hostvars: Mapping[str, Any]) -> str:
    """Return why the API host ``host`` needs no replacement; empty where it does.

    A run that was ended while it gave the fresh host to the load balancers one after the other has to be repeated, so
    a host that gets requests from some of them alone is replaced.
    """
    serves: dict[str, Mapping[str, str]] = {name: hostvars[name][READ]["serves"] for name in balancers}
    own = host_addresses([host], hostvars)[0]
    for balancer, apps in serves.items():
        for app, address in apps.items():
            if address != own:
                return (
                    f"{balancer} sends requests for {app} to {host} at {address}, where it answers, and the inventory"
                    f" says {own}: the lost host is back. Switch it off and run again, or keep it, with its address in"
                    " the inventory"
                )
    if not all(serves.values()):
        return ""
    names = ", ".join(sorted(set().union(*serves.values())))
    return (
        f"{host} is not lost: it answers, and gets requests for {names}. ./grove site brings it up to date,"
        f" ./grove update_hosts -l {host} upgrades and reboots it, and ./grove scale_in removes it"
    )


def moved_hosts(plan: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Return the hosts that are down for HAProxy, and that have another address in the inventory.

    plan: what HAProxy is to serve. before: what the module load_balancer_config has returned. HAProxy asks such a host
    at its former address until it has its next configuration.
    """
    former, new = _addresses(before["plan"]), _addresses(plan)
    return [host for host in before["down"] if host in new and former[host].isdisjoint(new[host])]


def _addresses(plan: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the addresses of each host of a plan."""
    found: dict[str, set[str]] = {}
    for backend in plan["backends"]:
        for server in backend["servers"]:
            found.setdefault(server["name"], set()).add(server["address"])
    return found


def builders(hosts: Iterable[str], host: str, hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of the API ``hosts`` whose software fits ``host``, and that this run has switched or only reads.

    They have the releases that ``host`` is to get. Software fits a host with the same release of its distribution.
    """
    own = _system(host, hostvars)
    return [name for name in _ready(hosts, host, hostvars) if all(own) and _system(name, hostvars) == own]


def other_systems(hosts: Iterable[str], host: str, hostvars: Mapping[str, Any]) -> list[str]:
    """Return, of those hosts that could be ``builders``, the ones whose software does not fit, with their systems."""
    names = list(hosts)
    fit = builders(names, host, hostvars)
    return [
        f"{name} has {' '.join(filter(None, _system(name, hostvars)[:2])) or 'an unknown system'}"
        for name in _ready(names, host, hostvars)
        if name not in fit
    ]


def _ready(hosts: Iterable[str], host: str, hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of ``hosts`` that have the releases which ``host`` is to get."""

    def has_releases(name: str) -> bool:
        switched, status = hostvars[name].get(SWITCHED), hostvars[name].get(STATUS) or {}
        return switched is not None or "apps" in status

    return [name for name in hosts if name != host and has_releases(name)]


def _system(host: str, hostvars: Mapping[str, Any]) -> list[Any]:
    facts = hostvars[host].get("ansible_facts") or {}
    return [facts.get(f"distribution{suffix}") for suffix in ("", "_release", "_major_version")]


def batch(balancers: Iterable[str], hosts: Iterable[str], hostvars: Mapping[str, Any]) -> int | str:
    """Return how many API ``hosts`` change at the same time, for ``serial``.

    That is their variable load_balancer_serial, and all of them while no load balancer sends requests to any. A load
    balancer that the run has not asked may send requests. Without ``hostvars``, as in a check of the syntax, it is one.
    """
    if not hostvars:
        return 1
    if not any((hostvars[one].get(BEFORE) or {}).get("sends", True) for one in balancers):
        return "100%"
    return next((hostvars[host].get(SERIAL, 1) for host in hosts), 1)


def _traffic(results: Iterable[Mapping[str, Any]]) -> str:
    """Return whether a host gets requests, from what each load balancer has answered."""
    answers = list(results)
    if not answers:
        return "it has no load balancer"
    refusals = [f"{one['item']}: {one['msg']}" for one in answers if one.get("msg")]
    if not refusals and not any(one.get("backends") for one in answers):
        return "no load balancer sends it requests yet"
    return f"out of the traffic, or not well ({'; '.join(refusals)})" if refusals else "well, and in the traffic"


class FilterModule:
    """Filters of the role ``load_balancer``, of the playbooks for a fleet, and of the role ``httpd``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "host_addresses": host_addresses,
            "hosts_on_machine": hosts_on_machine,
            "balancing_problems": balancing.group_problems,
            "balancing_plan": balancing_plan,
            "with_new_ports": lambda planned, current: balancing.with_new_ports(current, planned),
            "clock_problems": clock_problems,
            "certificate_paths": certificate_paths,
            "given_files": given_files,
            "certificates_of_load_balancer": certificates_of_load_balancer,
            "files_of_load_balancer": files_of_load_balancer,
            "router_id": balancing.router_id,
            "sharing_of_load_balancer": sharing_of_load_balancer,
            "holders": holders,
            "backups_first": backups_first,
            "relief": relief,
            "fleet_state": fleet_state,
            "failure_reason": failure_reason,
            "moved_hosts": moved_hosts,
            "other_releases": other_releases,
            "not_lost": not_lost,
            "builders": builders,
            "batch": batch,
            "other_systems": other_systems,
        }
