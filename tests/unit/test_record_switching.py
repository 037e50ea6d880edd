"""The keys of a record about how its releases run and are replaced."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import mod_wsgi_options
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import Checked, check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view
from record_settings import SETTINGS, SPEC, switching_part


def check(mod_wsgi: str = "6.1.1", **more: Any) -> Checked:
    settings = dataclasses.replace(SETTINGS, mod_wsgi=mod_wsgi)
    record = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:application"}, **more}
    return check_records([record], SPEC, settings)


def problems(**more: Any) -> list[str]:
    """Return the key of each problem."""
    checked = check(**more)
    assert "secret" not in str(checked.problems)
    return [problem.key for problem in checked.problems]


def test_hooks_that_are_command_lines() -> None:
    assert problems(migrate="python -m alembic -c '{etc}/a b.ini' upgrade head", after="true") == []
    assert problems(migrate=["true", "python -m shop {etc}/a"]) == []


@pytest.mark.parametrize(
    ("hooks", "key"),
    [
        ({"migrate": "echo 'secret"}, "migrate"),
        ({"migrate_reads": {"no.conf": []}}, "migrate_reads.no.conf"),
        ({"config": {"a": {}}, "migrate_reads": {"a": "database"}}, "migrate_reads.a"),
        ({"config": {"a": {}}, "migrate_reads": {"a": [3]}}, "migrate_reads.a"),
        ({"after": "  "}, "after"),
        ({"contract": "echo {venv}"}, "contract"),
        ({"migrate": ["true", "echo 'secret"]}, "migrate[1]"),
        ({"after": []}, "after"),
        ({"contract": {"a": "secret"}}, "contract"),
        ({"contract": ["true", 7]}, "contract"),
    ],
)
def test_hooks_that_are_none(hooks: dict[str, Any], key: str) -> None:
    assert problems(**hooks) == [key]


def test_agents_are_completed() -> None:
    [record] = check(agents={"worker": {"command": "shop-worker {etc}/shop.ini"}}).records
    completed = {"restart": "after", "stop_timeout": 60, "notify": False, "settle": 4, "instances": "each"}
    completed |= {"database": None}
    assert build_view(record)["agents"] == {"worker": {"command": "shop-worker {etc}/shop.ini", **completed}}


@pytest.mark.parametrize(
    ("name", "agent", "key"),
    [
        ("Worker", {"command": "true"}, "agents.Worker"),
        ("w" * 32, {"command": "true"}, f"agents.{'w' * 32}"),
        ("worker", "true", "agents.worker"),
        ("worker", {"commands": "true"}, "agents.worker"),
        ("worker", {"command": "true", "restart": "never"}, "agents.worker.restart"),
        ("worker", {"command": "true", "stop_timeout": 0}, "agents.worker.stop_timeout"),
        ("worker", {"command": "true", "stop_timeout": True}, "agents.worker.stop_timeout"),
        ("worker", {"command": "true", "settle": 600}, "agents.worker.settle"),
        ("worker", {"command": "true", "notify": "ready"}, "agents.worker.notify"),
        ("worker", {"command": "run {venv}"}, "agents.worker.command"),
        ("worker", {"command": ["true"]}, "agents.worker.command"),
    ],
)
def test_agents_that_are_none(name: str, agent: Any, key: str) -> None:
    assert problems(agents={name: agent}) == [key]


def test_an_agent_and_a_timer_need_names_of_their_own() -> None:
    timers = {"worker": {"command": "true", "schedule": "daily"}}
    assert problems(agents={"worker": {"command": "true"}}, timers=timers) == ["agents.worker"]


def test_timers_that_are_commands_with_a_schedule() -> None:
    assert problems(timers={"expire": {"command": "python -m shop.expire {etc}/shop.ini", "schedule": "daily"}}) == []


@pytest.mark.parametrize(
    ("name", "timer", "key"),
    [
        ("Expire", {"command": "true", "schedule": "daily"}, "timers.Expire"),
        ("expire", "daily", "timers.expire"),
        ("expire", {"command": "true", "at": "daily"}, "timers.expire"),
        ("expire", {"command": "true", "schedule": "often"}, "timers.expire.schedule"),
        ("expire", {"command": 7, "schedule": "daily"}, "timers.expire.command"),
        ("expire", {"command": "echo {venv}", "schedule": "daily"}, "timers.expire.command"),
    ],
)
def test_timers_that_are_none(name: str, timer: Any, key: str) -> None:
    assert problems(timers={name: timer}) == [key]


def test_a_memory_limit_is_megabytes_of_data() -> None:
    assert "memory-limit" not in check().records[0].daemon_options
    assert check(memory_limit=256).records[0].daemon_options["memory-limit"] == "268435456"
    assert problems(memory_limit=63) == ["memory_limit"]
    assert problems(memory_limit=256, daemon_options={"memory-limit": 1}) == ["memory_limit"]


def test_the_longest_header_of_an_answer_is_an_option_of_the_daemon() -> None:
    assert "header-buffer-size" not in check().records[0].daemon_options
    assert check(max_response_header=65536).records[0].daemon_options["header-buffer-size"] == "65536"
    assert check(daemon_options={"header-buffer-size": 9000}).records[0].daemon_options["header-buffer-size"] == "9000"
    assert problems(max_response_header=65536, daemon_options={"header-buffer-size": 9000}) == ["max_response_header"]


@pytest.mark.parametrize(
    ("key", "valid", "invalid"),
    [
        ("drain_timeout", 0, -1),
        ("start_timeout", 3600, 3601),
        ("request_timeout", 86_400, 86_401),
        ("threads", 1, 0),
        ("max_log", 1 << 20, (1 << 20) - 1),
        ("log_days", 1, 0),
    ],
)
def test_numbers_have_ranges(key: str, valid: int, invalid: int) -> None:
    assert problems(**{key: valid}) == []
    assert problems(**{key: invalid}) == [key]


def test_values_of_idle() -> None:
    assert problems(idle="warm") == []
    assert problems(idle="hot") == ["idle"]
    assert check().records[0].keys.replace.idle == "cold"


@pytest.mark.parametrize("version", ["6.1.1", "5.0.2", "4.9.4"])
def test_every_mod_wsgi_knows_the_defaults(version: str) -> None:
    checked = check(version)
    assert checked.problems == ()
    assert set(checked.records[0].daemon_options) <= mod_wsgi_options.known(version)


@pytest.mark.parametrize(
    ("address", "asked", "host"),
    [
        ("*", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("[::]", "::1", "[::1]"),
        ("[2001:db8::1]", "2001:db8::1", "[2001:db8::1]"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("localhost", "localhost", "localhost"),
    ],
)
def test_the_front_is_asked_where_the_record_listens(tmp_path: Path, address: str, asked: str, host: str) -> None:
    """Apache refuses an IPv6 address in the header Host without brackets."""
    record = {**switching_part(tmp_path, 8080), "address": address}
    front = app_file.app_of(record, app_file.apache("apache2", None)).front
    assert (front.address, front.host) == (asked, host)
    named = app_file.app_of({**record, "server_name": "shop.test"}, app_file.apache("apache2", None)).front
    assert (named.address, named.host) == (asked, "shop.test")
