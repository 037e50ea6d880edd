"""Several users ask every service at the same time. Each answer has to belong to its asker."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from served import Host, wait_for

pytest_plugins = ["control_plane_fixtures"]

LOAD = Path(__file__).with_name("mixed_load.py")
# Seconds of the load, answers of each service that have to be right, and seconds until they have to be there.
SECONDS, LEAST, LONGEST = 20, 21, 150
PORTS = {
    "keystone": 5000, "nova": 8774, "nova-metadata": 8775, "cinder": 8776, "neutron": 9696, "glance": 9292,
    "placement": 8778, "gnocchi": 8041, "aodh": 8042, "telemetry": 8777,
}  # fmt: skip
# keystone answers many times as fast as the others, and its threads have to meet.
THREADS = {"keystone": 3}
SEND = """
import urllib.error, urllib.request
method, url, headers, body = arguments
data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
request = urllib.request.Request(url, data=data, headers=headers, method=method)
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
text = answer.read().decode()
sent = {name.lower(): value for name, value in answer.headers.items()}
print(json.dumps([answer.status, sent, json.loads(text) if text[:1] in ("{", "[") else text]))
"""


@dataclass
class User:
    """A user with a token. ``project`` is empty for a token without a project; ``owns`` has an id for some services."""

    name: str
    id: str
    project: str
    token: str
    owns: dict[str, str] = field(default_factory=dict)
    requests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def asks(
        self,
        service: str,
        request: str,
        values: dict[str, list[str]] | int,
        *,
        body: Any = None,
        made: str = "",
        delete: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Add a request, such as ``GET /v3/projects``, and what its answer has to be.

        values: what stands at the paths of the answer, or the status of an error. made: the path of the id of what the
        request makes. delete: the URL's path that deletes it.
        """
        method, path = request.split()
        one = {
            "method": method,
            "url": url(service, path),
            "headers": self.headers() | (headers or {}),
            "body": None if body is None else json.dumps(body),
            "status": values if isinstance(values, int) else 0,
            "values": {} if isinstance(values, int) else values,
            "made": made,
            "delete": delete and url(service, delete),
        }
        self.requests.setdefault(service, []).append(one)

    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        return {"X-Auth-Token": self.token, "Content-Type": "application/json", "Accept": "application/json"}


def url(service: str, path: str) -> str:
    return f"http://127.0.0.1:{PORTS[service]}{path}"


@dataclass
class Client:
    """Sends requests from the host, and removes what they have made."""

    host: Host
    headers: dict[str, str]
    made: list[tuple[str, str]] = field(default_factory=list)

    def send(self, service: str, request: str, body: Any = None, **headers: str) -> Any:
        """Send a request, such as ``GET /v3/projects``; return the headers and the answer. Fails with an error.

        A text as ``body`` is sent as it is.
        """
        method, path = request.split()
        status, answered, answer = self.host.python(SEND, method, url(service, path), self.headers | headers, body)
        assert status < 300, f"{service}: {request}: {status} {answer}"
        return answered, answer

    def make(self, service: str, path: str, body: Any, kind: str = "", **headers: str) -> Any:
        """Make something and return what the answer says of it, which may be below the key ``kind``."""
        _, answer = self.send(service, f"POST {path}", body, **headers)
        described = answer[kind] if kind else answer
        self.made.append((service, f"{path}/{described.get('id') or described.get('alarm_id')}"))
        return described

    def remove(self) -> None:
        """Remove what was made; what has gone with something else may be missing."""
        for service, path in reversed(self.made):
            self.host.python(SEND, "DELETE", url(service, path), self.headers, None)


def log_in(host: Host, identity: dict[str, Any], **scope: Any) -> tuple[str, dict[str, Any]]:
    """Return a token and what keystone says about it."""
    nobody = Client(host, {"Content-Type": "application/json"})
    headers, answer = nobody.send("keystone", "POST /v3/auth/tokens", {"auth": {"identity": identity, **scope}})
    return headers["x-subject-token"], answer["token"]


def by_password(name: str, password: str) -> dict[str, Any]:
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    return {"methods": ["password"], "password": {"user": user}}


@pytest.fixture(scope="module")
def users(control: Host) -> Iterator[dict[str, User]]:
    """The administrator, two members of a project each, one without a project, and a restricted credential."""
    text = control.run("cat", "/etc/openstack/openrc")
    settings = dict(re.findall(r"(?m)^export (OS_\w+)='?([^'\n]*)'?$", text))
    scope = {"project": {"name": settings["OS_PROJECT_NAME"], "domain": {"id": "default"}}}
    token, about = log_in(control, by_password(settings["OS_USERNAME"], settings["OS_PASSWORD"]), scope=scope)
    users = {"admin": User("admin", about["user"]["id"], about["project"]["id"], token)}
    admin = Client(control, users["admin"].headers())
    try:
        _, roles = admin.send("keystone", "GET /v3/roles?name=member")
        for name, project_name in (("baker", "bakery"), ("butcher", "butchery"), ("visitor", "")):
            body = {"name": name, "password": f"{name} by name", "domain_id": "default"}
            user_id = admin.make("keystone", "/v3/users", {"user": body}, "user")["id"]
            project_id, scope = "", {}
            if project_name:
                project = {"project": {"name": project_name, "domain_id": "default"}}
                project_id = admin.make("keystone", "/v3/projects", project, "project")["id"]
                scope = {"scope": {"project": {"id": project_id}}}
                role = roles["roles"][0]["id"]
                admin.send("keystone", f"PUT /v3/projects/{project_id}/users/{user_id}/roles/{role}")
            token, _ = log_in(control, by_password(name, f"{name} by name"), **scope)
            users[name] = User(name, user_id, project_id, token)
        path = f"/v3/users/{users['admin'].id}/application_credentials"
        credential = admin.make(
            "keystone", path, {"application_credential": {"name": "robot"}}, "application_credential"
        )
        robot = {key: credential[key] for key in ("id", "secret")}
        token, about = log_in(control, {"methods": ["application_credential"], "application_credential": robot})
        users["robot"] = User("robot", about["user"]["id"], about["project"]["id"], token)
        yield users
    finally:
        admin.remove()


@pytest.fixture(scope="module")
def servers(control: Host, users: dict[str, User]) -> Iterator[None]:
    """A server of each member, and what the lists of each member show."""
    admin = Client(control, users["admin"].headers())
    clients = [Client(control, users[name].headers()) for name in ("baker", "butcher")]
    try:
        flavor = {"name": "crumb", "ram": 64, "disk": 1, "vcpus": 1}
        flavor_id = admin.make("nova", "/v2.1/flavors", {"flavor": flavor}, "flavor")["id"]
        image = {"name": "dough", "container_format": "bare", "disk_format": "raw", "visibility": "public"}
        image_id = admin.make("glance", "/v2/images", image)["id"]
        data = {"Content-Type": "application/octet-stream"}
        admin.send("glance", f"PUT /v2/images/{image_id}/file", "flour and water", **data)
        for client, user in zip(clients, (users["baker"], users["butcher"]), strict=True):
            server = {"name": user.name, "flavorRef": flavor_id, "imageRef": image_id, "networks": "none"}
            version = {"X-OpenStack-Nova-API-Version": "2.37"}
            volume = {"name": user.name, "size": 1}
            owned = {
                "nova": client.make("nova", "/v2.1/servers", {"server": server}, "server", **version),
                "cinder": client.make("cinder", f"/v3/{user.project}/volumes", {"volume": volume}, "volume"),
                "glance": client.make("glance", "/v2/images", {**image, "name": user.name, "visibility": "private"}),
                "gnocchi": client.make("gnocchi", "/v1/metric", {"archive_policy_name": "low"}),
                "aodh": client.make("aodh", "/v2/alarms", alarm(user.name)),
            }
            user.owns = {service: thing.get("id") or thing["alarm_id"] for service, thing in owned.items()}
            client.send("telemetry", f"POST /v2/meters/{user.name}?direct=true", [sample(user.name)])

        def active() -> str:
            answers = [client.send("nova", "GET /v2.1/servers/detail")[1]["servers"] for client in clients]
            states = {server["status"] for [server] in answers}
            assert "ERROR" not in states
            return "yes" if states == {"ACTIVE"} else ""

        assert wait_for(active, 300)
        yield
    finally:
        for client in (*clients, admin):
            client.remove()


def alarm(name: str) -> dict[str, Any]:
    return {"name": name, "type": "event", "event_rule": {"event_type": "sold"}}


def sample(name: str) -> dict[str, Any]:
    return {
        "counter_name": name, "counter_type": "gauge", "counter_unit": "loaf", "counter_volume": 1, "resource_id": name,
    }  # fmt: skip


def signed(control: Host, user: User) -> dict[str, str]:
    """Return the headers with which neutron's agent asks for the metadata of the user's server."""
    _, release = control.live("nova-metadata")
    text = control.run("cat", f"/srv/wsgi/nova-metadata/releases/{release}/etc/nova.conf")
    [secret] = re.findall(r"(?m)^metadata_proxy_shared_secret = (\S+)$", text)
    signature = hmac.new(secret.encode(), user.owns["nova"].encode(), hashlib.sha256).hexdigest()
    return {
        "X-Instance-ID": user.owns["nova"],
        "X-Tenant-ID": user.project,
        "X-Instance-ID-Signature": signature,
        "X-Forwarded-For": "192.0.2.7",
    }


def add_requests_of_a_member(user: User, other: User, metadata: dict[str, str]) -> None:
    """Add the requests of a member. ``other`` is the member of another project. ``metadata`` has headers for nova."""
    own = [user.project]
    credential = {"application_credential": {"name": "{n}", "description": user.name}}
    path = f"/v3/users/{user.id}/application_credentials"
    roles = {"application_credential.project_id": own, "application_credential.roles[].name": ["member", "reader"]}
    user.asks(
        "keystone", f"POST {path}", roles, body=credential, made="application_credential.id", delete=f"{path}/{{}}"
    )
    user.asks("keystone", "GET /v3/auth/projects", {"projects[].id": own})
    user.asks("keystone", f"GET /v3/users/{user.id}", {"user.id": [user.id]})
    user.asks("keystone", "GET /v3/users", 403)

    group = {"server_group": {"name": "{n}", "policy": "affinity"}}
    version = {"X-OpenStack-Nova-API-Version": "2.64"}
    shown = {"server_group.project_id": own, "server_group.user_id": [user.id]}
    path = "/v2.1/os-server-groups"
    user.asks("nova", f"POST {path}", shown, body=group, headers=version, made="server_group.id", delete=f"{path}/{{}}")
    user.asks("nova", "GET /v2.1/servers/detail", {"servers[].tenant_id": own, "servers[].name": [user.name]})
    user.asks("nova", "GET /v2.1/servers/detail?all_tenants=1", 403)
    user.asks("nova", f"GET /v2.1/servers/{other.owns['nova']}", 404)
    values = {"uuid": [user.owns["nova"]], "project_id": own}
    user.asks("nova-metadata", "GET /openstack/latest/meta_data.json", values, headers=metadata)

    values = {"volumes[].os-vol-tenant-attr:tenant_id": own, "volumes[].name": [user.name]}
    user.asks("cinder", f"GET /v3/{user.project}/volumes/detail", values)
    user.asks("cinder", f"POST /v3/{user.project}/types", 403, body={"volume_type": {"name": "{n}"}})
    user.asks("cinder", f"GET /v3/{user.project}/volumes/{other.owns['cinder']}", 404)

    path = "/v2.0/networks"
    network = {"network": {"name": "{n}"}}
    user.asks(
        "neutron", f"POST {path}", {"network.project_id": own}, body=network, made="network.id", delete=f"{path}/{{}}"
    )
    user.asks("neutron", "GET /v2.0/security-groups", {"security_groups[].project_id": own})

    path = "/v2/images"
    image = {"name": "{n}", "container_format": "bare", "disk_format": "raw"}
    user.asks("glance", f"POST {path}", {"owner": own}, body=image, made="id", delete=f"{path}/{{}}")
    user.asks("glance", f"GET {path}?visibility=private", {"images[].owner": own})
    user.asks("glance", f"GET {path}/{other.owns['glance']}", 404)

    version = {"OpenStack-API-Version": "placement 1.9"}
    user.asks("placement", "GET /resource_providers", 403)
    user.asks("placement", f"GET /usages?project_id={user.project}", {"usages.VCPU": ["1"]}, headers=version)
    user.asks("placement", f"GET /usages?project_id={other.project}", 403, headers=version)

    path = "/v1/metric"
    creator = {"creator": [f"{user.id}:{user.project}"]}
    user.asks("gnocchi", f"POST {path}", creator, body={"archive_policy_name": "low"}, made="id", delete=f"{path}/{{}}")
    user.asks("gnocchi", f"GET {path}/{user.owns['gnocchi']}", creator)
    user.asks("gnocchi", f"GET {path}/{other.owns['gnocchi']}", 403)

    path = "/v2/alarms"
    shown = {"project_id": own, "user_id": [user.id]}
    user.asks("aodh", f"POST {path}", shown, body=alarm("{n}"), made="alarm_id", delete=f"{path}/{{}}")
    user.asks("aodh", f"GET {path}", {"[].project_id": own})
    user.asks("aodh", f"GET {path}/{other.owns['aodh']}", 404)

    shown = {"[].project_id": own, "[].user_id": [user.id]}
    user.asks("telemetry", f"POST /v2/meters/{user.name}", shown, body=[sample(user.name)])
    user.asks("telemetry", "GET /v2/meters", {"[].project_id": own, "[].name": [user.name]})


def add_requests_of_others(admin: User, robot: User, visitor: User, members: list[User]) -> None:
    """Add the requests of an administrator, of a credential that may do less than its user, and of nobody's token."""
    path = f"/v3/users/{admin.id}/OS-OAUTH1/access_tokens"
    admin.asks("keystone", f"GET {path}", {"links.next": ["None"]})
    robot.asks("keystone", f"GET {path}", 403)
    visitor.asks("keystone", "GET /v3/auth/projects", {"projects[].id": []})
    visitor.asks("keystone", "GET /v3/users", 403)

    owns = members[0].owns
    admin.asks("nova", f"GET /v2.1/servers/{owns['nova']}", {"server.id": [owns["nova"]]})
    admin.asks("placement", "GET /resource_providers", {})
    admin.asks("neutron", "GET /v2.0/agents", {})
    admin.asks("cinder", f"GET /v3/{admin.project}/os-services", {})
    admin.asks("aodh", "GET /v2/alarms?q.field=all_projects&q.op=eq&q.value=true", {})
    admin.asks("gnocchi", f"GET /v1/metric/{owns['gnocchi']}", {"id": [owns["gnocchi"]]})


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("servers")
def test_every_answer_belongs_to_its_asker(control: Host, users: dict[str, User]) -> None:
    members = [users["baker"], users["butcher"]]
    for user, other in zip(members, reversed(members), strict=True):
        add_requests_of_a_member(user, other, signed(control, user))
    add_requests_of_others(users["admin"], users["robot"], users["visitor"], members)
    askers = [
        {"name": user.name, "service": service, "requests": requests}
        for user in users.values()
        for service, requests in user.requests.items()
        for _ in range(THREADS.get(service, 1))
    ]
    load = {"seconds": SECONDS, "least": LEAST, "longest": LONGEST, "askers": askers}
    plan = "/run/mixed-load.json"
    control.run("sh", "-c", f"umask 077; cat >{plan}", stdin=json.dumps(load))
    found = json.loads(control.run("python3", "-", plan, stdin=LOAD.read_text()))
    control.run("rm", plan)
    print(json.dumps(found, indent=1))
    assert found["examples"] == {}
    assert set(found["counts"]) == set(PORTS)
    assert min(count["right"] for count in found["counts"].values()) >= LEAST
