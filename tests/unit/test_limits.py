"""The numbers in docs/limits.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import grove_runtime.own_log
import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.plugin_utils import mpm
from ansible_collections.grove.wsgi.plugins.plugin_utils.mpm import Machine, Mpm
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import mod_wsgi_options
from record_settings import ENTRY_POINTS

REPOSITORY = Path(__file__).resolve().parents[2]


def load(path: str) -> Any:
    return yaml.safe_load((REPOSITORY / path).read_text())


def actual() -> dict[str, int]:
    """Return the limits by the names that the page gives them."""
    names = ("MOST_WORKERS", "WORKER_KILOBYTES", "MEMORY_SHARE", "LEAST_WORKERS", "CONNECTIONS", "DESCRIPTORS")
    limits = {name: int(getattr(mpm, name)) for name in names}
    [backlog] = re.findall(r"ListenBackLog (\d+)", (REPOSITORY / "httpd/mpm.conf.j2").read_text())
    source = (REPOSITORY / "httpd/mod_grove_guard.c").read_text()
    defines = dict(re.findall(r"^#define (\w+) (\d+)$", source, re.MULTILINE))
    limits |= {"ListenBackLog": int(backlog), **{name: int(defines[name]) for name in ("MEMORY", "FREE_PERCENT")}}
    server = load("roles/httpd/vars/main.yml")["__httpd_limits"]
    limits |= {name: value for name, value in server.items() if name != "address_connections"}
    limits["httpd_address_connections"] = Mpm.sized(0, 0, Machine(2, 4096)).address_connections
    defaults = load("roles/httpd/defaults/main.yml")
    limits |= {name: defaults[name] for name in ("httpd_keepalive_timeout", "httpd_timeout")}
    record = ENTRY_POINTS["record_limits"]["options"]
    sizes = ("max_body", "max_url", "max_header", "max_response_header", "buffer_body", "buffer_answer")
    limits |= {name: record[name]["default"] for name in (*sizes, "request_timeout", "max_log", "log_days")}
    own_log = (record["max_log"]["default"], record["log_days"]["default"])
    assert own_log == (grove_runtime.own_log.MAX_LOG, grove_runtime.own_log.LOG_DAYS)
    limits["PARTS"] = grove_runtime.own_log.PARTS
    assert record["max_response_header"]["default"] == mod_wsgi_options.HEADER_BUFFER_SIZE
    timeouts = ("listen-backlog", "connect-timeout", "queue-timeout", "socket-timeout")
    return limits | {name: int(mod_wsgi_options.DEFAULTS[name]) for name in timeouts}


def documented() -> dict[str, int]:
    page = (REPOSITORY / "docs/limits.md").read_text()
    table = page[page.index("## Table") : page.index("## Sizes")]
    rows = re.findall(r"^\| `([^`]+)` \| (\d+)", table, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| `", table, re.MULTILINE))
    return {name: int(value) for name, value in rows}


def test_the_page_has_every_limit_with_its_number() -> None:
    assert documented() == actual()


RELEASE = {"nova": "__nova_release"}


def test_the_page_has_the_sizes_of_each_service() -> None:
    page = (REPOSITORY / "docs/limits.md").read_text()
    rows = re.findall(
        r"^\| ([a-z, ]+) \| (\d+) \| (as above|\d+)", page[page.index("## Large requests") :], re.MULTILINE
    )
    default = ENTRY_POINTS["record_limits"]["options"]["max_body"]["default"]
    told = {
        service: (int(head), int(head), default if body == "as above" else int(body))
        for services, head, body in rows
        for service in services.split(", ")
    }
    records = {
        service: load(f"roles/{service}/vars/main.yml")[RELEASE.get(service, f"__{service}_app")] for service in told
    }
    assert told == {
        service: (record["max_url"], record["max_header"], record.get("max_body", default))
        for service, record in records.items()
    }
    assert set(told) == {
        path.parents[1].name for path in REPOSITORY.glob("roles/*/vars/main.yml") if "_apps:" in path.read_text()
    }


@pytest.mark.parametrize("name", ["handshake", "header", "header_most", "body", "rate", "flush", "address_connections"])
def test_apache_is_told_every_limit(name: str) -> None:
    assert f"limits.{name} " in (REPOSITORY / "httpd/server.conf.j2").read_text()


def test_a_kept_connection_does_not_end_when_a_client_polls() -> None:
    """Clients pause for whole numbers of seconds that people like."""
    timeout = actual()["httpd_keepalive_timeout"]
    assert all(abs(timeout - pause) >= 5 for pause in (1, 2, 3, 5, 10, 15, 20, 30, 60))


def test_the_end_of_a_kept_answer_fits_into_apaches_memory() -> None:
    limits = actual()
    assert limits["flush"] >= 2 * limits["MEMORY"]
    assert limits["buffer_body"] >= limits["max_body"]
    assert limits["header_most"] < limits["httpd_timeout"]
