"""The parts that all service roles have in common."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PLAY = """
- hosts: wsgi
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: grove.wsgi.openstack
        tasks_from: services.yml
        public: true
    - ansible.builtin.copy:
        content: "{{ dict(services | zip(query('ansible.builtin.vars', *(services | map('regex_replace', '$', '_apps'))))) | to_json }}"
        dest: "{{ result }}"
        mode: "0600"
"""  # noqa: E501 -- one template


def load(role: str, path: str) -> dict[str, Any]:
    variables: dict[str, Any] = yaml.safe_load((REPOSITORY / "roles" / role / path).read_text())
    return variables


def services() -> list[str]:
    """Return the roles that have records of their own."""
    paths = REPOSITORY.glob("roles/*/vars/main.yml")
    role_names = sorted(path.parts[-3] for path in paths)
    return [role for role in role_names if f"{role}_apps" in load(role, "vars/main.yml")]


# Runs the check of a service once for each of its records, and keeps what the check refuses.
CHECKS = """
- hosts: wsgi
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: one.yml
      loop: "{{ cases }}"
    - ansible.builtin.copy:
        content: "{{ refused | to_json }}"
        dest: "{{ result }}"
        mode: "0600"
"""
ONE_CHECK = """
- block:
    - ansible.builtin.include_role:
        name: "grove.wsgi.{{ item[0] }}"
        tasks_from: check.yml
      vars:
        keystone_record: "{{ item[1] if item[0] == 'keystone' else {} }}"
        aodh_record: "{{ item[1] if item[0] == 'aodh' else {} }}"
    - ansible.builtin.set_fact:
        refused: "{{ refused | default([]) + [''] }}"
  rescue:
    - ansible.builtin.set_fact:
        refused: "{{ refused | default([]) + [ansible_failed_result.msg] }}"
"""
# The same on a host that is one of two with the service.
SEVERAL = """
- hosts: wsgi
  gather_facts: false
  tasks:
    - ansible.builtin.add_host:
        name: second
        groups: [wsgi]
        wsgi_services: [glance, grove.wsgi.gnocchi, aodh, keystone, cinder]
    - ansible.builtin.include_tasks: one.yml
      loop: "{{ cases }}"
    - ansible.builtin.copy:
        content: "{{ refused | to_json }}"
        dest: "{{ result }}"
        mode: "0600"
"""
ONE_OF_SEVERAL = """
- block:
    - ansible.builtin.include_role:
        name: "grove.wsgi.{{ item[0] }}"
        tasks_from: check.yml
      vars:
        glance_config: "{{ item[1].config | default({}) }}"
        gnocchi_config: "{{ item[1].config | default({}) }}"
        aodh_config: "{{ item[1].config | default({}) }}"
        glance_shared_folder: "{{ item[1].shared | default('') }}"
        glance_record: "{{ item[1].record | default({}) }}"
        cinder_backends: {store: {volume_driver: "{{ item[1].driver | default('rbd.RBDDriver') }}"}}
        cinder_volume_host: "{{ item[1].host | default('') }}"
        cinder_record: "{{ item[1].record | default({}) }}"
    - ansible.builtin.set_fact:
        refused: "{{ refused | default([]) + [''] }}"
  rescue:
    - ansible.builtin.set_fact:
        refused: "{{ refused | default([]) + [ansible_failed_result.msg] }}"
"""
BROKERS = """
message_bus:
  hosts:
    localhost: {message_bus_host_address: 192.0.2.41}
    mq2: {ansible_host: 192.0.2.42}
    mq3: {ansible_host: 192.0.2.43, message_bus_port: 5673}
"""
SERVICES = services()
VOLUME = {number: {"agents": {"volume": {"instances": number}}} for number in ("each", "one")}
LVM = "cinder.volume.drivers.lvm.LVMVolumeDriver"
RECORDS = {role: [name for name in load(role, "defaults/main.yml") if name.endswith("_record")] for role in SERVICES}


def evaluate(
    folder: Path, play: str = PLAY, inventory: str = "inventory/openstack", *, more: str = "", **variables: Any
) -> Any:
    """Return what a play writes into its result, by default the records of all services, as Ansible evaluates them.

    more: hosts and groups that there are besides those of the inventory.
    """
    (folder / "more.yml").write_text(more or "{}")
    (folder / "play.yml").write_text(play)
    result = folder / "records.json"
    values = {
        "services": SERVICES,
        "wsgi_services": SERVICES,
        "openstack_secrets_dir": str(folder / "secrets"),
        "ansible_python_interpreter": sys.executable,
        "result": str(result),
        **variables,
    }
    program = str(Path(sys.prefix, "bin", "ansible-playbook"))
    completed = subprocess.run(
        [
            program,
            "-i",
            inventory,
            "-i",
            str(folder / "more.yml"),
            str(folder / "play.yml"),
            "-e",
            json.dumps(values),
        ],
        cwd=REPOSITORY,
        env=os.environ | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return json.loads(result.read_text())


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The records of all services, where an operator changes a file, a list and a text of each."""
    changes = {"config": {"more.conf": "more.conf.j2"}, "migrate": ["echo"], "health": "/other"}
    names = [name for role in SERVICES for name in RECORDS[role]]
    variables: dict[str, Any] = dict.fromkeys(names, changes)
    records: dict[str, list[dict[str, Any]]] = evaluate(tmp_path_factory.mktemp("records"), **variables)
    return records


def test_there_are_services() -> None:
    assert {"keystone", "telemetry"} <= set(SERVICES)


@pytest.mark.parametrize("role", SERVICES)
def test_a_record_is_merged_recursively_and_lists_are_replaced(
    role: str, changed: dict[str, list[dict[str, Any]]]
) -> None:
    assert len(changed[role]) == len(RECORDS[role])
    for record in changed[role]:
        assert len(record["config"]) >= 2
        assert record["config"]["more.conf"] == "more.conf.j2"
        assert record["migrate"] == ["echo"]
        assert record["health"] == "/other"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The records of all services of inventory/openstack."""
    records: dict[str, list[dict[str, Any]]] = evaluate(tmp_path_factory.mktemp("records"))
    return records


def sections(records: dict[str, list[dict[str, Any]]], role: str) -> dict[str, dict[str, Any]]:
    """Return the sections of a service's main configuration file."""
    config: dict[str, Any] = records[role][0]["config"]
    own: dict[str, dict[str, Any]] = config[{"glance": "glance-api.conf"}.get(role, f"{role}.conf")]
    return own


@pytest.mark.parametrize(
    ("role", "section"),
    [
        *(("cinder", name) for name in ("nova", "service_user")),
        *(("neutron", name) for name in ("nova", "placement")),
        *(("nova", name) for name in ("cinder", "neutron", "placement", "service_user")),
        ("aodh", "service_credentials"),
    ],
)
def test_a_service_logs_in_where_it_asks_another(
    role: str, section: str, shipped: dict[str, list[dict[str, Any]]]
) -> None:
    options = sections(shipped, role)[section]
    assert options["auth_type"] == "password"
    assert options["username"] == f"{role}_1"
    assert options.get("region_name", options.get("os_region_name")) == "RegionOne"


@pytest.mark.parametrize("role", SERVICES)
def test_a_service_reads_what_a_trusted_proxy_says(role: str, shipped: dict[str, list[dict[str, Any]]]) -> None:
    """Apache lets these headers through from trusted proxies alone."""
    own = sections(shipped, role)
    section = "api" if role == "gnocchi" else "oslo_middleware"
    assert own[section]["enable_proxy_headers_parsing"] is True


def test_a_cinder_without_nova_has_no_account_for_it(tmp_path: Path) -> None:
    alone = evaluate(tmp_path, services=["cinder"], wsgi_services=["keystone", "cinder"])
    assert sections(alone, "cinder")["nova"] == {}


def test_cinder_asks_glance_as_its_user(shipped: dict[str, list[dict[str, Any]]]) -> None:
    """An account of cinder does not see private images, so that no volume could be made of them."""
    assert "glance" not in sections(shipped, "cinder")


def test_services_run_with_as_many_threads_as_upstream_runs_them(changed: dict[str, list[dict[str, Any]]]) -> None:
    """inventory/openstack asks for one process; those that would wait for each other have two."""
    records = [record for role in SERVICES for record in changed[role]]
    sizes = {record["name"]: (record.get("threads"), record.get("processes")) for record in records}
    assert {name for name, size in sizes.items() if size == (1, 2)} == {"keystone", "nova"}
    one_thread = {"neutron", "nova-metadata", "cinder", "aodh"}
    assert {name for name, size in sizes.items() if size == (1, None)} == one_thread
    assert {name for name, size in sizes.items() if size == (None, None)} == set(sizes) - one_thread - {
        "keystone",
        "nova",
    }


@pytest.mark.parametrize(("processes", "expected"), [(0, None), (1, 2), (2, None), (8, None)])
def test_the_number_of_processes_for_one_thread(processes: int, expected: int | None) -> None:
    """Without a number of its own, a record has wsgi_app_processes, or one process for each core and at least two."""
    expression = load("openstack", "vars/main.yml")["__openstack_processes_of_one_thread"]
    compiled = jinja2.Environment().compile_expression(expression.strip("{} "))
    assert compiled(wsgi_app_processes=processes) == expected


def test_more_threads_are_refused_where_they_mix_up_requests(tmp_path: Path) -> None:
    accepted: list[tuple[str, Any]] = [
        ("keystone", {}),
        ("keystone", {"threads": "1", "processes": 4}),
        ("aodh", {"threads": 1}),
    ]
    wrong: list[tuple[str, Any]] = [
        (role, {"threads": number}) for role in ("keystone", "aodh") for number in (8, 0, None, "x")
    ]
    (tmp_path / "one.yml").write_text(ONE_CHECK)
    refused = evaluate(tmp_path, CHECKS, cases=accepted + wrong)
    assert refused[: len(accepted)] == [""] * len(accepted)
    for (role, record), message in zip(wrong, refused[len(accepted) :], strict=True):
        assert f"{role}_record.threads is {record['threads'] or ''}" in message
        assert f"{role}_record.processes" in message


def test_what_several_hosts_with_a_service_need(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    redis = {"DEFAULT": {"coordination_url": "redis://192.0.2.1"}, "incoming": {"driver": "redis"}}
    accepted: list[tuple[str, dict[str, Any]]] = [
        ("glance", {"shared": str(folder), "record": {"account": folder.owner()}}),
        ("glance", {"config": {"DEFAULT": {"enabled_backends": "fast:rbd"}}}),
        ("gnocchi", {"config": {**redis, "storage": {"driver": "s3"}}}),
        ("aodh", {}),
        ("cinder", {}),
        ("cinder", {"host": "api1", "record": VOLUME["one"]}),
        *(("cinder", {"driver": LVM, "record": record}) for record in VOLUME.values()),
        ("keystone", {}),
    ]
    wrong: list[tuple[str, dict[str, Any], list[str]]] = [
        ("glance", {}, ["its store local", "glance_shared_folder"]),
        ("glance", {"config": {"DEFAULT": {"enabled_backends": "fast:rbd,slow:file"}}}, ["its store slow"]),
        ("glance", {"shared": f"{folder}/none"}, [f"{folder}/none is not there", "useradd --system"]),
        ("glance", {"shared": str(tmp_path / "one.yml")}, ["one.yml is no folder"]),
        ("glance", {"shared": str(folder)}, [f"belongs to {folder.owner()} ({os.getuid()})", "chown glance: "]),
        ("gnocchi", {}, ["incoming.driver file", "storage.driver file", "coordination_url file:"]),
        ("gnocchi", {"config": redis}, ["incoming.driver redis, storage.driver file"]),
        ("cinder", {"driver": LVM}, ["store have volume_driver LVMVolumeDriver", "instances"]),
        ("cinder", {"host": "api1", "record": VOLUME["each"]}, ["cinder_volume_host is api1"]),
    ]
    (tmp_path / "one.yml").write_text(ONE_OF_SEVERAL)
    cases = [*accepted, *((role, changes) for role, changes, _ in wrong)]
    refused = evaluate(tmp_path, SEVERAL, cases=cases)
    assert refused[: len(accepted)] == [""] * len(accepted)
    for (role, _, words), message in zip(wrong, refused[len(accepted) :], strict=True):
        of_several = f"{role} is in wsgi_services of localhost, second" in message
        assert of_several or role == "cinder" or "variable glance_shared_folder" in message
        assert [word for word in words if word not in message] == [], message


def test_which_agents_several_hosts_share(tmp_path: Path, shipped: dict[str, list[dict[str, Any]]]) -> None:
    """With one host, volumes have its name."""
    assert "backend_host" not in sections(shipped, "cinder")["test"]
    assert "volume_hosts.py" not in shipped["cinder"][0]["config"]
    # With a keystone of their own, they need no other service, whose checks refuse two hosts.
    token: dict[str, Any] = {"keystone_authtoken": {"auth_url": "http://192.0.2.5:5000"}}
    fleet: dict[str, Any] = {
        "services": ["aodh", "cinder"],
        "wsgi_services": ["aodh", "cinder"],
        "cinder_config": token,
        "more": "wsgi: {hosts: {second: {ansible_connection: local}}}",
    }
    records = evaluate(tmp_path, **fleet, aodh_config=token)
    assert sections(records, "cinder")["test"]["backend_host"] == "cinder"
    assert records["cinder"][0]["migrate"][2] == "python {etc}/volume_hosts.py {etc}/cinder.conf"
    assert records["cinder"][0]["migrate_reads"]["cinder.conf"][2:] == ["DEFAULT/enabled_backends", "test"]
    shared = {
        f"{role}-{name}": agent["database"]
        for role, (record,) in records.items()
        for name, agent in record["agents"].items()
        if agent.get("instances") == "one"
    }
    assert shared == {"aodh-evaluator": {"config": "aodh.conf"}, "cinder-volume": {"config": "cinder.conf"}}
    each = evaluate(
        tmp_path,
        **fleet,
        aodh_config={**token, "coordination": {"backend_url": "redis://192.0.2.1"}},
        cinder_record={"agents": {"volume": {"instances": "each", "database": None}}},
    )
    assert "instances" not in each["aodh"][0]["agents"]["evaluator"]
    assert "backend_host" not in sections(each, "cinder")["test"]


def test_volumes_of_a_host_that_nobody_serves() -> None:
    path = REPOSITORY / "roles" / "cinder" / "files" / "volume_hosts.py"
    strays = runpy.run_path(str(path))["strays"]
    hosts = ["cinder@ceph#ceph", "api1@ceph#ceph", "api1@ceph", "api2@ceph#slow", "elsewhere@nfs#nfs", "api1@own#x"]
    assert strays(hosts, {"ceph": "cinder"}) == {"api1": 2, "api2": 1}
    assert strays(hosts, {"ceph": "cinder", "own": "api1"}) == {"api1": 2, "api2": 1}
    assert strays([], {"ceph": "cinder"}) == {}


def test_services_know_each_host_of_a_cluster_of_brokers(
    tmp_path: Path, shipped: dict[str, list[dict[str, Any]]]
) -> None:
    single = shipped["nova"][0]["config"]["nova.conf"]
    assert single["DEFAULT"]["transport_url"].endswith("@127.0.0.1:5672/nova-durable")
    assert "rabbit_transient_quorum_queue" not in single["oslo_messaging_rabbit"]
    assert "oslo_messaging_rabbit" not in shipped["telemetry"][0]["config"]["telemetry.conf"]
    records = evaluate(tmp_path, more=BROKERS)
    for role in ("nova", "neutron", "cinder", "aodh", "telemetry"):
        config = records[role][0]["config"][f"{role}.conf"]
        nodes, _, vhost = config["DEFAULT"]["transport_url"].removeprefix("rabbit://").partition("/")
        assert [node.partition("@")[2] for node in nodes.split(",")] == [
            "192.0.2.41:5672",
            "192.0.2.42:5672",
            "192.0.2.43:5673",
        ]
        assert vhost == ("telemetry" if role == "telemetry" else f"{role}-cluster")
        assert config["oslo_messaging_rabbit"]["rabbit_quorum_queue"] is True
    nova = records["nova"][0]["config"]["nova.conf"]
    assert nova["oslo_messaging_rabbit"]["rabbit_transient_quorum_queue"] is True


@pytest.mark.parametrize("role", SERVICES)
def test_a_service_has_the_entry_point_that_wsgi_app_includes(role: str) -> None:
    assert (REPOSITORY / "roles" / role / "tasks" / "check.yml").is_file()
    assert "check" in load(role, "meta/argument_specs.yml")["argument_specs"]
    assert f"{role}_service" in load(role, "vars/main.yml")


def test_the_scenarios_use_the_inventory_that_is_shipped() -> None:
    """They read every variable of inventory/openstack except the CA bundle: each test host has its own."""
    shipped = yaml.safe_load((REPOSITORY / "inventory/openstack/group_vars/all/main.yml").read_text())
    scenarios = yaml.safe_load((REPOSITORY / ".config/molecule/config.yml").read_text())
    variables = scenarios["provisioner"]["inventory"]["group_vars"]["control_plane"]
    read = {name for name in shipped if variables.get(name) == f"{{{{ shipped.{name} }}}}"}
    assert read == set(shipped) - {"uv_ca_bundle"}


@pytest.mark.parametrize(
    ("inventory", "server"),
    [("inventory/openstack", "127.0.0.1:3306"), ("inventory/cluster", "192.0.2.10:3306"), ("inventory/local", "")],
)
def test_telemetry_alone_uses_the_database_server_of_the_inventory(tmp_path: Path, inventory: str, server: str) -> None:
    """Behind load balancers, this is their address."""
    variables: dict[str, Any] = {
        "services": ["telemetry"],
        "wsgi_services": ["telemetry"],
        "telemetry_auth_strategy": "noauth",
        "ansible_connection": "local",
    }
    [record] = evaluate(tmp_path, inventory=inventory, **variables)["telemetry"]
    connection = record["config"]["telemetry.conf"]["database"]["connection"]
    if server:
        assert re.fullmatch(rf"mysql\+pymysql://telemetry_1:\w+@{server}/telemetry\?charset=utf8mb4", connection)
        assert len(record["migrate"]) == 2
    else:
        assert connection is None
    assert record["migrate_on"] == ("one_host" if server else "every_host")
    own = "mysql+pymysql://telemetry:x@db.example.org/telemetry"
    [record] = evaluate(tmp_path, inventory=inventory, telemetry_database_connection=own, **variables)["telemetry"]
    assert record["config"]["telemetry.conf"]["database"]["connection"] == own
    assert isinstance(record["migrate"], str)


def test_the_page_of_telemetry_is_off_unless_it_is_wanted(
    tmp_path: Path, shipped: dict[str, list[dict[str, Any]]]
) -> None:
    [off] = shipped["telemetry"]
    [refused] = evaluate(tmp_path, services=["telemetry"], telemetry_ui="no")["telemetry"]
    assert (off["static"], off["headers"], refused["static"], refused["headers"]) == ({}, {}, {}, {})
    record = {"headers": {"X-Frame-Options": None, "X-Own": "a"}}
    [on] = evaluate(tmp_path, services=["telemetry"], telemetry_ui=True, telemetry_record=record)["telemetry"]
    assert on["static"] == {"/ui": "telemetry/ui"}
    assert on["headers"]["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert (on["headers"]["X-Frame-Options"], on["headers"]["X-Own"]) == (None, "a")


@pytest.mark.parametrize(
    ("wanted", "service_manager", "agents"),
    [
        (True, "systemd", ["evaluator", "notifier"]),
        ("yes", "systemd", ["evaluator", "notifier"]),
        ("no", "systemd", []),
        # A host without systemd has no agents.
        (True, "service", []),
    ],
)
def test_the_agents_that_evaluate_alarms(
    tmp_path: Path, wanted: bool | str, service_manager: str, agents: list[str]
) -> None:
    facts = {"service_mgr": service_manager}
    [record] = evaluate(
        tmp_path,
        services=["telemetry"],
        wsgi_services=["telemetry"],
        telemetry_auth_strategy="noauth",
        telemetry_alarm_evaluation=wanted,
        ansible_facts=facts,
    )["telemetry"]
    assert sorted(record["agents"]) == agents
