"""The keys of a record that say how its releases are replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import daemon as record_daemon
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import hooks as record_hooks
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import mod_wsgi_options
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import Check
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings

NOTHING: dict[str, Any] = {
    "name": "shop", "migrate": None, "contract": None, "after": None,
    "timers": {}, "agents": {},
}


def settings(mod_wsgi: str) -> Settings:
    return Settings(
        base="/srv/wsgi",
        state_base="/var/lib",
        log_base="/var/log",
        listen_address="*",
        door="127.0.0.1:9080",
        python="/usr/bin/python3",
        mod_wsgi=mod_wsgi,
        mod_wsgi_python="/usr/bin/python3",
        folders=(),
        workers_per_server=64,
    )


def hook_problems(**hooks: Any) -> list[str]:
    result = Check()
    record_hooks.check_hooks({**NOTHING, **hooks}, result)
    return [str(problem) for problem in result.problems]


def daemon(mod_wsgi: str = "6.1.1", **more: Any) -> tuple[dict[str, str], list[str]]:
    record: dict[str, Any] = {
        "name": "shop",
        "kind": "module",
        "processes": 2,
        "threads": 2,
        "start_timeout": 60,
        "max_body": 0,
        "drain_timeout": 60,
        "memory_limit": None,
        "request_timeout": 60,
        "daemon_options": {},
        **more,
    }
    result = Check()
    record_daemon.check_daemon(record, settings(mod_wsgi), 2, result)
    return record["daemon_options"], [str(problem) for problem in result.problems]


def test_hooks_that_are_command_lines() -> None:
    assert hook_problems() == []
    assert hook_problems(migrate="python -m alembic -c '{etc}/a b.ini' upgrade head", after="true") == []


@pytest.mark.parametrize(
    ("hooks", "expected"),
    [
        (
            {"migrate": "echo 'secret"},
            "key migrate: found a command line that cannot be split (No closing quotation); quotes have to be closed,"
            " as in a shell",
        ),
        ({"after": "  "}, "key after: found an empty command line; it has to name a command, or be left out"),
        (
            {"contract": "echo {venv}"},
            "key contract: found {venv}; the placeholders are {etc}, {release}, {state}, {logs}",
        ),
    ],
)
def test_hooks_that_are_none(hooks: dict[str, str], expected: str) -> None:
    found = hook_problems(**hooks)
    assert found == [f"record shop, {expected}"]
    assert "secret" not in found[0]


def test_hooks_of_several_commands() -> None:
    assert hook_problems(migrate=["true", "python -m shop {etc}/a"]) == []
    assert hook_problems(migrate=["true", "echo 'secret"])[0].startswith("record shop, key migrate[1]: found a command")
    right = "it has to be a command line, or a list of command lines"
    assert hook_problems(after=[]) == [f"record shop, key after: found an empty list; {right}"]
    assert hook_problems(contract={"a": "secret"}) == [f"record shop, key contract: found a dict; {right}"]


def test_agents_are_completed() -> None:
    record = {**NOTHING, "agents": {"worker": {"command": "shop-worker {etc}/shop.ini"}}}
    record_hooks.check_hooks(record, Check())
    given = {"restart": "after", "stop_timeout": 60, "notify": False, "settle": 4}
    assert record["agents"] == {"worker": {"command": "shop-worker {etc}/shop.ini", **given}}


@pytest.mark.parametrize(
    ("name", "agent", "expected"),
    [
        ("Worker", {"command": "true"}, "agents.Worker: found 'Worker' (a text); a name has lower-case letters,"),
        ("worker", "true", "agents.worker: found 'true' (a text); it has to be a dictionary with command,"),
        ("worker", {"commands": "true"}, "agents.worker: found the keys commands; it has to be a dictionary with"),
        (
            "worker",
            {"command": "true", "restart": "never"},
            "agents.worker.restart: found 'never' (a text); it has to be one of before, after (the switch)",
        ),
        (
            "worker",
            {"command": "true", "stop_timeout": 0},
            "agents.worker.stop_timeout: found 0 (a whole number); it has to be from 1 to 3600",
        ),
        (
            "worker",
            {"command": "true", "settle": 600},
            "agents.worker.settle: found 600 (a whole number); it has to be from 1 to 120",
        ),
        (
            "worker",
            {"command": "true", "notify": "ready"},
            "agents.worker.notify: found 'ready' (a text); it has to be true or false",
        ),
        ("worker", {"command": "run {venv}"}, "agents.worker.command: found {venv}; the placeholders are {etc},"),
    ],
)
def test_agents_that_are_none(name: str, agent: Any, expected: str) -> None:
    assert hook_problems(agents={name: agent})[0].startswith(f"record shop, key {expected}")


def test_an_agent_and_a_timer_need_names_of_their_own() -> None:
    timers = {"worker": {"command": "true", "schedule": "daily"}}
    assert "found timers.worker, too" in hook_problems(agents={"worker": {"command": "true"}}, timers=timers)[0]


def test_timers_that_are_commands_with_a_schedule() -> None:
    assert (
        hook_problems(timers={"expire": {"command": "python -m shop.expire {etc}/shop.ini", "schedule": "daily"}}) == []
    )


@pytest.mark.parametrize(
    ("name", "timer", "expected"),
    [
        (
            "Expire",
            {"command": "true", "schedule": "daily"},
            "timers.Expire: found 'Expire' (a text); a name has lower-case letters, digits and hyphens, 31 at most",
        ),
        (
            "expire",
            "daily",
            "timers.expire: found 'daily' (a text); it has to be a dictionary with command and schedule",
        ),
        (
            "expire",
            {"command": "true", "at": "daily"},
            "timers.expire: found the keys command, at; it has to be a dictionary with command and schedule",
        ),
        (
            "expire",
            {"command": "true", "schedule": "often"},
            "timers.expire.schedule: found 'often' (a text); it has to be one of hourly, daily, weekly, monthly",
        ),
        (
            "expire",
            {"command": 7, "schedule": "daily"},
            "timers.expire.command: found 7 (a whole number); it has to be a text",
        ),
        (
            "expire",
            {"command": "echo {venv}", "schedule": "daily"},
            "timers.expire.command: found {venv}; the placeholders are {etc}, {release}, {state}, {logs}",
        ),
    ],
)
def test_timers_that_are_none(name: str, timer: Any, expected: str) -> None:
    assert hook_problems(timers={name: timer}) == [f"record shop, key {expected}"]


def test_a_memory_limit_is_megabytes_of_data() -> None:
    assert "memory-limit" not in daemon()[0]
    assert daemon(memory_limit=256)[0]["memory-limit"] == "268435456"
    assert daemon(memory_limit=63)[1] == ["record shop, key memory_limit: found 63; it has to be from 64 to 1048576"]
    assert daemon(memory_limit=256, daemon_options={"memory-limit": 1})[1] == [
        "record shop, key memory_limit: found 256, and daemon_options.memory-limit; both are the same limit; keep one"
    ]


def test_drain_timeout_has_a_range() -> None:
    assert daemon(drain_timeout=0)[1] == []
    assert daemon(drain_timeout=-1)[1] == ["record shop, key drain_timeout: found -1; it has to be from 0 to 3600"]


def test_what_may_wait_in_the_idle_slot() -> None:
    spec = yaml.safe_load((Path(__file__).parents[2] / "roles/wsgi_app/meta/argument_specs.yml").read_text())
    idle = spec["argument_specs"]["record"]["options"]["idle"]
    assert (idle["choices"], idle["default"]) == (["cold", "warm"], "cold")


@pytest.mark.parametrize("version", ["6.1.1", "5.0.2", "4.9.4"])
def test_every_mod_wsgi_knows_the_defaults(version: str) -> None:
    options, found = daemon(version)
    assert options
    assert set(options) <= mod_wsgi_options.known(version)
    assert found == []
