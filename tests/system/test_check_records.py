"""The action check_records, run by the real Ansible, with texts, templates and secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
LAYOUT = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]["Debian"]["layout"]


def check(folder: Path, records: object, only: list[str] | None = None, **variables: Any) -> dict[str, Any]:
    """Return the result of the action for the records as an inventory holds them."""
    settings = {
        "base": "/srv/wsgi",
        "state_base": "/var/lib",
        "log_base": "/var/log",
        "listen_address": "127.0.0.1",
        "door": "127.0.0.1:18290",
        "python": "/usr/bin/python3",
        "mod_wsgi": "6.1.1",
        "mod_wsgi_python": "/usr/bin/python3",
        "folders": [str(folder)],
        "servers": 0,
        "processes": 0,
        "workers_per_server": 64,
        "only": only or [],
    }
    services = {"cart": "{{ cart_apps | default([]) }}"}
    resolved = "{{ wsgi_apps | grove.wsgi.resolved_records }}"
    arguments = {"records": resolved, "services": services, "settings": settings, "layout": LAYOUT}
    tasks = [
        {"grove.wsgi.check_records": arguments, "register": "checked", "ignore_errors": True},
        {"ansible.builtin.copy": {"content": "{{ checked | to_json }}", "dest": f"{folder}/result.json"}},
    ]
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"wsgi_apps": records, **variables}, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    command = [f"{sys.prefix}/bin/ansible-playbook", "-i", "localhost,", "-c", "local", str(folder / "play.yml")]
    more = ["-e", f"ansible_python_interpreter={sys.executable}"]
    completed = subprocess.run([*command, *more], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


@pytest.fixture
def record() -> dict[str, Any]:
    return {"name": "shop", "source": "shop==1", "entry": {"module": "shop:application"}, "listen": 18291}


def test_records_are_completed_from_templates(tmp_path: Path, record: dict[str, Any]) -> None:
    record |= {"threads": "{{ 1 + 1 }}", "server_name": "{{ domain }}", "environment": {"TOKEN": "{{ token }}"}}
    record |= {"config": {"shop.conf": {"DEFAULT": {"password": "{{ token }}"}}}}
    cart = {**record, "name": "cart", "listen": 18292, "server_name": "cart.example.org"}
    result = check(tmp_path, [record], domain="shop.example.org", token="sesame", cart_apps=[cart])
    assert list(result["records"]) == ["shop", "cart"]
    views = result["records"]["shop"]
    assert set(views) == {"apache", "build", "serving"}
    assert (views["apache"]["threads"], views["serving"]["url"]) == (2, "http://shop.example.org:18291/")
    assert views["build"]["abi"].startswith("cpython-3")
    assert views["build"]["config"] == {"shop.conf": None}
    assert "sesame" not in json.dumps(result)
    assert result["steps"]["names"] == ["shop", "cart"]
    assert sorted(result["steps"]["sites"]) == ["wsgi-cart", "wsgi-shop"]
    assert result["host"]["cores"] >= 1
    assert result["changed"] is False


def test_values_of_templates_are_shown_as_plain_ones(tmp_path: Path, record: dict[str, Any]) -> None:
    record |= {"argv": "{{ word }}", "config": [["{{ word }}"]], "processes": {"a": "{{ word }}"}}
    other = {**record, "argv": [], "config": {}, "processes": 1, "listen": "{{ word }}", "name": "other"}
    result = check(tmp_path, [record, other], word="one")
    assert result["failed"] is True
    problems = [problem.partition("; ")[0] for problem in result["msg"].splitlines()[1:]]
    assert sorted(problems) == [
        "- record other, key listen: found 'one' (a text)",
        "- record shop, key argv: found 'one' (a text)",
        "- record shop, key config: found [['one']] (a list)",
        "- record shop, key processes: found {'a': 'one'} (a dictionary)",
    ]
    assert result["msg"].startswith("4 problems in wsgi_apps, nothing was changed:\n- record shop, key ")
    assert "Ansible" not in result["msg"]


def test_a_fault_of_another_record_is_a_warning(tmp_path: Path, record: dict[str, Any]) -> None:
    faulty = {**record, "name": "cart", "listen": 18292, "procesess": 3}
    result = check(tmp_path, [record, faulty], only=["shop"])
    assert not result.get("failed")
    assert list(result["records"]) == ["shop"]
    assert list(result["steps"]["sites"]) == ["wsgi-shop"]
    [warning] = result["warnings"]
    assert warning.startswith("record cart, key procesess: ")
    stopped = check(tmp_path, [record, faulty], only=["cart"])
    assert stopped["msg"].splitlines()[1].startswith("- record cart, key procesess: ")


def test_a_template_of_another_record_that_fails_is_a_warning(tmp_path: Path, record: dict[str, Any]) -> None:
    variables = {"TOKEN": "{{ nowhere.defined }}", "A": "{{ 'b' }}"}
    undefined = {**record, "name": "cart", "listen": 18292, "environment": variables}
    broken = {**record, "name": "blog", "listen": "{{ 1 +"}
    result = check(tmp_path, [undefined, record, "{{ no_record }}", broken], only=["shop"])
    assert not result.get("failed"), result
    assert list(result["records"]) == ["shop"]
    keys = [warning.partition(": ")[0] for warning in result["warnings"]]
    assert keys == [
        "record cart, key environment.TOKEN",
        "record number 3, key (whole record)",
        "record blog, key listen",
    ]
    assert "nowhere" in result["warnings"][0]
    assert check(tmp_path, [undefined, record])["failed"] is True


@pytest.mark.parametrize("records", ["no list", {"name": "shop"}])
def test_what_is_no_list_of_records_is_refused(tmp_path: Path, records: object) -> None:
    assert "record (all), key wsgi_apps: " in check(tmp_path, records)["msg"]


def test_a_service_without_a_list_of_records_is_refused(tmp_path: Path, record: dict[str, Any]) -> None:
    assert "record number 2, key (whole record): " in check(tmp_path, [record], cart_apps="no list")["msg"]


def deploy(folder: Path, variables: dict[str, Any]) -> list[str]:
    """Return the problems that the role itself reports in check mode, before it does anything."""
    play = {"hosts": "localhost", "gather_facts": False, "roles": ["grove.wsgi.wsgi_app"]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    (folder / "variables.yml").write_text(yaml.safe_dump({"telemetry_auth_strategy": "noauth", **variables}))
    command = [f"{sys.prefix}/bin/ansible-playbook", "-i", "localhost,", "-c", "local", "--check"]
    more = [
        "-e",
        f"@{folder}/variables.yml",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        f"{folder}/play.yml",
    ]
    completed = subprocess.run([*command, *more], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert completed.returncode == 2, completed.stdout + completed.stderr
    assert "nothing was changed:" in completed.stdout
    assert "censored" not in completed.stdout
    result = completed.stdout.partition("fatal: ")[2]
    return [line.strip().removeprefix("- ") for line in result.splitlines() if line.strip().startswith("- record ")]


@pytest.mark.parametrize(
    ("variables", "keys"),
    [
        ({"wsgi_apps": "{{ no_variable }}"}, ["record (all), key wsgi_apps"]),
        (
            {"wsgi_apps": [None, "text", [["a"]], "{{ no_variable }}"]},
            [f"record number {number}, key (whole record)" for number in (1, 2, 3, 4)],
        ),
        (
            {"wsgi_apps": [], "wsgi_services": ["telemetry"], "telemetry_record": "{{ no_variable }}"},
            ["record number 1, key (whole record)"],
        ),
        (
            {"wsgi_apps": [], "wsgi_services": ["telemetry"], "telemetry_record": {"path": "/../", "home": "x"}},
            ["record telemetry, key home", "record telemetry, key path"],
        ),
        (
            {"wsgi_apps": [], "uv_cache": "{{ no_variable }}", "httpd_server_name": "${X}", "mod_wsgi_version": "6; x"},
            ["record (all), key uv_cache", "record (all), key httpd_server_name", "record (all), key mod_wsgi_version"],
        ),
    ],
)
def test_the_role_says_in_its_own_words_what_is_broken(
    tmp_path: Path, variables: dict[str, Any], keys: list[str]
) -> None:
    assert [line.partition(": ")[0] for line in deploy(tmp_path, variables)] == keys


@pytest.mark.parametrize(
    "url",
    [
        "mongodb:/db/telemetry",
        "mongodb://telemetry:wonder/ful@db/telemetry",
        "mongodb://telemetry:wonder@ful@db/telemetry",
        "mongodb://db:270170/telemetry",
        "mongodb://db,/telemetry",
        "mongodb://db/tele metry",
        "mongodb+srv://cluster.example.org:27017/telemetry",
        "mongodb+srv://cluster/telemetry",
        "mongo://db/telemetry",
        "hbase://db/telemetry",
    ],
)
def test_a_database_that_telemetry_cannot_use_is_refused(tmp_path: Path, url: str) -> None:
    output = checked_telemetry(tmp_path, url)
    assert "telemetry_database_connection " in output
    assert "mongodb" in output
    assert "wonder" not in output.partition("fatal: ")[2]


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://db",
        "mongodb://db/",
        "mongodb://telemetry:won%2Fder@db1:27017,[fd00::1]:27018,db3/telemetry?replicaSet=rs0&tls=true",
        "mongodb://%2Frun%2Fmongodb.sock/?authSource=admin",
        "mongodb+srv://telemetry:wonder@cluster.example.org/telemetry?retryWrites=true",
        "mysql+pymysql://telemetry:wonder@db/telemetry",
        "",
    ],
)
def test_a_database_that_telemetry_can_use(tmp_path: Path, url: str) -> None:
    assert "fatal: " not in checked_telemetry(tmp_path, url)


@pytest.mark.parametrize("interval", [0, -60])
def test_an_interval_between_evaluations_that_cannot_be(tmp_path: Path, interval: int) -> None:
    output = checked_telemetry(tmp_path, "", telemetry_alarm_evaluation_interval=interval)
    assert f"telemetry_alarm_evaluation_interval is {interval}; it has to be a number of seconds from 1." in output


@pytest.mark.parametrize(
    ("service_manager", "evaluates", "agents"),
    [
        ("systemd", True, ["evaluator", "notifier"]),
        ("systemd", False, []),
        # An agent is a service of systemd.
        ("sysvinit", True, []),
    ],
)
def test_the_agents_of_telemetry(tmp_path: Path, service_manager: str, evaluates: bool, agents: list[str]) -> None:
    facts = {"ansible_service_mgr": service_manager, "cacheable": True}
    role = {"name": "grove.wsgi.telemetry", "tasks_from": "check.yml", "public": True}
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.set_fact": facts},
        {"ansible.builtin.include_role": role},
        {"ansible.builtin.debug": {"msg": "AGENTS {{ telemetry_apps[0].agents | sort | join(' ') }}."}},
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    variables = {"telemetry_auth_strategy": "noauth", "telemetry_alarm_evaluation": evaluates}
    command = [f"{sys.prefix}/bin/ansible-playbook", "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")]
    completed = subprocess.run(
        [*command, "-e", json.dumps(variables)], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert f"AGENTS {' '.join(agents)}." in completed.stdout, completed.stdout + completed.stderr


def test_data_of_telemetry_on_the_host_are_not_left_behind(tmp_path: Path) -> None:
    """A server in the group database would be used instead."""
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"database": {"hosts": {"localhost": {}}}}))
    inventory = str(tmp_path / "hosts.yml")
    data = tmp_path / "telemetry" / "telemetry.sqlite"
    base = {"wsgi_app_state_base": str(tmp_path)}
    assert "fatal: " not in checked_telemetry(tmp_path, "", inventory, **base)
    data.parent.mkdir()
    data.touch()
    refused = " ".join(checked_telemetry(tmp_path, "", inventory, **base).split())
    assert f"set telemetry_database_connection: sqlite:///{data} to stay with them" in refused
    assert "fatal: " not in checked_telemetry(tmp_path, f"sqlite:///{data}", inventory, **base)
    assert "fatal: " not in checked_telemetry(tmp_path, "", **base)


def checked_telemetry(folder: Path, url: str, inventory: str = "localhost,", **more: object) -> str:
    """Return what Ansible prints when telemetry checks the URL of its database and its other variables."""
    role = {"name": "grove.wsgi.telemetry", "tasks_from": "check.yml"}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    variables = {"telemetry_auth_strategy": "noauth", "telemetry_database_connection": url, **more}
    command = [f"{sys.prefix}/bin/ansible-playbook", "-i", inventory, "-c", "local", str(folder / "play.yml")]
    completed = subprocess.run(
        [*command, "-e", json.dumps(variables)], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    return completed.stdout + completed.stderr


def test_thousands_of_broken_records_have_fifty_messages(tmp_path: Path) -> None:
    records = [{"name": f"shop{number}", "source": "--x", "entry": {}, "path": "/../"} for number in range(2000)]
    lines = deploy(tmp_path, {"wsgi_apps": records})
    assert len(lines) == 50
