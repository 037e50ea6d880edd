"""The agents of an application, and the release that each runs after deployments that succeed or fail."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import main_job
import pytest
from served import Host, wait_for

REPOSITORY = main_job.REPOSITORY


@pytest.fixture
def web1(hosts: dict[str, Host]) -> Host:
    """The host with the application busy."""
    return hosts["web1"]


def unit(agent: str) -> str:
    return f"grove-busy-{agent}.service"


def pid(host: Host, agent: str) -> int:
    """Return the id of an agent's process; 0 if it does not run."""
    return int(host.run("systemctl", "show", "--property=MainPID", "--value", unit(agent)))


def release(host: Host, agent: str) -> str:
    """Return the release that an agent's process was started in."""
    return host.environment(pid(host, agent))["GROVE_RELEASE"]


def releases(host: Host) -> dict[str, str]:
    return {agent: release(host, agent) for agent in ("early", "late")}


def deploy(host: Host, **changes: Any) -> main_job.Outcome:
    """Deploy with a changed record of busy."""
    apps = [{**record, **changes} if record["name"] == "busy" else record for record in host.apps]
    return main_job.run(host, apps)


def test_agents_run_in_the_live_release_as_the_account(web1: Host) -> None:
    _, live = web1.live("busy")
    assert releases(web1) == {"early": live, "late": live}
    assert web1.run("ps", "-o", "user=", "-p", str(pid(web1, "late"))).strip() == "busy"
    assert web1.run("systemctl", "is-enabled", unit("early"), unit("late")).split() == ["enabled", "enabled"]
    etc = f"/srv/wsgi/busy/releases/{live}/etc"
    lines = web1.run("cat", f"{etc}/busy.conf").splitlines()
    options = {"state_path = /var/lib/busy", f"here = {etc}", "password = opensesame"}
    assert set(lines[lines.index("[DEFAULT]") + 1 :]) == options
    assert web1.run("stat", "-c", "%a %U %G", f"{etc}/busy.conf").split() == ["640", "root", "busy"]


def test_agents_come_back_by_themselves(web1: Host) -> None:
    before = pid(web1, "late")
    web1.run("kill", "-9", str(before))
    assert wait_for(lambda: "new" if pid(web1, "late") not in (0, before) else "")


def test_agents_follow_a_deployment_and_a_rollback(web1: Host) -> None:
    _, first = web1.live("busy")
    before = {agent: pid(web1, agent) for agent in ("early", "late")}
    outcome = deploy(web1, environment={"ECHO_CONFIG": "{etc}/echo.conf", "MORE": "1"})
    assert (outcome.status, outcome.messages) == (0, [])
    _, second = web1.live("busy")
    assert second != first
    assert releases(web1) == {"early": second, "late": second}
    assert not set(before.values()) & {pid(web1, agent) for agent in before}
    inventory = os.path.join(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory")
    command = ["ansible-playbook", "playbooks/rollback.yml", "-i", inventory, "--limit", web1.name, "-e", "app=busy"]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    assert web1.live("busy")[1] == first
    assert releases(web1) == {"early": first, "late": first}


@pytest.mark.parametrize(
    ("early", "words"),
    [
        ({"command": "sh -c 'echo out of order; exit 3'"}, "out of order"),
        # The agent stays up, but its workers end again and again.
        ({"command": "python {etc}/beside.py workers", "notify": True}, "out of work"),
    ],
)
def test_an_agent_that_does_not_stay_up_keeps_the_release_from_the_traffic(
    web1: Host, early: dict[str, Any], words: str
) -> None:
    _, live = web1.live("busy")
    outcome = deploy(web1, agents={**web1.app("busy")["agents"], "early": {**early, "restart": "before"}})
    assert outcome.status == 2
    [message] = outcome.messages
    assert message.startswith("record busy: key agents.early: grove-busy-early.service did not stay up for 4 s within")
    assert f"\n{words}\n" in message
    assert message.endswith(f"release {live} serves on, and its agents run again. Run again when the cause is gone")
    assert web1.live("busy")[1] == live
    assert releases(web1) == {"early": live, "late": live}


def test_agents_with_notify_are_ready_when_they_report_it(web1: Host) -> None:
    def shown(agent: str, name: str) -> str:
        return web1.run("systemctl", "show", f"--property={name}", "--value", unit(agent)).strip()

    for agent in ("early", "late"):
        web1.run("systemctl", "restart", unit(agent))
        assert shown(agent, "SubState") == "running"
    # The agent reports it after a second. Times are in microseconds.
    begun, ready = (int(shown("late", f"{name}TimestampMonotonic")) for name in ("ExecMainStart", "ActiveEnter"))
    assert ready - begun >= 1_000_000


def test_agents_that_no_record_has_are_removed(web1: Host) -> None:
    assert deploy(web1, agents={"late": web1.app("busy")["agents"]["late"]}).status == 0
    assert web1.try_run("systemctl", "cat", unit("early")).returncode == 1
    assert release(web1, "late") == web1.live("busy")[1]
    assert deploy(web1, agents={}).status == 0
    assert not web1.try_run("sh", "-c", "ls /etc/systemd/system/grove-busy-*").stdout
    assert deploy(web1).status == 0
    assert set(releases(web1).values()) == {web1.live("busy")[1]}
