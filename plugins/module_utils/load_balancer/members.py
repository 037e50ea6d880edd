"""An API host as a load balancer sees it: out of the traffic, or back in it once it answers and is up for HAProxy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import limits
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.configuration import PLAN
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.runtime import (
    DRAIN,
    READY,
    Haproxy,
    RuntimeSocketError,
    Server,
)
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Place, ask

Value = TypeVar("Value", int, str)


class MemberError(OperatorError):
    """An API host cannot be taken out of the traffic, or put back. ``result`` is for the module's result."""

    def __init__(self, message: str, result: Mapping[str, Any] | None = None) -> None:
        """Keep the message, and what the module returns beside it."""
        super().__init__(message)
        self.result = dict(result or {})


@dataclass(frozen=True)
class Member:
    """A host in one backend. place: where its app answers. path: of the health request. statuses: of a good answer.

    alone: whether the backend has no other server.
    """

    backend: str
    app: str
    place: Place
    path: str
    statuses: Sequence[int] = field(default=(200,))
    alone: bool = False

    def same_question(self, other: Member) -> bool:
        """Return whether another member is asked the same at the same place."""
        return replace(self, alone=other.alone) == other


def plan_of(path: Path = PLAN) -> dict[str, Any]:
    """Return the plan by which HAProxy runs.

    A load balancer without a plan has not been set up yet, and sends nothing to anybody.
    """
    try:
        plan: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {"backends": []}
    return plan


def members_of(host: str, plan: Mapping[str, Any], apps: Sequence[str] = ()) -> list[Member]:
    """Return the backends of a plan that send requests to ``host``, those of ``apps`` alone if any are named."""
    return [
        Member(
            backend["name"],
            backend["app"],
            # A plan of an older Grove has no TLS.
            Place(
                server["address"],
                server["port"],
                backend["host"],
                tls=backend.get("tls", False),
                headers=backend["headers"],
            ),
            backend["path"],
            backend["statuses"],
            alone=len(backend["servers"]) == 1,
        )
        for backend in plan["backends"]
        for server in backend["servers"]
        if server["name"] == host and (not apps or backend["app"] in apps)
    ]


def check_answers(
    hosts: Sequence[str], plan: Mapping[str, Any], former: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Ask those apps of ``hosts`` from this load balancer that HAProxy asks by ``plan`` and not by the ``former`` plan.

    Raises MemberError with the apps that are not well after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    asked: list[Member] = []
    problems: list[str] = []
    for host in hosts:
        known = members_of(host, former)
        new = [member for member in members_of(host, plan) if not any(map(member.same_question, known))]
        asked += new
        problems += [
            f"app {member.app} on {host}: {unwell}; HAProxy keeps its configuration"
            for member in new
            if (unwell := _unwell(member, deadline))
        ]
    if problems:
        raise MemberError("\n".join(problems))
    return {"changed": False, "backends": [member.backend for member in asked]}


def take_out(
    haproxy: Haproxy, host: str, members: Sequence[Member], seconds: float, *, keep_alone: bool = True
) -> dict[str, Any]:
    """Send no further request to ``host``, and wait until its sessions have ended, ``seconds`` at most.

    A backend in which ``host`` is the only server keeps it; without ``keep_alone``, such a backend is refused. Raises
    MemberError, before anything changed, where no other server of a backend is up.
    """
    if not keep_alone and (apps := [member.app for member in members if member.alone]):
        raise MemberError(
            f"{host} stays in the traffic: no other API host serves {', '.join(apps)}; give another host the record"
            " first, and run site"
        )
    servers = haproxy.servers()
    own = [_server(servers, member.backend, host) for member in members]
    leaving = []
    for server in own:
        others = [one for one in servers if one.backend == server.backend and one.name != host]
        if not others:
            continue
        if server.up and not any(one.up and one.state == READY for one in others):
            raise MemberError(
                f"{host} stays in the traffic: no other server of the backend {server.backend} is up"
                f" ({', '.join(f'{one.name} is {_state(one)}' for one in others)}); mend these first, and run again"
            )
        leaving.append(server)
    changed = [server for server in leaving if server.state == READY]
    for server in changed:
        haproxy.set_state(server.backend, host, DRAIN)
    backends = {server.backend for server in leaving}

    def busy() -> int:
        # Sessions with a lost host end when HAProxy's own limits have passed.
        if not any(server.up for server in leaving):
            return 0
        now = [server for server in haproxy.servers() if server.name == host and server.backend in backends]
        return sum(server.sessions for server in now) or int(bool(backends) and haproxy.has_old_workers())

    started = time.monotonic()
    left = _wait(busy, seconds)
    return {
        "changed": bool(changed),
        "backends": sorted(backends),
        "sessions_left": left,
        "seconds": round(time.monotonic() - started, 1),
    }


def served_apps(haproxy: Haproxy, host: str, members: Sequence[Member]) -> dict[str, str]:
    """Return for which apps HAProxy sends requests to ``host``, with the address to which it sends them."""
    servers = haproxy.servers()
    own = ((member, _server(servers, member.backend, host)) for member in members)
    return {member.app: member.place.address for member, server in own if server.up and server.state == READY}


def hosts_down(haproxy: Haproxy, plan: Mapping[str, Any]) -> list[str]:
    """Return the hosts of the plan that are up for no app. Nothing is known of a HAProxy that does not answer."""
    if not plan["backends"]:
        return []
    try:
        up = {server.name for server in haproxy.servers() if server.up}
    except RuntimeSocketError:
        return []
    return sorted({server["name"] for backend in plan["backends"] for server in backend["servers"]} - up)


def put_back(haproxy: Haproxy, hosts: Mapping[str, Sequence[Member]], seconds: float) -> dict[str, Any]:
    """Ask each app of ``hosts`` from this load balancer, send requests to it again, and wait for HAProxy's checks.

    hosts: the backends of each host, by its name. Raises MemberError with the backends that are not well after
    ``seconds``. They stay as they are; the others are back.
    """
    deadline = time.monotonic() + seconds
    # Once for all: HAProxy's answer has a line for each server of the fleet.
    before = haproxy.servers()
    problems: list[str] = []
    changed = []
    for host, member in ((host, member) for host, members in hosts.items() for member in members):
        if unwell := _unwell(member, deadline):
            problems.append(f"app {member.app} on {host}: {unwell}")
            continue
        known = _server(before, member.backend, host)
        if known.up and known.state == READY:
            continue
        if known.state != READY:
            haproxy.set_state(member.backend, host, READY)
            changed.append(member.backend)

        def down(host: str = host, member: Member = member) -> str:
            server = _server(haproxy.servers(), member.backend, host)
            return "" if server.up and server.state == READY else _state(server)

        if state := _wait(down, max(deadline - time.monotonic(), limits.POLL_SECONDS)):
            problems.append(f"app {member.app} on {host}: it answers, and for HAProxy the server is {state}")
    backends = [member.backend for members in hosts.values() for member in members]
    result = {"changed": bool(changed), "backends": backends, "put_back": changed}
    if problems:
        raise MemberError("\n".join(f"{problem}, {seconds:.0f} s after the change" for problem in problems), result)
    return result


def _unwell(member: Member, deadline: float) -> str:
    """Return what an app answers instead of what it should, when the time is up; empty as soon as it is well."""

    def question() -> str:
        answer = ask(member.place, member.path, timeout=limits.REQUEST_SECONDS)
        if answer.status in member.statuses:
            return ""
        statuses = " or ".join(map(str, member.statuses))
        return f"{member.path}, asked from the load balancer, {answer}; it has to answer {statuses}"

    return _wait(question, max(deadline - time.monotonic(), limits.POLL_SECONDS))


def _server(servers: Sequence[Server], backend: str, host: str) -> Server:
    for server in servers:
        if (server.backend, server.name) == (backend, host):
            return server
    raise MemberError(
        f"HAProxy has no server {host} in the backend {backend}, and {PLAN} says that it has; run ./grove site, which"
        " writes HAProxy's configuration again"
    )


def _state(server: Server) -> str:
    state = "up" if server.up else f"down ({server.check})" if server.check else "down"
    return state + ("" if server.state == READY else f", in the state {server.state}")


def _wait(attempt: Callable[[], Value], seconds: float) -> Value:
    """Call ``attempt`` until it returns nothing, or the time is up; return its last result."""
    deadline = time.monotonic() + seconds
    while (result := attempt()) and time.monotonic() < deadline:
        time.sleep(limits.POLL_SECONDS)
    return result
