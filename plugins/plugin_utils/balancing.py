"""What the load balancers of a fleet do: frontends, backends, health checks and certificates.

It follows from the records of the API hosts.

The plan is made of dictionaries and lists. HAProxy's template gets it, and the load balancer keeps it as a file. A
later run reads there what it may ask an API host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.records.limits import COMMON_NAME_LENGTH

BALANCERS, API_HOSTS = "load_balancers", "wsgi"
"""The groups of the inventory."""
ADDRESS = "load_balancer_host_address"
"""The variable with a host's address; without it, the host's ``ansible_host`` counts."""
SHARED = "load_balancer_address"
"""The variable with the address that load balancers share, on which clients reach them."""
LISTEN, ROUTER = "load_balancer_listen", "load_balancer_router_id"
"""The variables with the address of HAProxy, and with the virtual router's number."""
ROUTERS = 255
"""Numbers that VRRP has for virtual routers, from 1."""
FIRST_PRIORITY = 200
"""In VRRP, of the group's first load balancer. Each one has one less than the one before it."""
EVERY_ADDRESS = ("*", "0.0.0.0", "[::]")
LEAST_BUFFER = 32_768
"""Bytes that HAProxy keeps of a request and of an answer. A request's head has to fit in one buffer, without the 1 KiB
that HAProxy leaves free."""
HEADS = 4
"""The buffer holds this many of the longest headers and URLs that a record allows."""
SERVER_NAME = re.compile(r"[A-Za-z0-9_.:-]+")
"""What HAProxy takes as the name of a server."""
CERTIFIED_NAME = re.compile(r"(?!.{254})(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}")
"""A name that a certificate, HAProxy and a handshake of TLS take."""
AUTHORITY = "authority.crt"
"""The file of a load balancer with the authorities of the API hosts' certificates."""

View = Mapping[str, Any]


class AddressError(Exception):
    """A host has no address that the others can use. The message is for the operator."""


def host_address(
    host: str, variables: Mapping[str, Any], name: str = ADDRESS, hosts: str = "load balancers and API hosts"
) -> str:
    """Return the IP address by which the other ``hosts`` reach a host. Raises AddressError where none is known.

    name: the variable with the address; without it, the host's ``ansible_host`` counts.
    """
    text = str(variables.get(name) or variables.get("ansible_host") or host).strip("[]")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.is_loopback or address.is_unspecified:
        raise AddressError(
            f"host {host}: {hosts} need the address by which they reach each other, and {text} is none; set {name} for"
            f" {host}, such as {name}: 192.0.2.11"
        )
    return str(address)


def group_problems(groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the groups of a fleet and with the addresses of its hosts."""
    balancers, api_hosts = list(groups.get(BALANCERS, ())), list(groups.get(API_HOSTS, ()))
    problems = [
        f"group {group}: it has no host; name one, or remove the group {BALANCERS} from the inventory"
        for group, hosts in ((BALANCERS, balancers), (API_HOSTS, api_hosts))
        if not hosts
    ]
    problems += [
        f"host {host}: it is in the groups {BALANCERS} and {API_HOSTS}, so that HAProxy and Apache would listen on the"
        " same ports; give the load balancer a host of its own"
        for host in balancers
        if host in api_hosts
    ]
    addresses: dict[str, str] = {}
    for host in dict.fromkeys([*balancers, *api_hosts]):
        if not SERVER_NAME.fullmatch(host):
            problems.append(
                f"host {host}: HAProxy takes letters, digits and _.:- in the name of a server; rename the host"
            )
        try:
            address = host_address(host, hostvars[host])
        except AddressError as error:
            problems.append(str(error))
            continue
        if address in addresses:
            problems.append(
                f"hosts {addresses[address]} and {host}: both have the address {address}; each needs its own"
            )
        addresses.setdefault(address, host)
    return problems + _version_problems(balancers, addresses) + _shared_problems(balancers, addresses, hostvars)


def _version_problems(balancers: Sequence[str], owners: Mapping[str, str]) -> list[str]:
    """Return which API hosts have addresses of another version of IP than a load balancer. owners: hosts by address."""
    versions = {host: ipaddress.ip_address(address).version for address, host in owners.items()}
    addresses = {host: address for address, host in owners.items()}
    return [
        f"hosts {balancer} and {host}: found the addresses {addresses[balancer]} and {addresses[host]}; HAProxy would"
        f" reach {host} from an address of {balancer} that {host} does not accept, so set {ADDRESS} of both in one"
        " version of IP"
        for host in versions
        if host not in balancers
        for balancer in balancers
        if balancer in versions and versions[balancer] != versions[host]
    ]


def router_id(address: str) -> int:
    """Return the number of the virtual router with an address, so that two addresses of a network have two numbers.

    An address that is none has the number 1.
    """
    try:
        return int(ipaddress.ip_address(address.strip("[]"))) % ROUTERS + 1
    except ValueError:
        return 1


def sharing(host: str, balancers: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what keepalived on ``host`` needs: ``address``, ``own``, ``peers`` and ``priority``.

    ``address`` is empty where the load balancers share none. Raises AddressError where a load balancer has no address.
    """
    address = _shared(hostvars[host])
    own = host_address(host, hostvars[host])
    peers = [host_address(other, hostvars[other]) for other in balancers if other != host]
    return {
        "address": address,
        "own": own,
        # keepalived speaks multicast without a peer, and gives the address away when that changes. Adverts to the
        # shared address do not leave the host that has it.
        "peers": peers or [address],
        "priority": max(FIRST_PRIORITY - list(balancers).index(host), 1),
    }


def _shared(variables: Mapping[str, Any]) -> str:
    """Return the shared address as it stands in configurations; as it was written where it is no address."""
    text = str(variables.get(SHARED) or "").strip("[]")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _shared_problems(
    balancers: Sequence[str], owners: Mapping[str, str], hostvars: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return what is wrong with the shared address. owners: the hosts of the fleet, by their own addresses."""
    shared = {host: _shared(hostvars[host]) for host in balancers}
    if not any(shared.values()):
        return (
            [
                f"group {BALANCERS}: found {', '.join(balancers)}; clients need one address that moves between load"
                f" balancers; set {SHARED} for the group, such as {SHARED}: 192.0.2.9, or name one load balancer"
            ]
            if len(balancers) > 1
            else []
        )
    first = balancers[0]
    for name, values in ((SHARED, shared), (ROUTER, {host: hostvars[host].get(ROUTER) for host in balancers})):
        for host, value in values.items():
            if value != values[first]:
                return [
                    f"variable {name}: found {values[first] or 'nothing'} on {first} and {value or 'nothing'} on"
                    f" {host}; load balancers share one, so write it once for the group"
                ]
    text = shared[first]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if (
        address is None
        or address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
    ):
        return [
            f"variable {SHARED}: found {text}; it has to be an address of the load balancers' network that no machine"
            f" has, such as {SHARED}: 192.0.2.9"
        ]
    if text in owners:
        return [
            f"variable {SHARED}: found {text}, which is the own address of {owners[text]}; it has to be one that no"
            " machine has, since keepalived moves it"
        ]
    problems = [
        f"variable {SHARED}: found {text}, and {host} has the address {own}; VRRP needs addresses of one version of IP,"
        f" so set {ADDRESS} for {host}, or choose another shared address"
        for own, host in owners.items()
        if host in balancers and ipaddress.ip_address(own).version != address.version
    ]
    every = ("::", "[::]") if address.version == 6 else ("*", "0.0.0.0", "::")
    for host in balancers:
        listen = str(hostvars[host].get(LISTEN) or "*")
        if listen not in every and listen.strip("[]") != text:
            problems.append(
                f"variable {LISTEN}: found {listen} on {host}, where clients of {text} get no answer; it has to be"
                f" {' or '.join([*every, text])}"
            )
    return problems


def authority_problems(folders: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the folders of the private authority on the controller, by API host."""
    (host, first), *others = folders.items()
    return [
        f"variable wsgi_app_tls_ca_dir: found {first} on {host} and {folder} on {other}; the load balancers trust one"
        " authority for all API hosts, so write one folder for all"
        for other, folder in others
        if folder != first
    ]


def plan(apps: Mapping[str, Mapping[str, View]], addresses: Mapping[str, str]) -> dict[str, Any]:
    """Return ``frontends``, ``backends``, ``certificates``, ``buffer`` in bytes, and ``problems``.

    apps: for each API host, the view of each record for Apache's templates, by the app's name. addresses: of the API
    hosts. A certificate is for the VirtualHost of one or more records.
    """
    problems = [text for host, views in apps.items() for view in views.values() for text in _view_problems(host, view)]
    by_name: dict[str, dict[str, View]] = {}
    for host, views in apps.items():
        for name, view in views.items():
            by_name.setdefault(name, {})[host] = view
    for name, views in by_name.items():
        problems += _differences(name, views)
    first = {name: next(iter(views.values())) for name, views in by_name.items()}
    ports = sorted({view["port"] for view in first.values()})
    longest = max((view["max_url"] + view["max_header"] for view in first.values()), default=0)
    return {
        "frontends": [_frontend(port, [view for view in first.values() if view["port"] == port]) for port in ports],
        "backends": [_backend(views, addresses) for _, views in sorted(by_name.items())],
        "certificates": _certificates(list(first.values())),
        "buffer": max(LEAST_BUFFER, HEADS * longest),
        "problems": problems,
    }


def with_new_ports(current: Mapping[str, Any], planned: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan that serves what HAProxy serves by its ``current`` plan, and the ports that only ``planned`` has.

    A port is new where none of its apps is served by the current plan, so nobody gets other answers than before.
    Without such a port, the plan is empty.
    """
    ports = {each["port"] for each in current.get("frontends", ())}
    names = {each["name"] for each in current.get("backends", ())}
    new = [
        each
        for each in planned["frontends"]
        if each["port"] not in ports and not names & {each["default"], *(rule["backend"] for rule in each["rules"])}
    ]
    if not new:
        return {}
    added = {name for each in new for name in (each["default"], *(rule["backend"] for rule in each["rules"]))}
    kept = {key: list(current.get(key, ())) for key in ("frontends", "backends", "certificates")}
    return {
        **planned,
        "frontends": sorted(kept["frontends"] + new, key=lambda each: each["port"]),
        "backends": sorted(
            kept["backends"] + [each for each in planned["backends"] if each["name"] in added],
            key=lambda each: each["name"],
        ),
        "certificates": kept["certificates"]
        + [each for each in planned["certificates"] if each["port"] in {frontend["port"] for frontend in new}],
    }


def backend_name(app: str) -> str:
    """Return the name of an app's backend in HAProxy's configuration."""
    return f"app-{app}"


def _view_problems(host: str, view: View) -> Iterable[str]:
    name = view["name"]
    if view["tls"] != "off" and not CERTIFIED_NAME.fullmatch(view["balanced_name"]):
        yield (
            f"record {name}, key tls: found {view['tls']} on {host}; the host's certificate is for"
            f" {view['balanced_name']}, which no certificate can name: rename the host (letters, digits, _ - and ., at"
            " most 63 characters between two dots), or shorten server_name"
        )
    address = view["address"]
    if address in EVERY_ADDRESS:
        return
    try:
        loopback = ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        loopback = address == "localhost"
        if not loopback:
            yield (
                f"record {name}, key listen: found {address} on {host}; for a load balancer it has to be a port, or an"
                " IP address"
            )
    if loopback:
        yield (
            f"record {name}, key listen: found {address} on {host}, which no load balancer reaches; say the port alone,"
            ' or set wsgi_app_listen_address to "*"'
        )


def _differences(name: str, views: Mapping[str, View]) -> Iterable[str]:
    (host, first), *others = views.items()
    for other, view in others:
        for key in ("port", "path", "server_name", "server_aliases", "tls", "given"):
            if view[key] != first[key] and (key != "given" or view["tls"] == first["tls"]):
                written = {"port": "listen", "given": "tls_certificate"}.get(key, key)
                yield (
                    f"record {name}, key {written}: found {first[key]} on {host} and {view[key]} on {other};"
                    " all API hosts have to answer at the same place"
                )


def _frontend(port: int, views: Sequence[View]) -> dict[str, Any]:
    """Return a frontend. Its rules stand in the order in which Apache decides: by name first, then the longest path."""
    ordered = sorted(views, key=lambda view: (not view["server_name"], -len(view["path"]), view["path"], view["name"]))
    rules = [
        {"backend": backend_name(view["name"]), "conditions": condition}
        for view in ordered
        for condition in _conditions(view)
        if condition
    ]
    # What no rule takes, Apache answers as it does without a load balancer, so any app of the port will do.
    default = ordered[-1]
    return {
        "name": f"port-{port}",
        "port": port,
        "tls": default["tls"] != "off",
        # Without a record for every name, a client has to say the name of one.
        "strict": bool(default["server_name"]),
        "rules": rules,
        "default": backend_name(default["name"]),
    }


def _certificates(views: Sequence[View]) -> list[dict[str, Any]]:
    """Return the certificates of load balancers, that of the record without a name first: HAProxy's default."""
    sites: dict[tuple[int, str], list[View]] = {}
    for view in sorted(views, key=lambda view: view["name"]):
        if view["tls"] != "off":
            sites.setdefault((view["port"], (view["server_name"] or "").lower()), []).append(view)
    return [
        {
            "name": sharing[0]["name"],
            "port": port,
            "names": list(
                dict.fromkeys([name, *(alias.lower() for view in sharing for alias in view["server_aliases"])])
            )
            if name
            else [],
            "given": sharing[0]["given"],
        }
        for (port, name), sharing in sorted(sites.items())
    ]


def private_certificates(plan: Mapping[str, Any], host: str, addresses: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the role ``wsgi_app`` makes certificates of, for a load balancer and its addresses."""
    own = [*([f"DNS:{host}"] if CERTIFIED_NAME.fullmatch(host) else []), *(f"IP:{address}" for address in addresses)]
    return [
        {
            "name": each["name"],
            "common_name": (each["names"] or [host])[0][:COMMON_NAME_LENGTH],
            "alternative_names": [f"DNS:{name}" for name in each["names"]] or own,
        }
        for each in plan["certificates"]
        if not each["given"]
    ]


def certificate_lists(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return HAProxy's lists of certificates by the name of their file: which certificate answers to which names.

    ``@FILE@`` stands for the path of another file of the load balancer.
    """
    lists: dict[str, str] = {}
    for each in plan["certificates"]:
        name = f"port-{each['port']}.list"
        # HAProxy takes * as the filter of a default certificate alone.
        lists[name] = lists.get(name, "") + " ".join([f"@{each['name']}.pem@", *(each["names"] or ["*"])]) + "\n"
    return lists


def _conditions(view: View) -> list[str]:
    """Return HAProxy's conditions, any of which sends a request to the app's backend."""
    name = "req.hdr(host),host_only,lower"
    names = [each.lower() for each in (view["server_name"], *view["server_aliases"]) if each]
    exact = [each for each in names if not each.startswith("*.")]
    hosts = [f"{{ {name} -m str -- {' '.join(exact)} }}"] if exact else []
    hosts += [f"{{ {name} -m end -- {each[1:]} }}" for each in names if each.startswith("*.")]
    path = view["path"]
    paths = [] if path == "/" else [f"{{ path -m str -- '{path}' }}", f"{{ path -m beg -- '{path}/' }}"]
    return [" ".join(filter(None, (host, below))) for host in hosts or [""] for below in paths or [""]]


def _backend(views: Mapping[str, View], addresses: Mapping[str, str]) -> dict[str, Any]:
    first = next(iter(views.values()))
    health = first["health_check"]
    return {
        "name": backend_name(first["name"]),
        "app": first["name"],
        "path": first["health_path"],
        "host": health["host"],
        "headers": dict(health["headers"]),
        "statuses": list(health["statuses"]),
        "tls": first["tls"] != "off",
        "servers": [
            {
                "name": host,
                "address": addresses[host] if view["address"] in EVERY_ADDRESS else view["address"].strip("[]"),
                "port": view["port"],
                "certified": view["balanced_name"],
            }
            for host, view in views.items()
        ],
    }
