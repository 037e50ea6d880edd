"""What Ansible reads of an inventory's folder: with Grove's ansible.cfg, with another one, and through ./grove."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
LAYOUT = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]["Debian"]["layout"]
SECRET = "sesame-open"
RECORD = {
    "name": "bookstore",
    "source": "./bookstore",
    "lock": "bookstore.lock",
    "entry": {"module": "bookstore:application"},
    "config": {"secret.conf": "secret.conf.j2"},
    "listen": 18295,
    "tls": "private_ca",
}
PLAY = """
- hosts: wsgi
  gather_facts: false
  tasks:
    - grove.wsgi.check_records:
        records: "{{ wsgi_apps | grove.wsgi.resolved_records }}"
        layout: "{{ layout }}"
        settings:
          base: /srv/wsgi
          state_base: /var/lib
          log_base: /var/log
          listen_address: 127.0.0.1
          door: 127.0.0.1:18290
          python: /usr/bin/python3
          mod_wsgi: 6.1.1
          mod_wsgi_python: /usr/bin/python3
          folders: ["{{ inventory_dir }}/files", "{{ inventory_dir }}"]
          servers: 0
          processes: 0
          workers_per_server: 64
          tls_ca_dir: "{{ inventory_dir }}/secrets/tls"
"""


@pytest.fixture(params=["files", "."])
def inventory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An inventory with an application in files, or beside hosts.yml: a program, a secret in a template, and a lock."""
    folder = tmp_path / "inventory"
    app = folder / str(request.param) / "bookstore"
    app.mkdir(parents=True)
    (folder / "group_vars").mkdir()
    (folder / "secrets" / "tls").mkdir(parents=True)
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"wsgi": {"hosts": {"web1": host}}}))
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump({"wsgi_apps": [RECORD]}))
    for program in (app / "manage", app.parent / "install.yml", app / "hosts.yml"):
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run-$(basename $0)\necho '{{}}'\n")
        program.chmod(0o755)
    (app.parent / "secret.conf.j2").write_text(f"[{SECRET}\npassword = {SECRET}\n")
    (app.parent / "bookstore.lock").write_text(f"bookstore==1.0 --hash=sha256:{SECRET}\n")
    (folder / "secrets" / "tls" / "ca.key").write_text(f"-----BEGIN KEY-----\n{SECRET}\n")
    return folder


def ansible(program: str, inventory: Path, *options: str, config: str) -> tuple[int, str]:
    environment = {**os.environ, "ANSIBLE_CONFIG": config, "ANSIBLE_FORCE_COLOR": "0"}
    command = [f"{sys.prefix}/bin/{program}", "-i", str(inventory), *options]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd="/", check=False
    )
    return done.returncode, done.stdout


def programs_run(inventory: Path) -> list[str]:
    return sorted(path.name for path in inventory.parent.glob("was-run-*"))


@pytest.fixture
def play(tmp_path: Path) -> Path:
    path = tmp_path / "play.yml"
    path.write_text(PLAY)
    return path


@pytest.fixture
def foreign(tmp_path: Path) -> str:
    """Somebody else's configuration, without a word about inventories."""
    path = tmp_path / "ansible.cfg"
    path.write_text("[defaults]\n")
    return str(path)


def test_ansible_reads_the_inventory_alone(inventory: Path) -> None:
    status, output = ansible("ansible-inventory", inventory, "--list", config=str(REPOSITORY / "ansible.cfg"))
    assert status == 0, output
    assert json.loads(output)["wsgi"] == {"hosts": ["web1"]}
    assert programs_run(inventory) == []
    assert SECRET not in output


def test_an_executable_inventory_is_not_run(inventory: Path) -> None:
    (inventory / "hosts.yml").chmod(0o755)
    (inventory / "hosts-more.py").write_text(f"#!/bin/sh\ntouch {inventory.parent}/was-run-inventory\necho '{{}}'\n")
    (inventory / "hosts-more.py").chmod(0o755)
    status, _ = ansible("ansible-inventory", inventory, "--list", config=str(REPOSITORY / "ansible.cfg"))
    assert status != 0, "hosts-more.py is no inventory that can be read"
    assert programs_run(inventory) == []
    (inventory / "hosts-more.py").unlink()
    status, output = ansible("ansible-inventory", inventory, "--list", config=str(REPOSITORY / "ansible.cfg"))
    assert status == 0, output


def test_the_check_of_records_accepts_the_folder(inventory: Path, play: Path) -> None:
    values = ["-e", json.dumps({"layout": LAYOUT})]
    status, output = ansible("ansible-playbook", inventory, str(play), *values, config=str(REPOSITORY / "ansible.cfg"))
    assert status == 0, output
    assert programs_run(inventory) == []
    assert SECRET not in output


def test_another_configuration_is_refused_with_the_remedy(inventory: Path, play: Path, foreign: str) -> None:
    values = ["-e", json.dumps({"layout": LAYOUT})]
    status, output = ansible("ansible-playbook", inventory, str(play), *values, config=foreign)
    assert status != 0
    text = " ".join(output.split())
    for key in ("source", "lock", "config.secret.conf"):
        assert f"record bookstore, key {key}: found" in text, output
    assert "record (all), key wsgi_app_tls_ca_dir: found" in text, output
    assert "hosts.yml" in text


def test_a_named_file_is_safe_with_every_configuration(inventory: Path, play: Path, foreign: str) -> None:
    values = ["-e", json.dumps({"layout": LAYOUT})]
    status, output = ansible("ansible-playbook", inventory / "hosts.yml", str(play), *values, config=foreign)
    assert status == 0, output
    assert programs_run(inventory) == []
    assert SECRET not in output


@pytest.fixture
def grove(tmp_path: Path) -> list[str]:
    """The program ./grove in a folder without .venv, which ends where it would make one."""
    shutil.copy(REPOSITORY / "grove", tmp_path)
    return [str(tmp_path / "grove"), "site"]


@pytest.mark.parametrize("option", ["-i {}", "-i{}", "--inventory {}", "--inventory={}"])
def test_grove_names_an_inventory_that_ansible_would_not_read(grove: list[str], tmp_path: Path, option: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "production.yml").write_text("wsgi: {hosts: {web1: {}}}\n")
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
    command = [*grove, *option.format("mine").split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 1
    assert "mine/production.yml" in done.stderr
    assert "hosts.yml" in done.stderr
