"""What a host can take, and how much of it was used."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.capacity import configuration, database, usage
from ansible_collections.grove.wsgi.plugins.plugin_utils import capacity

START = 1_795_000_000.0
SITE = (
    "WSGIDaemonProcess shop-blue display-name=b-shop user=shop processes=2 threads=5 listen-backlog=500\n"
    "WSGIDaemonProcess shop-green display-name=g-shop user=shop processes=2 threads=5 listen-backlog=500\n"
    "        SetEnv GROVE_QUEUE_TIMEOUT 30\n"
)
MPM = """
<IfModule mpm_event_module>
    StartServers 2
    ThreadsPerChild 1280
    MaxRequestWorkers 2560
    AsyncRequestWorkerFactor 2
    ListenBackLog 4096
</IfModule>
"""


def line(second: float, ms: int = 0, **fields: Any) -> str:
    """Return a line of the access log of the app shop, ``second`` after the start."""
    moment = datetime.fromtimestamp(START + second, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
    own = {"time": moment, "ms": ms, "status": 200, "app": "shop", "queue_ms": 0, "app_ms": ms}
    return json.dumps(own | fields)


def used(*lines: str, own: str | None = "shop") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures of the app shop and of the host."""
    host, apps = usage.Requests(), {"shop": usage.Requests()}
    usage.read(lines, START, own, host, apps)
    return apps["shop"].summary(), host.summary()


def result(*lines: str, site: str = SITE, connections: int = 0, database: Any = None, **app: Any) -> dict[str, Any]:
    """Return what the module reads on a host with the app shop."""
    of_app, of_host = used(*lines)
    group = configuration.groups([site]).get("shop")
    shop = {
        "app": "shop",
        "state": "served",
        "processes": group.processes if group else None,
        "threads": group.threads if group else None,
        "options": dict(group.options) if group else {},
        "running": 2,
        "under_way": 0,
        "memory": 40_000_000,
        "memory_peak": 60_000_000,
        "memory_idle": 10_000_000,
        "problem": None,
        "database_connections": connections,
        "used": of_app,
    }
    return {
        "machine": {"cores": 2, "memory": 4_000_000_000, "somaxconn": 4096},
        "server": {**configuration.server([MPM, "    GroveAddressConnections 2304\n"]), "busy": 1, "open": 2},
        "apps": [shop | app],
        "used": of_host,
        "since": START,
        "database": database,
        "problems": [],
    }


def test_apaches_configuration_is_read() -> None:
    server = configuration.server([MPM, "GroveAddressConnections 2304\n"])
    assert server == {
        "servers": 2,
        "threads": 1280,
        "workers": 2560,
        "factor": 2,
        "backlog": 4096,
        "address_connections": 2304,
        "connections": 7680,
    }
    assert configuration.server(["Listen 80\n"]) == {}
    group = configuration.groups([SITE])["shop"]
    assert (group.processes, group.threads, group.options["queue-timeout"]) == (2, 5, "30")
    assert configuration.groups(["ServerName a\n"]) == {}


def test_requests_at_once_are_counted() -> None:
    assert usage.peak([], []) == (0, None)
    assert usage.peak([1.0], [1.0]) == (1, 1.0)
    assert usage.peak([1, 2, 2.5], [2, 3, 4]) == (2, 2.5)
    assert usage.peak([1, 1, 1, 9], [5, 4, 3, 10]) == (3, 1)


def test_percentiles() -> None:
    assert usage.percentiles([]) is None
    assert usage.percentiles([7]) == {"p50": 7, "p95": 7, "p99": 7, "max": 7}
    assert usage.percentiles([float(number) for number in range(1, 101)]) == {
        "p50": 50,
        "p95": 95,
        "p99": 99,
        "max": 100,
    }


def test_a_log_says_what_was_used() -> None:
    app, host = used(
        line(-5),
        line(1.0, 2000, queue_ms=10),
        line(1.5, 100, queue_ms=30),
        line(1.9, 100),
        line(2.0, 15000, app=None, app_ms=None, queue_ms=None, status=503),
        line(3.0, 10, app="blog"),
        '192.0.2.1 - - [28/Nov/2026:19:30:12 +0000] "GET / HTTP/1.1" 200 5 ms=3 slot=shop-blue',
        "{",
    )
    assert (app["requests"], app["untimed"], app["busiest"], app["per_second"]) == (4, 2, 2, 3)
    assert app["busiest_at"] == pytest.approx(START + 1.5)
    assert app["refused"] == {"503": 1}
    assert app["queue_ms"] == {"p50": 10, "p95": 30, "p99": 30, "max": 30}
    assert (app["timed"], app["app_ms_mean"]) == (3, pytest.approx(2200 / 3))
    assert (host["requests"], host["busiest"]) == (5, 2)
    assert json.loads(json.dumps(app)) == app


def test_lines_of_a_shared_log_without_an_app_are_nobodys() -> None:
    app, host = used(line(1, app=None), line(2), own=None)
    assert (app["requests"], host["requests"]) == (1, 2)


def test_the_queue_is_full_first() -> None:
    judged = capacity.judge({"web1": result(line(1, 50))})
    [app] = judged["hosts"]["web1"]["apps"]
    assert app["at_once"] == 10
    assert [limit["at"] for limit in app["limits"]] == [510, 2304, 2560]
    assert app["limits"][0]["key"] == "daemon_options.listen-backlog"
    assert judged["hosts"]["web1"]["first"]["app"] == "shop"
    text = "\n".join(capacity.lines(judged))
    assert "Apache has 2560 workers (1 busy now), 7680 connections (2 open now), 2304 of one address" in text
    assert (
        "  shop: beyond 510 requests at once: 503 after 15 s, since 500 is the limit of requests that wait for a thread"
        " (daemon_options.listen-backlog)" in text
    )
    assert "memory: the apps' peaks are 0.1 GB, and all workers of Apache take 0.3 GB: 0.4 GB of 4.0 GB (10 %)" in text
    assert "1 requests, at most 1 at once" in text


def test_a_slow_app_reaches_the_time_in_the_queue_first() -> None:
    lines = [line(number / 10, 3000) for number in range(100)]
    [app] = capacity.judge({"web1": result(*lines)})["hosts"]["web1"]["apps"]
    first = app["limits"][0]
    assert (first["at"], first["key"], first["effect"]) == (10 + 100, "daemon_options.queue-timeout", "504 after 30 s")
    # Too few requests tell nothing.
    [app] = capacity.judge({"web1": result(*lines[:99])})["hosts"]["web1"]["apps"]
    assert app["limits"][0]["at"] == 510


def test_the_kernel_may_allow_a_shorter_queue() -> None:
    one = result()
    one["machine"]["somaxconn"] = 128
    [app] = capacity.judge({"web1": one})["hosts"]["web1"]["apps"]
    assert (app["limits"][0]["at"], app["limits"][0]["key"]) == (138, "net.core.somaxconn of the host")


def test_the_database_refuses_first() -> None:
    server = {"kind": "MariaDB", "port": 3306, "most": 30, "now": 29, "peak": 29, "problem": None}
    on_database = {**result(), "apps": [], "server": None, "database": server}
    judged = capacity.judge({"web1": result(connections=4), "web2": result(connections=4), "db1": on_database})
    assert judged["databases"] == [{"host": "db1", **server, "wanted": 20}]
    first = judged["hosts"]["web1"]["first"]
    assert (first["at"], first["number"], first["key"]) == (5, 30, "database_max_connections")
    text = "\n".join(capacity.lines(judged))
    assert "db1: MariaDB accepts 30 connections (database_max_connections); 29 are open, 29 at most" in text
    assert "  no app was deployed on this host" in text
    # An app without a connection has no such limit, and a server that did not answer is none.
    [app] = capacity.judge({"web1": result(), "db1": on_database})["hosts"]["web1"]["apps"]
    assert app["limits"][0]["at"] == 510
    on_database["database"] = {**server, "most": None, "problem": "it gave no answer in 10 s"}
    judged = capacity.judge({"web1": result(connections=4), "db1": on_database})
    assert judged["hosts"]["web1"]["first"]["at"] == 510
    assert "db1: MariaDB was not asked: it gave no answer in 10 s" in capacity.lines(judged)


def test_a_log_without_requests_or_times_says_so() -> None:
    text = "\n".join(capacity.lines(capacity.judge({"web1": result()})))
    assert f"access log since {capacity.moment(START)}: it has no requests" in text
    text = "\n".join(capacity.lines(capacity.judge({"web1": result("an old line")})))
    assert "its lines have Apache's text form, without times" in text


def test_a_handover_counts_slots_and_generations() -> None:
    one = result()
    assert "handover:" not in "\n".join(capacity.lines(capacity.judge({"web1": one})))
    one["server"]["handover"] = {"processes": 4, "needed": 100 << 20, "available": 2000 << 20}
    text = "\n".join(capacity.lines(capacity.judge({"web1": one})))
    assert "handover: two generations of two slots have 8 processes of apps for a moment; the second generation" in text
    assert "needs about 100 MB, and 2000 MB are available\n" in text
    one["server"]["handover"]["available"] = 99 << 20
    text = "\n".join(capacity.lines(capacity.judge({"web1": one})))
    assert "and 99 MB are available; a handover would be refused" in text


def test_an_app_that_apache_does_not_have() -> None:
    one = result(site="", running=0, problem="key account: there is no account shop on this host")
    text = "\n".join(capacity.lines(capacity.judge({"web1": one})))
    assert "  shop: Apache has no process group of it" in text
    assert "  shop: key account: there is no account shop on this host" in text


def test_an_app_that_was_removed_is_in_no_table() -> None:
    one = result(site="", running=0, problem="Apache does not run", state="removed")
    lines = capacity.lines(capacity.judge({"web1": one}))
    assert [line for line in lines if "shop" in line] == [
        "  shop: removed: Apache has no site of it, and its files are kept"
    ]


def test_connections_to_a_database_are_counted_by_account(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 0100007F:A000 0100007F:{port:04X} {state} 00000000:00000000 00:00000000 00000000  {uid}        0 5\n"
    rows = [(3306, "01", 900), (5432, "01", 900), (3306, "06", 900), (80, "01", 900), (3306, "01", 901)]
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "tcp").write_text(head + "".join(row.format(port=p, state=s, uid=u) for p, s, u in rows))
    assert database.connections(frozenset({900}), tmp_path) == {900: 2}
