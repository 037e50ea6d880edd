"""Tempest on the host of a control plane: its set-up, and a run. Also a plugin that shows the summaries of the runs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from served import Host
from tempest_results import Result

FOLDER = Path(__file__).with_name("tempest")
REPOSITORY = FOLDER.parents[2]
STATE = "/var/lib/tempest"
PROGRAM = "/opt/tempest/bin/tempest"
# Tempest and the services share the two cores of the machine. With more workers, requests wait for each other until
# tests reach their time limits.
CONCURRENCY = 2
PARTS = {
    "compute": [r"^tempest\.api\.compute\."],
    "network": [r"^tempest\.api\.network\."],
    "volume": [r"^tempest\.api\.volume\."],
    "image": [r"^tempest\.api\.image\."],
    "identity": [r"^tempest\.api\.identity\."],
    "serial": [r"^tempest\.serial_tests\.api\."],
    "keystone plugin": [r"^keystone_tempest_plugin\.tests\.(api|rbac)\."],
    "neutron plugin": [r"^neutron_tempest_plugin\.api\."],
    "cinder plugin": [r"^cinder_tempest_plugin\.(api|rbac)\."],
    "telemetry plugin": [r"^telemetry_tempest_plugin\.(aodh\.api|scenario\.test_gnocchi)\."],
}
"""The tests that need neither a guest nor a network: Tempest's own, and those of the plugins. A run has one part:
otherwise tests disturb each other. Nova's tests would find the shared networks of neutron's, and use them."""
SMOKE = [r"^tempest\.api\.(compute|identity|image|network|volume)\..*\[.*\bsmoke\b.*\]"]
SUMMARY = pytest.StashKey[dict[str, str]]()
# Reads the last run of the repository of results.
RESULTS = """
import json, subprocess, sys
import subunit, testtools
stream = subprocess.run([sys.argv[1], "last", "--subunit"], stdout=subprocess.PIPE).stdout
tests = []
def note(test):
    texts = [content.as_text() for name, content in test["details"].items() if name in ("traceback", "reason")]
    tests.append({"name": test["id"], "status": test["status"], "text": "\\n".join(texts)})
result = testtools.StreamToDict(note)
result.startTestRun()
import io
subunit.ByteStreamToStreamResult(io.BytesIO(stream), non_subunit_name="output").run(result)
result.stopTestRun()
print(json.dumps([test for test in tests if test["status"] != "exists"]))
"""


@dataclass(frozen=True)
class Run:
    """A finished run: its results, and the summary that Tempest printed."""

    results: list[Result]
    summary: str


def set_up(host: Host) -> None:
    """Install Tempest on the host and write its configuration. Fails with Ansible's output."""
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory")
    command = ["ansible-playbook", str(FOLDER / "set_up.yml"), "--inventory", str(inventory), "--limit", host.name]
    completed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, f"{completed.stdout[-3000:]}\n{completed.stderr}"


def run(host: Host, tests: Iterable[str], concurrency: int = CONCURRENCY) -> Run:
    """Run the tests whose names match one of the regular expressions. Fails if Tempest cannot run."""
    host.run("tee", f"{STATE}/include.txt", stdin="".join(f"{one}\n" for one in tests))
    enter = ["runuser", "-u", "tempest", "--", "env", f"--chdir={STATE}", f"HOME={STATE}", "LC_ALL=C.UTF-8"]
    options = ["--config-file", "tempest.conf", "--include-list", "include.txt", f"--concurrency={concurrency}"]
    begun = time.monotonic()
    completed = host.try_run(*enter, PROGRAM, "run", *options)
    output = completed.stdout
    assert "\nTotals\n" in output, f"exit status {completed.returncode}\n{output[-3000:]}\n{completed.stderr[-3000:]}"
    summary = output[output.rindex("======\nTotals") :].strip()
    found = json.loads(host.run(*enter, "/opt/tempest/bin/python", "-", "/opt/tempest/bin/stestr", stdin=RESULTS))
    return Run(
        [Result(**one) for one in found],
        f"$ tempest run --concurrency={concurrency} ({time.monotonic() - begun:.0f} s)\n{summary}",
    )


def note_summary(config: pytest.Config, title: str, summary: str) -> None:
    """Keep a summary for the end of the log."""
    config.stash.setdefault(SUMMARY, {})[title] = summary


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the summaries of Tempest at the end of the log."""
    for title, summary in config.stash.get(SUMMARY, {}).items():
        terminalreporter.section(title)
        terminalreporter.write_line(summary)
