"""``./grove`` in a shell whose locale Ansible would refuse."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLES = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"LANG": "C"},
        {"LC_ALL": "xx_YY.UTF-8"},
        {"LC_ALL": "xx_YY"},
        {"LANG": "C.UTF-8", "LC_MESSAGES": "xx_YY.UTF-8"},
    ],
    ids=lambda settings: " ".join(f"{key}={value}" for key, value in settings.items()) or "none",
)
def test_ansible_starts_with_every_locale_of_the_shell(settings: dict[str, str]) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES} | settings
    command = [str(REPOSITORY / "grove"), "site", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ansible-playbook")
    assert "locale" not in done.stderr
