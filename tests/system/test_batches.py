"""API hosts change in batches: what each batch costs does not grow with the fleet, and who belongs to a batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
APIS = ["api1", "api2", "api3", "api4"]
FLEET = {
    "all": {
        "vars": {
            "ansible_connection": "local",
            "ansible_host": "{{ inventory_hostname }}.example.org",
            "load_balancer_serial": 2,
        },
        "children": {"load_balancers": {"hosts": {"lb1": None}}, "wsgi": {"hosts": dict.fromkeys(APIS)}},
    }
}


def run(folder: Path, *plays: dict[str, Any]) -> str:
    """Run plays on a fleet whose hosts are this machine; return the output."""
    (folder / "hosts.yml").write_text(json.dumps(FLEET))
    (folder / "play.yml").write_text(json.dumps([{"gather_facts": False, **play} for play in plays]))
    command = [f"{sys.prefix}/bin/ansible-playbook", "-i", str(folder / "hosts.yml"), str(folder / "play.yml")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_goes_through_the_names_of_all_hosts_once(tmp_path: Path) -> None:
    """Each host still has the name by which Ansible reaches it, also where another host's task is delegated to it."""
    role = {"name": "grove.wsgi.load_balancer", "tasks_from": "stop_after_failure.yml"}
    show = {"msg": "reached as {{ hostvars[item].ansible_host }}"}
    batches = {"hosts": "wsgi", "serial": 1, "tasks": [{"include_role": role}]}
    after = {"hosts": "lb1", "tasks": [{"debug": show, "loop": ["lb1", *APIS], "delegate_to": "{{ item }}"}]}
    output = run(tmp_path, batches, after)
    assert output.count("PLAY [wsgi]") == len(APIS)
    for host in ("lb1", *APIS):
        assert output.count(f"(item={host}) =>") == 1
        assert f"reached as {host}.example.org" in output
    named = [line for line in output.splitlines() if line.endswith(")") and "(item=" in line]
    assert len(named) == 1 + len(APIS), output


@pytest.mark.parametrize(("sends", "sizes"), [(False, [1, 3]), (True, [1, 2, 1])])
def test_hosts_without_traffic_change_together(tmp_path: Path, sends: bool, sizes: list[int]) -> None:
    [written] = yaml.safe_load((REPOSITORY / "playbooks" / "fleet" / "roll.yml").read_text())
    ask = {"set_fact": {"__load_balancer_before": {"sends": sends}}}
    show = {"debug": {"msg": "a batch of {{ ansible_play_batch | length }}"}, "run_once": True}
    roll = {"hosts": "wsgi", "serial": written["serial"], "tasks": [show]}
    output = run(tmp_path, {"hosts": "lb1", "tasks": [ask]}, roll)
    assert [int(line.split()[-1]) for line in output.splitlines() if "a batch of" in line] == sizes
