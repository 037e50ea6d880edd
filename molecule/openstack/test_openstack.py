"""The clients' commands, from a token to a server that is ACTIVE."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cloud import Cloud
from served import Host, wait_for

pytest_plugins = ["control_plane_fixtures"]


@pytest.fixture(scope="module")
def server(admin: Cloud, member: Cloud) -> Iterator[dict[str, Any]]:
    """A server that has reached ACTIVE, with an image, a flavor and a network of its own."""
    admin.run("openstack flavor create --ram 64 --disk 1 --vcpus 1 tiny")
    admin.run("sh -c 'head -c 65536 /dev/urandom >/run/disk.raw'")
    image = admin.show("openstack image create --public --disk-format raw --file /run/disk.raw plain")
    assert image["status"] == "active"
    member.run("openstack network create net")
    member.run("openstack subnet create --network net --subnet-range 192.0.2.0/24 sub")
    details = member.show("openstack server create --wait --flavor tiny --image plain --network net first")
    yield details
    member.run("openstack server delete --wait first")
    assert member.show("openstack server list") == []


def test_a_token(admin: Cloud) -> None:
    assert len(admin.show("openstack token issue")["id"]) > 100
    wrong = Cloud(admin.host, {"OS_PASSWORD": "wrong"}).try_run("openstack token issue")
    assert wrong.returncode == 1
    assert "401" in wrong.stderr


def test_every_service_is_in_the_catalogue(admin: Cloud) -> None:
    entries = {entry["Type"]: entry for entry in admin.show("openstack catalog list")}
    assert set(entries) == {
        *("identity", "placement", "image", "network", "block-storage", "compute", "metric", "alarming", "metering"),
    }


def test_a_server_reaches_active(server: dict[str, Any], member: Cloud) -> None:
    assert server["status"] == "ACTIVE"
    assert "192.0.2." in json.dumps(server["addresses"])
    assert [one["Name"] for one in member.show("openstack server list")] == ["first"]


def test_the_port_of_a_server_becomes_active(server: dict[str, Any], member: Cloud) -> None:
    [port] = member.show("openstack port list --server first")
    member.wait(f"openstack port show {port['ID']}", "status", "ACTIVE")


def test_the_image_comes_back_as_it_was_sent(server: dict[str, Any], admin: Cloud) -> None:
    admin.run("openstack image save --file /run/back.raw plain")
    admin.host.run("cmp", "/run/disk.raw", "/run/back.raw")


def test_the_metadata_service_answers_for_the_server(server: dict[str, Any], control: Host, member: Cloud) -> None:
    project = member.show("openstack server show first")["project_id"]
    _, release = control.live("nova-metadata")
    text = control.run("cat", f"/srv/wsgi/nova-metadata/releases/{release}/etc/nova.conf")
    [secret] = re.findall(r"(?m)^metadata_proxy_shared_secret = (\S+)$", text)
    signature = hmac.new(secret.encode(), server["id"].encode(), hashlib.sha256).hexdigest()
    headers = {"X-Instance-ID": server["id"], "X-Tenant-ID": project, "X-Instance-ID-Signature": signature}
    program = """
import urllib.error, urllib.request
request = urllib.request.Request("http://127.0.0.1:8775/openstack/latest/meta_data.json", headers=arguments[0])
try:
    print(urllib.request.urlopen(request).read().decode())
except urllib.error.HTTPError as error:
    print(json.dumps({"status": error.code}))
"""
    metadata = control.python(program, {**headers, "X-Forwarded-For": "192.0.2.7"})
    assert (metadata["uuid"], metadata["name"]) == (server["id"], "first")
    forged = {**headers, "X-Instance-ID-Signature": "0" * 64, "X-Forwarded-For": "192.0.2.7"}
    assert control.python(program, forged) == {"status": 403}


def test_a_volume_becomes_available(admin: Cloud) -> None:
    admin.run("openstack volume type create plain")
    admin.run("openstack volume create --size 1 --type plain disk")
    admin.wait("openstack volume show disk", "status", "available")
    admin.run("openstack volume delete disk")


def test_a_member_makes_a_volume_of_a_private_image(member: Cloud) -> None:
    member.run("openstack image create --private --disk-format raw --file /etc/os-release own-image")
    member.run("openstack volume create --size 1 --image own-image own-disk")
    member.wait("openstack volume show own-disk", "status", "available")
    member.run("openstack volume delete own-disk")
    member.run("openstack image delete own-image")


def test_nova_takes_the_news_that_a_volume_in_use_was_extended(server: dict[str, Any], member: Cloud) -> None:
    """Cinder sends it with its own account, and the server belongs to another project."""
    volume = member.show("openstack volume create --size 1 data")["id"]
    member.wait("openstack volume show data", "status", "available")
    member.run(f"openstack server add volume first {volume}")
    member.wait("openstack volume show data", "status", "in-use")
    member.run("openstack --os-volume-api-version 3.42 volume set --size 2 data")

    def taken() -> str:
        actions = {one["Action"] for one in member.show("openstack server event list first")}
        return "yes" if "extend_volume" in actions else ""

    assert wait_for(taken, 300)
    member.run(f"openstack server remove volume first {volume}")
    member.wait("openstack volume show data", "status", "available")
    member.run("openstack volume delete data")


def test_measures_are_aggregated(admin: Cloud) -> None:
    metric = admin.show("gnocchi metric create --archive-policy-name low visitors")["id"]
    admin.run(f"gnocchi measures add -m 2026-01-01T00:00:00@4 -m 2026-01-01T00:00:01@8 {metric}")
    rows = admin.show(f"gnocchi measures show --refresh --aggregation mean {metric}")
    assert {row["value"] for row in rows} == {6.0}


def test_alarms(admin: Cloud) -> None:
    created = admin.show("aodh alarm create --name crowd --type event --event-type 'shop.*' --alarm-action log://")
    assert created["name"] == "crowd"
    assert [alarm["name"] for alarm in admin.show("aodh alarm list")] == ["crowd"]


def visitors(cloud: Cloud) -> set[str]:
    """Return those of the meters of visitors that a user sees."""
    listed = cloud.run("ceilometer meter-list --limit 1000")
    return {name for name in ("admins.visitors", "shop.visitors") if name in listed}


def test_a_project_sees_its_own_meters_only(admin: Cloud, member: Cloud) -> None:
    sample = "ceilometer sample-create --meter-type gauge --meter-unit visitor --sample-volume 1"
    admin.run(f"{sample} -r hall -m admins.visitors")
    member.run(f"{sample} -r shop -m shop.visitors")
    # The API sends samples over the message bus, and an agent stores them.
    wait_for(lambda: "yes" if len(visitors(admin)) == 2 else "", 300)
    assert visitors(admin) == {"admins.visitors", "shop.visitors"}
    assert visitors(member) == {"shop.visitors"}


def test_every_agent_runs(control: Host) -> None:
    units = control.run("sh", "-c", "cd /etc/systemd/system && ls grove-*.service").split()
    agents = [unit for unit in units if "--agent" in control.run("cat", f"/etc/systemd/system/{unit}")]
    assert len(agents) >= 10
    assert control.run("systemctl", "is-active", *agents).split() == ["active"] * len(agents)


def process_of(control: Host, agent: str) -> str:
    """Return the id of an agent's first process."""
    return control.run("systemctl", "show", "--property=MainPID", "--value", f"grove-{agent}").strip()


@pytest.mark.parametrize(
    "agent", ["nova-conductor", "nova-scheduler", "aodh-evaluator", "aodh-listener", "aodh-notifier"]
)
def test_an_agent_with_one_worker_is_one_process(agent: str, control: Host) -> None:
    process = process_of(control, agent)
    assert agent in control.run("cat", f"/proc/{process}/cmdline")
    assert control.try_run("pgrep", "--parent", process).stdout == ""


def test_the_workers_of_gnocchi_share_what_its_drivers_need(control: Host) -> None:
    # The first process uses no database itself.
    process = process_of(control, "gnocchi-metricd")
    assert "/sqlalchemy/" in control.memory_map(int(process))
    assert len(control.run("pgrep", "--parent", process).split()) >= 3


def test_mariadb_runs_with_two_pools_of_memory(control: Host) -> None:
    if control.try_run("systemctl", "is-active", "mariadb").returncode:
        pytest.skip("the control plane has PostgreSQL")
    # "NeedDaemonReload=yes" would say that systemd has not read the drop-in yet.
    shown = control.run("systemctl", "show", "--property=Environment,NeedDaemonReload", "mariadb").split()
    assert {"Environment=MALLOC_ARENA_MAX=2", "NeedDaemonReload=no"} <= set(shown)
