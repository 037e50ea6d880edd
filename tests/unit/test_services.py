"""The parts that all service roles have in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


SERVICES = services()
RECORDS = {role: [name for name in load(role, "defaults/main.yml") if name.endswith("_record")] for role in SERVICES}


def evaluate(folder: Path, **variables: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the records of all services, as Ansible evaluates them."""
    (folder / "play.yml").write_text(PLAY)
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
        [program, "-i", "inventory/openstack", str(folder / "play.yml"), "-e", json.dumps(values)],
        cwd=REPOSITORY,
        env=os.environ | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    records: dict[str, list[dict[str, Any]]] = json.loads(result.read_text())
    return records


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The records of all services, where an operator changes a file, a list and a text of each."""
    changes = {"config": {"more.conf": "more.conf.j2"}, "migrate": ["echo"], "health": "/other"}
    names = [name for role in SERVICES for name in RECORDS[role]]
    return evaluate(tmp_path_factory.mktemp("records"), **dict.fromkeys(names, changes))


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
    return evaluate(tmp_path_factory.mktemp("records"))


def sections(records: dict[str, list[dict[str, Any]]], role: str) -> dict[str, dict[str, Any]]:
    """Return the sections of a service's main configuration file."""
    config: dict[str, Any] = records[role][0]["config"]
    own: dict[str, dict[str, Any]] = config[{"glance": "glance-api.conf"}.get(role, f"{role}.conf")]
    return own


@pytest.mark.parametrize(
    ("role", "section"),
    [
        *(("cinder", name) for name in ("glance", "nova", "service_user")),
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


def test_a_cinder_without_nova_and_glance_has_no_account_for_them(tmp_path: Path) -> None:
    alone = evaluate(tmp_path, services=["cinder"], wsgi_services=["keystone", "cinder"])
    own = sections(alone, "cinder")
    assert (own["glance"], own["nova"]) == ({}, {})


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
