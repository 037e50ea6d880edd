"""The main job, run again on a scenario's host with other records or settings."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import Host

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """The result of a run: exit status, the number of changes on the host, and the messages of failed tasks."""

    status: int
    changed: int
    messages: list[str]


def command(
    host: Host, apps: list[dict[str, Any]] | None = None, *, playbook: str = "site.yml", **variables: Any
) -> list[str]:
    """Return the command line that runs the job on one host, with records and variables in place of the inventory's."""
    extra = variables if apps is None else {**variables, "wsgi_apps": apps}
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory")
    options = ["--inventory", str(inventory), "--limit", host.name, "--extra-vars", json.dumps(extra)]
    return ["ansible-playbook", str(REPOSITORY / playbook), *options]


def run(
    host: Host, apps: list[dict[str, Any]] | None = None, *, options: tuple[str, ...] = (), **variables: Any
) -> Outcome:
    """Run the job to its end, with further options of ansible-playbook."""
    environment = os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    words = [*command(host, apps, **variables), *options]
    completed = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert "{" in completed.stdout, f"exit status {completed.returncode}\n{completed.stdout}\n{completed.stderr}"
    output = json.loads(completed.stdout[completed.stdout.index("{") :])
    results = [task["hosts"].get(host.name, {}) for play in output["plays"] for task in play["tasks"]]
    flat = [item for result in results for item in [result, *result.get("results", [])]]
    messages = [str(item["msg"]) for item in flat if item.get("failed") and "results" not in item]
    return Outcome(completed.returncode, int(output["stats"][host.name]["changed"]), messages)


def start(host: Host, apps: list[dict[str, Any]] | None = None, **variables: Any) -> subprocess.Popen[str]:
    """Start the job in a process group of its own; its output can be read line by line."""
    return subprocess.Popen(
        command(host, apps, **variables),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
