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
SECONDS = 20
PORTS = {
    "keystone": 5000, "nova": 8774, "nova-metadata": 8775, "cinder": 8776, "neutron": 9696, "glance": 9292,
    "placement": 8778, "gnocchi": 8041, "aodh": 8042, "telemetry": 8777,
}  # fmt: skip
# keystone answers many times as fast as the others, and its threads have to meet.
THREADS = {"keystone": 3}
SEND = """
import urllib.error, urllib.request
answers = []
for method, url, headers, body in arguments[0]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode()
    answers.append([answer.status, dict(answer.headers), json.loads(text) if text[:1] in list('{["') else text])
print(json.dumps(answers))
"""


@dataclass
class User:
    """A user with a token. ``project`` is empty for a token without a project; ``server`` is the id of a server."""

    name: str
    id: str
    project: str
    token: str
    server: str = ""
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


class Client:
    """Sends requests from the host, one after the other."""

    def __init__(self, host: Host, headers: dict[str, str]) -> None:
        self.host = host
        self.headers = headers

    def send(self, service: str, *requests: tuple[str, Any], headers: dict[str, str] | None = None) -> list[Any]:
        """Send requests, such as ("GET /v3/projects", None); return the answers. Fails where one is an error."""
        sent = [
            (*request.split()[:1], url(service, request.split()[1]), self.headers | (headers or {}), body)
            for request, body in requests
        ]
        answers = self.host.python(SEND, sent)
        for (request, _), (status, _, answer) in zip(requests, answers, strict=True):
            assert status < 300, f"{service}: {request}: {status} {answer}"
        return [answer for _, _, answer in answers]

    def log_in(self, identity: dict[str, Any], scope: Any = None) -> tuple[str, dict[str, Any]]:
        """Return a token and what keystone says about it."""
        body = {"auth": {"identity": identity} | ({} if scope is None else {"scope": scope})}
        headers = {"Content-Type": "application/json"}
        [[status, answered, answer]] = self.host.python(
            SEND, [("POST", url("keystone", "/v3/auth/tokens"), headers, body)]
        )
        assert status == 201, answer
        return next(value for name, value in answered.items() if name.lower() == "x-subject-token"), answer["token"]


def by_password(name: str, password: str) -> dict[str, Any]:
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    return {"methods": ["password"], "password": {"user": user}}


@pytest.fixture(scope="module")
def users(control: Host) -> dict[str, User]:
    """The administrator, two members of a project each, one without a project, and a restricted credential."""
    settings = dict(
        re.findall(r"(?m)^(?:export )?(OS_\w+)='?([^'\n]*)'?$", control.run("cat", "/etc/openstack/openrc"))
    )
    anybody = Client(control, {})
    scope = {"project": {"name": settings["OS_PROJECT_NAME"], "domain": {"id": "default"}}}
    token, about = anybody.log_in(by_password(settings["OS_USERNAME"], settings["OS_PASSWORD"]), scope)
    made = {"admin": User("admin", about["user"]["id"], about["project"]["id"], token)}
    admin = Client(control, made["admin"].headers())
    [roles] = admin.send("keystone", ("GET /v3/roles?name=member", None))
    member = roles["roles"][0]["id"]
    for name, project_name in (("baker", "bakery"), ("butcher", "butchery"), ("visitor", "")):
        body = {"name": name, "password": f"{name} by name", "domain_id": "default"}
        project = ""
        [user] = admin.send("keystone", ("POST /v3/users", {"user": body}))
        if project_name:
            [answer] = admin.send(
                "keystone", ("POST /v3/projects", {"project": {"name": project_name, "domain_id": "default"}})
            )
            project = answer["project"]["id"]
            admin.send("keystone", (f"PUT /v3/projects/{project}/users/{user['user']['id']}/roles/{member}", None))
        own_scope = {"project": {"id": project}} if project else None
        token, about = anybody.log_in(by_password(name, f"{name} by name"), own_scope)
        made[name] = User(name, user["user"]["id"], project, token)
    credentials = f"/v3/users/{made['admin'].id}/application_credentials"
    [answer] = admin.send("keystone", (f"POST {credentials}", {"application_credential": {"name": "robot"}}))
    robot = {key: answer["application_credential"][key] for key in ("id", "secret")}
    token, about = anybody.log_in({"methods": ["application_credential"], "application_credential": robot})
    made["robot"] = User("robot", about["user"]["id"], about["project"]["id"], token)
    return made


@pytest.fixture(scope="module")
def servers(control: Host, users: dict[str, User]) -> Iterator[None]:
    """A server of each member, and what the lists of each member show."""
    admin = Client(control, users["admin"].headers())
    flavor = {"name": "crumb", "ram": 64, "disk": 1, "vcpus": 1}
    [answer] = admin.send("nova", ("POST /v2.1/flavors", {"flavor": flavor}))
    image = {"name": "dough", "container_format": "bare", "disk_format": "raw", "visibility": "public"}
    [described] = admin.send("glance", ("POST /v2/images", image))
    upload = [
        "curl",
        "-sf",
        "-X",
        "PUT",
        "-H",
        f"X-Auth-Token: {users['admin'].token}",
        "--data-binary",
        "@/etc/hostname",
    ]
    upload += ["-H", "Content-Type: application/octet-stream", url("glance", f"/v2/images/{described['id']}/file")]
    control.run(*upload)
    members = [users["baker"], users["butcher"]]
    for user in members:
        client = Client(control, user.headers())
        server = {
            "name": user.name,
            "flavorRef": answer["flavor"]["id"],
            "imageRef": described["id"],
            "networks": "none",
        }
        version = {"X-OpenStack-Nova-API-Version": "2.37"}
        [created] = client.send("nova", ("POST /v2.1/servers", {"server": server}), headers=version)
        user.server = created["server"]["id"]
        client.send("cinder", (f"POST /v3/{user.project}/volumes", {"volume": {"name": user.name, "size": 1}}))
        client.send("glance", ("POST /v2/images", {**image, "name": user.name, "visibility": "private"}))
        client.send("gnocchi", ("POST /v1/metric", {"archive_policy_name": "low"}))
        client.send("aodh", ("POST /v2/alarms", alarm(user.name)))
        client.send("telemetry", (f"POST /v2/meters/{user.name}?direct=true", [sample(user.name)]))

    def active() -> str:
        answers = [
            Client(control, user.headers()).send("nova", (f"GET /v2.1/servers/{user.server}", None)) for user in members
        ]
        states = {answer["server"]["status"] for [answer] in answers}
        assert "ERROR" not in states
        return "yes" if states == {"ACTIVE"} else ""

    assert wait_for(active, 60)
    yield
    for user in members:
        Client(control, user.headers()).send("nova", (f"DELETE /v2.1/servers/{user.server}", None))


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
    signature = hmac.new(secret.encode(), user.server.encode(), hashlib.sha256).hexdigest()
    return {
        "X-Instance-ID": user.server,
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
    values = {"uuid": [user.server], "project_id": own}
    user.asks("nova-metadata", "GET /openstack/latest/meta_data.json", values, headers=metadata)

    values = {"volumes[].os-vol-tenant-attr:tenant_id": own, "volumes[].name": [user.name]}
    user.asks("cinder", f"GET /v3/{user.project}/volumes/detail", values)
    user.asks("cinder", f"POST /v3/{user.project}/types", 403, body={"volume_type": {"name": "{n}"}})
    user.asks("cinder", f"GET /v3/{other.project}/volumes/detail", 400)

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

    version = {"OpenStack-API-Version": "placement 1.9"}
    user.asks("placement", "GET /resource_providers", 403)
    user.asks("placement", f"GET /usages?project_id={user.project}", {"usages.VCPU": ["1"]}, headers=version)
    user.asks("placement", f"GET /usages?project_id={other.project}", 403, headers=version)

    path = "/v1/metric"
    creator = {"creator": [f"{user.id}:{user.project}"]}
    user.asks("gnocchi", f"POST {path}", creator, body={"archive_policy_name": "low"}, made="id", delete=f"{path}/{{}}")
    user.asks("gnocchi", f"GET {path}", {"[].creator": creator["creator"]})

    path = "/v2/alarms"
    shown = {"project_id": own, "user_id": [user.id]}
    user.asks("aodh", f"POST {path}", shown, body=alarm("{n}"), made="alarm_id", delete=f"{path}/{{}}")
    user.asks("aodh", f"GET {path}", {"[].project_id": own})

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

    ids = sorted(member.server for member in members)
    # Other tests have servers, volumes and images, too.
    admin.asks("nova", f"GET /v2.1/servers/{ids[0]}", {"server.id": ids[:1]})
    admin.asks("placement", "GET /resource_providers", {"resource_providers[].generation": []})
    admin.asks("neutron", "GET /v2.0/agents", {})
    admin.asks("cinder", f"GET /v3/{admin.project}/os-services", {})
    admin.asks("aodh", "GET /v2/alarms?q.field=all_projects&q.op=eq&q.value=true", {})
    admin.asks("gnocchi", "GET /v1/status", {})


@pytest.mark.timeout(300)
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
    plan = "/run/mixed-load.json"
    control.run("sh", "-c", f"umask 077; cat >{plan}", stdin=json.dumps({"seconds": SECONDS, "askers": askers}))
    found = json.loads(control.run("python3", "-", plan, stdin=LOAD.read_text()))
    control.run("rm", plan)
    print(json.dumps(found, indent=1))
    assert found["examples"] == {}
    assert set(found["counts"]) == set(PORTS)
    assert min(count["right"] for count in found["counts"].values()) > 20
