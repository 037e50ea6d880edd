"""The module that makes the application from the environment, imported as a server does."""

import os
import subprocess
import sys

import pytest

from .conftest import PROJECT

ASK = """
from webob import Request
from pecan_test_project.wsgi import application
print(Request.blank("/catalog").get_response(application).text)
"""


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PECAN_CONFIG"}
    return subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=PROJECT,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_application() -> None:
    answer = run(PECAN_CONFIG=str(PROJECT / "config.py"))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "Welcome to the catalog.\n"


@pytest.mark.parametrize("variables", [{}, {"PECAN_CONFIG": ""}, {"PECAN_CONFIG": "/none/config.py"}])
def test_missing_configuration_is_a_clear_error(variables: dict[str, str]) -> None:
    answer = run(**variables)
    assert answer.returncode != 0
    last_line = answer.stderr.splitlines()[-1]
    assert last_line.startswith("RuntimeError: PECAN_CONFIG ")
    assert variables.get("PECAN_CONFIG", "") in last_line
