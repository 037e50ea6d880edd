"""Who is first among several hosts: the same one in each run, as the inventory has them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
# So many that a set has them in another order.
HOSTS = [f"web{number}" for number in range(1, 30)]
# In a process of its own, since Ansible's loader of plugins changes how Python imports collections.
RENDER = """
import json, sys
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

init_plugin_loader()
text, variables = json.load(sys.stdin)
print(json.dumps(list(Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text)))))
"""


def value(role: str, name: str, **variables: Any) -> Any:
    """Return the value of a variable of a role."""
    text = yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text())[name]
    every = {
        "groups": {"wsgi": HOSTS},
        "hostvars": {host: {"__wsgi_app_names": ["shop"]} for host in HOSTS},
        "item": {"name": "shop"},
        **variables,
    }
    command = [sys.executable, "-c", RENDER]
    done = subprocess.run(command, input=json.dumps([text, every]), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ansible_play_hosts": HOSTS}, HOSTS),
        ({"ansible_play_hosts": HOSTS[:3]}, HOSTS[:3]),
        ({"ansible_play_hosts": ["web3"], "fleet_only": "web3"}, [host for host in HOSTS if host != "web3"] + ["web3"]),
    ],
)
def test_the_first_host_of_the_inventory_migrates(variables: dict[str, Any], expected: list[str]) -> None:
    assert value("wsgi_app", "__wsgi_app_hosts_with_app", **variables) == expected


def test_a_load_balancer_has_its_servers_in_order() -> None:
    assert value("load_balancer", "__load_balancer_wsgi") == HOSTS
    left = value("load_balancer", "__load_balancer_wsgi", fleet_leaving="web2")
    assert left == [host for host in HOSTS if host != "web2"]
