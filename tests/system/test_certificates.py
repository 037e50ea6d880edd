"""The certificates of the private certificate authority, made by the role's tasks on the controller."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The folder of the authority, which the first run makes."""
    return tmp_path / "tls"


def certify(authority: Path, *options: str) -> int:
    """Make the certificate of one application; return how many tasks have changed something. None may fail."""
    certificate = {"name": "shop", "common_name": "shop.example.org", "alternative_names": ["DNS:shop.example.org"]}
    role = {"name": "grove.wsgi.wsgi_app", "tasks_from": "certificates.yml"}
    values = {
        "wsgi_app_tls_ca_dir": str(authority),
        "wsgi_app_tls_days": 90,
        "__wsgi_app_steps": {"certificates": [certificate]},
    }
    play = {"hosts": "all", "gather_facts": False, "vars": values, "tasks": [{"include_role": role}]}
    path = authority.parent / "play.yml"
    path.write_text(json.dumps([play]))
    command = [f"{sys.prefix}/bin/ansible-playbook", "-i", "localhost,", "-c", "local", str(path), *options]
    completed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    recap = dict(word.split("=") for word in completed.stdout.splitlines()[-2].split() if "=" in word)
    assert not int(recap["failed"]), completed.stdout + completed.stderr
    return int(recap["changed"])


def test_check_mode_before_the_first_run_and_after_it(authority: Path) -> None:
    assert certify(authority, "--check") > 0
    assert not authority.exists()
    assert certify(authority) > 0
    leaf, root = authority / "localhost" / "shop.crt", authority / "ca.crt"
    subprocess.run(["openssl", "verify", "-CAfile", str(root), str(leaf)], check=True, capture_output=True)
    assert certify(authority, "--check") == 0


def test_check_mode_after_a_run_that_was_killed(authority: Path) -> None:
    certify(authority)
    for missing in ("ca.csr", "localhost/shop.key", "localhost/shop.crt"):
        (authority / missing).unlink()
    assert certify(authority, "--check") > 0
    assert certify(authority) > 0
