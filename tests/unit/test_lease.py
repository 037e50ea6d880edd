"""When an agent of which one instance is enough may run: the decisions, without a database and processes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import limits
from grove_runtime import launch, lease, lease_rules, lease_table
from grove_runtime.lease_rules import FREE, HELD, RESERVED, Contest, Deadlines, Row

OTHER = Row("abc", "api2", HELD, 0, 7)


def test_the_times_leave_no_moment_for_two_agents() -> None:
    """Each limit in seconds after the last renewal was sent; another host begins to count when it sees that one."""
    rules = lease_rules
    assert rules.QUERY_SECONDS + rules.WATCHDOG_SECONDS < rules.LEASE_SECONDS - 1
    assert rules.STOP_SECONDS < rules.KILL_SECONDS < rules.LEASE_SECONDS - 2
    # systemd does not kill what the program is about to end in an orderly way.
    assert rules.STOP_SECONDS < rules.WATCHDOG_SECONDS
    # A query that hangs, a connection and another query fit in before the agent is told to end.
    assert rules.RENEW_SECONDS + 3 * rules.QUERY_SECONDS <= rules.STOP_SECONDS
    # The stated time until another host has the agent.
    assert rules.LEASE_SECONDS + rules.RENEW_SECONDS + rules.QUERY_SECONDS <= 30
    assert limits.AGENT_WATCHDOG == rules.WATCHDOG_SECONDS
    assert limits.AGENT_GIVE_BACK > lease.GIVE_BACK_SECONDS + 2 * rules.QUERY_SECONDS


def test_a_row_is_taken_when_one_version_was_seen_for_long_enough() -> None:
    contest = Contest("api1")
    assert not contest.may_take(OTHER, 100.0)
    assert not contest.may_take(OTHER, 100.0 + lease_rules.LEASE_SECONDS - 0.1)
    renewed = Row("abc", "api2", HELD, 0, 8)
    assert not contest.may_take(renewed, 100.0 + lease_rules.LEASE_SECONDS)
    # A server that knows less shows an older version. The time begins again.
    assert not contest.may_take(OTHER, 110.0 + lease_rules.LEASE_SECONDS)
    assert not contest.may_take(OTHER, 110.0 + 2 * lease_rules.LEASE_SECONDS - 0.1)
    assert contest.may_take(OTHER, 110.0 + 2 * lease_rules.LEASE_SECONDS)
    contest.forget()
    assert not contest.may_take(OTHER, 111.0 + 2 * lease_rules.LEASE_SECONDS)


@pytest.mark.parametrize(
    ("row", "seconds"),
    [
        (Row("", "", FREE, 0, 0), 0.0),
        (Row("", "api2", FREE, 0, 9), 0.0),
        (Row("", "api1", RESERVED, 1, 9), 0.0),
        (Row("", "api2", RESERVED, 1, 9), lease_rules.RESERVED_SECONDS),
        (Row("abc", "api1", HELD, 0, 9), lease_rules.LEASE_SECONDS),
    ],
)
def test_how_long_a_host_waits(row: Row, seconds: float) -> None:
    """Also for a process of its own host that is gone without a word: two hosts may have one name."""
    contest = Contest("api1")
    assert contest.may_take(row, 50.0) == (seconds == 0.0)
    assert contest.may_take(row, 50.0 + seconds)


def test_when_an_agent_is_told_to_end_and_killed() -> None:
    untold = Deadlines(renewed=100.0, told=None, patience=60.0)
    assert (untold.stop, untold.kill) == (114.0, 118.0)
    # A renewal that came after SIGTERM gives the agent its own time to end.
    assert Deadlines(renewed=115.0, told=114.0, patience=60.0).kill == 133.0
    assert Deadlines(renewed=115.0, told=114.0, patience=5.0).kill == 119.0
    assert lease_rules.is_fresh(100.0, 104.0)
    assert not lease_rules.is_fresh(100.0, 104.1)


@pytest.mark.parametrize(
    ("failures", "ran", "expected"),
    [(0, 1.0, (RESERVED, 1)), (1, 1.0, (RESERVED, 2)), (2, 1.0, (FREE, 0)), (2, 60.0, (RESERVED, 1))],
)
def test_an_agent_that_ends_by_itself(failures: int, ran: float, expected: tuple[str, int]) -> None:
    assert lease_rules.given_back(failures, ran) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql+pymysql://u:p@db/shop?charset=utf8", "mysql+pymysql://u:p@db/shop?charset=utf8"),
        ("mysql://u:p@db/shop", "mysql+pymysql://u:p@db/shop"),
        ("mysql+aiomysql://u:p@db/shop", "mysql+pymysql://u:p@db/shop"),
        ("postgresql://u:p@db/shop", "postgresql+psycopg2://u:p@db/shop"),
        ("postgres://u:p@db/shop", "postgresql+psycopg2://u:p@db/shop"),
        ("postgresql+asyncpg://u:p@db/shop", "postgresql+psycopg2://u:p@db/shop"),
    ],
)
def test_a_url_gets_a_driver_that_is_there(url: str, expected: str) -> None:
    assert lease_table.complete_url(url).render_as_string(hide_password=False) == expected


def test_a_database_that_hosts_cannot_share() -> None:
    with pytest.raises(lease_table.UrlError, match="of sqlite cannot be shared"):
        lease_table.complete_url("sqlite:////var/lib/shop/shop.sqlite")


def test_where_the_url_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shop.ini"
    file.write_text("[app:main]\nsqlalchemy.url = mysql://u:50%25@db/shop\n")

    def url(*words: str) -> str:
        return lease.url_of(lease.parsed(["--agent", "shop/mail", *words, "--", "true", "--config", "x"]))

    assert url("--config", str(file), "--option", "app:main/sqlalchemy.url") == "mysql://u:50%25@db/shop"
    with pytest.raises(LookupError, match="has no option database/connection"):
        url("--config", str(file))
    with pytest.raises(LookupError, match="SHOP_URL is not set"):
        url("--variable", "SHOP_URL")
    monkeypatch.setenv("SHOP_URL", "postgresql://db/shop")
    assert url("--variable", "SHOP_URL") == "postgresql://db/shop"
    for wrong in ([], ["--config", "a", "--variable", "b"]):
        with pytest.raises(SystemExit):
            url(*wrong)


PROGRAM = "python {release}/runtime/grove_runtime/lease.py --agent shop/mail"
OF_CONFIG = "--config {etc}/shop.conf --option database/connection --stop-timeout 30 --notify -- mail --all"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ({}, "mail --all"),
        (
            {"notify": True, "lease": {"database": {"config": "shop.conf"}, "stop_timeout": 30}},
            f"{PROGRAM} {OF_CONFIG}",
        ),
        (
            {"lease": {"database": {"variable": "SHOP_URL"}, "stop_timeout": 60}},
            f"{PROGRAM} --variable SHOP_URL --stop-timeout 60 -- mail --all",
        ),
    ],
)
def test_the_command_of_an_agent(agent: dict[str, object], expected: str) -> None:
    release = launch.Release("/srv/wsgi/shop/releases/1", "1", {"agents": {"mail": {"command": "mail --all", **agent}}})
    words = launch.with_lease(release, "shop", "mail", ["mail", "--all"])
    assert words == expected.split()
    if agent:
        arguments = lease.parsed(words[2:])
        assert isinstance(arguments, argparse.Namespace)
        assert (arguments.agent, arguments.command) == ("shop/mail", ["mail", "--all"])
        assert arguments.notify == agent.get("notify", False)
