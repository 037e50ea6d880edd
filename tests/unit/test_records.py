"""Valid records, and every kind of problem, by record and key."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import Checked, check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.completing import source_kind
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.host import host_questions
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import FAILED_TEMPLATES
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.record import Record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import steps
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import apache_view, build_view, views
from record_settings import ENTRY_POINTS, PYTHON, SETTINGS, SPEC

REPOSITORY = Path(__file__).resolve().parents[2]
KEYS = [key for group in SPEC.values() for key in group]
Host = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a source, a lock, a template and a wheel."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "config.py").write_text("app = {}\n")
    (tmp_path / "shop" / "public").mkdir()
    (tmp_path / "shop.lock").write_text("")
    (tmp_path / "config.py.j2").write_text("")
    (tmp_path / "shop-1-py3-none-any.whl").write_bytes(b"")
    return tmp_path


@pytest.fixture
def settings(project: Path) -> Settings:
    return dataclasses.replace(SETTINGS, folders=(str(project),))


@pytest.fixture
def host() -> Host:
    """The answer of host_info for a host without anything that conflicts with the record."""
    return {
        "cores": 2,
        "pythons": {
            PYTHON: {"version": "3.11.2", "abi": "cpython-311-x86_64-linux-gnu", "prefix": "/usr"},
            "/opt/python3.13": {"version": "3.13.1", "abi": "cpython-313-x86_64-linux-gnu", "prefix": "/opt"},
        },
        "accounts": {"shop": None},
        "addresses": {},
        "folders": {},
        "files": {},
        "key_pairs": {},
        "waf": False,
        "systemd": True,
        "units": [],
        "listeners": [],
        "httpd": {"version": "2.4.71", "foreign_sites": [], "foreign_listen": [], "ports_ours": False},
    }


def record(**more: Any) -> dict[str, Any]:
    return {"name": "shop", "source": "./shop", "entry": {"pecan": "config.py"}, "listen": 8080, **more}


def check(records: object, settings: Settings, host: Host | None = None, **changes: Any) -> Checked:
    return check_records(records, SPEC, dataclasses.replace(settings, **changes), host)


def problems(records: object, settings: Settings, host: Host | None = None, **changes: Any) -> list[tuple[str, str]]:
    """Return record and key of each problem."""
    return [(problem.record, problem.key) for problem in check(records, settings, host, **changes).problems]


def completed(records: object, settings: Settings, host: Host | None = None, **changes: Any) -> Record:
    """Return the first record, which has no problem."""
    checked = check(records, settings, host, **changes)
    assert [str(problem) for problem in checked.problems] == []
    return checked.records[0]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in record().items() if name != key}


def test_a_good_record_is_completed(project: Path, settings: Settings, host: Host) -> None:
    written = record(lock="shop.lock", config={"config.py": "config.py.j2"}, static={"/public": "public"})
    before = copy.deepcopy(written)
    shop = completed([written], settings, host)
    assert written == before
    assert shop.abi == "cpython-311-x86_64-linux-gnu"
    assert (shop.source.kind, shop.source.path, shop.lock) == ("folder", f"{project}/shop", f"{project}/shop.lock")
    build, apache = build_view(shop), apache_view(shop)
    places = {
        "kind": "pecan",
        "account": "shop",
        "folder": "/srv/wsgi/shop",
        "state": "/var/lib/shop",
        "logs": "/var/log/shop",
        "processes": 2,
        "threads": 3,
        "address": "*",
        "port": 8080,
        "listen_line": "8080",
        "path": "/",
        "url": "http://127.0.0.1:8080/",
        "health_path": "/",
        "groups": {"blue": "shop-blue", "green": "shop-green"},
        "doors": {"blue": "blue.shop.door", "green": "green.shop.door"},
    }
    assert {key: build[key] for key in places} == {key: apache[key] for key in places} == places
    assert build["config"] == {"config.py": f"{project}/config.py.j2"}
    assert build["source"] == {"kind": "folder", "text": "./shop", "path": f"{project}/shop"}
    assert (build["home"], build["python"]) == ("/var/lib/shop", PYTHON)
    assert "startup-timeout" not in apache["daemon_options"]
    assert apache["daemon_options"]["queue-timeout"] == "45"
    assert set(views(shop)["serving"]) == SERVED


def test_a_record_cannot_be_changed(settings: Settings, host: Host) -> None:
    shop = completed([record(static={"/public": "public"}, argv=["one"])], settings, host)
    with pytest.raises(dataclasses.FrozenInstanceError):
        shop.port = 80  # type: ignore[misc]
    with pytest.raises(TypeError):
        shop.keys.reach.static["/more"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        shop.groups["blue"] = "x"  # type: ignore[index]
    assert shop.keys.make.argv == ("one",)


def test_every_key_is_in_the_view_of_its_group(settings: Settings, host: Host) -> None:
    shop = completed([record()], settings, host)
    for group in ("reach", "run", "limits"):
        assert set(SPEC[group]) <= set(apache_view(shop))
    for group in ("install", "make", "replace", "limits"):
        assert set(SPEC[group]) - {"environment"} <= set(build_view(shop))


def test_no_view_holds_secrets(settings: Settings, host: Host) -> None:
    secrets = {"config": {"shop.conf": {"DEFAULT": {"password": "sesame"}}}, "environment": {"TOKEN": "sesame"}}
    shop = completed([record(**secrets)], settings, host)
    assert shop.environment == {"TOKEN": "sesame"}
    assert "sesame" not in str(views(shop))
    checked = check([record(**secrets)], settings, host)
    assert "sesame" not in str(steps(checked, settings, host))
    for secret in ({"environment": {"A-B": "sesame"}}, {"config": {"shop.conf": {"DEFAULT": {"x": {"y": "sesame"}}}}}):
        assert "sesame" not in str(check([record(**secret)], settings, host).problems)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"listen": "127.0.0.1:8080"}, {"address": "127.0.0.1", "listen_line": "127.0.0.1:8080"}),
        ({"listen": "[::1]:8080"}, {"listen_line": "[::1]:8080", "url": "http://[::1]:8080/"}),
        ({"listen": "::1:8080"}, {"listen_line": "[::1]:8080"}),
        ({"path": "/shop/"}, {"path": "/shop", "health_path": "/shop/"}),
        ({"path": "/shop", "health": "/up"}, {"health_path": "/shop/up", "url": "http://127.0.0.1:8080/shop"}),
        ({"listen": 80, "server_name": "shop.example.org"}, {"url": "http://shop.example.org/"}),
        ({"listen": 443, "tls": "private_ca"}, {"tls_key": "/etc/apache2/grove-tls/shop.key"}),
        ({"tls": False}, {"tls": "off"}),
        ({"processes": "4", "threads": 1}, {"processes": 4, "threads": 1}),
        ({"environment": {"LEVEL": 3}}, {"environment": {"LEVEL": "3"}}),
        ({"daemon_options": {"request-timeout": 5}}, {"kind": "pecan"}),
        ({"agents": {"mailer": {"command": "true"}}}, {"name": "shop"}),
        (
            {"headers": {"X-Frame-Options": None, "Permissions-Policy": 'geolocation=(self "https://a.test")'}},
            {"port": 8080},
        ),
        ({"methods": ["GET", "PROPFIND", "VERSION-CONTROL"]}, {"name": "shop"}),
        ({"client_headers": ["X-HTTP-Method-Override", "X-Roles"], "proxy_headers": ["X-Real-IP"]}, {"name": "shop"}),
        (
            {
                "config": {"config.py": "config.py.j2", "shop.conf": {"DEFAULT": {"a": 1}}},
                "servers": {"config": "shop.conf", "queues": ["orders", "bills"]},
            },
            {"name": "shop"},
        ),
    ],
)
def test_what_follows_from_a_record(
    settings: Settings, host: Host, more: dict[str, Any], expected: dict[str, Any]
) -> None:
    shop = completed([record(**more)], settings, host)
    assert {key: getattr(shop, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("./shop", "folder"),
        ("shop/src", "folder"),
        ("/opt/shop", "folder"),
        ("dist/shop-1-py3-none-any.whl", "wheel"),
        ("gnocchi[mysql]==4.7.1", "requirement"),
        ("shop @ https://example.org/shop-1-py3-none-any.whl", "requirement"),
        ("git+https://git.example.org/shop@v1", "vcs"),
    ],
)
def test_kinds_of_sources(source: str, kind: str) -> None:
    assert source_kind(source) == kind


# The only place that pins the wording of messages: one of each kind.
@pytest.mark.parametrize(
    ("written", "message"),
    [
        (record(procesess=3), "record shop, key procesess: found an unknown key; did you mean processes?"),
        (record(zzz=3), f"record shop, key zzz: found an unknown key; the keys are {', '.join(KEYS)}"),
        (
            record(processes="many"),
            "record shop, key processes: found 'many' (a text); it has to be a whole number: Daemon processes of each"
            " slot",
        ),
        (
            record(argv=["one", 2]),
            "record shop, key argv: found ['one', 2] (a list); it has to be a list, each element a text: sys.argv as"
            " the application sees it, with the same placeholders as environment",
        ),
        (
            without("entry"),
            "record shop, key entry: found nothing; it is required: How the WSGI callable is made",
        ),
        (
            record(processes=10, threads=13),
            "record shop, key processes: found 10 x 13 threads = 130; the MPM has 128 workers (MaxRequestWorkers)"
            " to feed all of them; lower processes or threads, or raise httpd_threads_per_child or httpd_server_limit",
        ),
    ],
)
def test_a_problem_names_record_key_actual_value_and_remedy(
    settings: Settings, host: Host, written: object, message: str
) -> None:
    assert [str(problem) for problem in check([written], settings, host).problems] == [message]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (record(entry={"pecan": "config.py", "nme": "x"}), "entry.nme"),
        (record(processes=2.5), "processes"),
        (record(processes=True), "processes"),
        (record(pecan_signatures="maybe"), "pecan_signatures"),
        (record(config=["config.py"]), "config"),
        (record(argv="one"), "argv"),
        (record(python={"a": 1}), "python"),
        (without("source"), "source"),
        (record(entry="config.py"), "entry"),
        (record(tls="on"), "tls"),
        (record(entry={}), "entry"),
        (record(entry={"pecan": "config.py", "module": "a:b"}), "entry"),
        (record(entry={"wsgi": "x"}), "entry.wsgi"),
        (record(entry={"pecan": "config.py", "name": "main"}), "entry.name"),
        (record(entry={"module": "shop.wsgi"}), "entry.module"),
        (record(entry={"pecan": "../config.py"}), "entry.pecan"),
        (record(environment={"CONFIG": "{ect}/config.py"}), "environment.CONFIG"),
        (record(argv=["{house}"]), "argv"),
        (record(environment={"A-B": "x"}), "environment.A-B"),
        (record(environment={"A": {"b": 1}}), "environment.A"),
        (record(processes=0), "processes"),
        (record(threads=513), "threads"),
        (record(start_timeout=0), "start_timeout"),
        (record(max_body=-1), "max_body"),
        (record(max_url=1023), "max_url"),
        (record(max_header=(1 << 20) + 1), "max_header"),
        (record(max_response_header=8191), "max_response_header"),
        (record(chunked_bodies="sometimes"), "chunked_bodies"),
        (record(daemon_options={"reqest-timeout": 5}), "daemon_options.reqest-timeout"),
        (record(daemon_options={"threads": 5}), "daemon_options.threads"),
        (record(daemon_options={"umask": "00 27"}), "daemon_options.umask"),
        (record(daemon_options={"lang": ""}), "daemon_options.lang"),
        (record(daemon_options={"lang": True}), "daemon_options.lang"),
        (record(daemon_options={"lang": ["C"]}), "daemon_options.lang"),
        (record(daemon_options={"request-timeout": "1m"}), "daemon_options.request-timeout"),
        (record(daemon_options={"queue-timeout": 0}), "daemon_options.queue-timeout"),
        (record(listen=0), "listen"),
        (record(listen=True), "listen"),
        (record(listen="²"), "listen"),
        *(
            (record(listen=text), "listen")
            for text in (
                *("300.1.1.1:80", "127.1:80", "[::1%lo]:80", "[::ffff:127.0.0.1]:80", "[0.0.0.0]:80", "[localhost]:80"),
                *("a_b..c:80", "*.example.org:80", "localhost:", "local host:80"),
            )
        ),
        (record(listen=[80]), "listen"),
        (record(server_name="shop_.example..org"), "server_name"),
        (record(server_name="shop.example.org", server_aliases=["a b"]), "server_aliases"),
        (record(server_aliases=["a.example.org"]), "server_aliases"),
        (record(path="/a b"), "path"),
        (record(path="/a//b"), "path"),
        (record(health="up"), "health"),
        (record(directives=["Require all\ngranted"]), "directives"),
        (record(allow_from=["10.0.0.0/33"]), "allow_from"),
        (record(headers={"X Y": "1"}), "headers"),
        (record(headers={1: "1"}), "headers"),
        (record(headers={"X-Y": "1\n2"}), "headers.X-Y"),
        (record(headers={"X-Y": "\u00fc"}), "headers.X-Y"),
        (record(headers={"X-Y": ""}), "headers.X-Y"),
        (record(headers={"X-Y": 1}), "headers.X-Y"),
        (record(headers={"X-Y": ["1"]}), "headers.X-Y"),
        (record(headers={"X-Y": "${PATH}"}), "headers.X-Y"),
        (record(headers={"X-Y": "1", "x-y": "2"}), "headers.x-y"),
        (record(headers={"content-length": "1"}), "headers.content-length"),
        (record(headers={"Set-Cookie": "a=1"}), "headers.Set-Cookie"),
        (record(headers=["X-Y: 1"]), "headers"),
        (record(methods=["GET", "propfind"]), "methods"),
        (record(methods=["GET", "CONNECT"]), "methods"),
        (record(methods=["GET", "TRACE"]), "methods"),
        (record(methods=["GET", "A B"]), "methods"),
        (record(methods=["GET", "A\nB"]), "methods"),
        (record(methods=["POST"]), "methods"),
        (record(methods=[]), "methods"),
        (record(client_headers=["X_Roles"]), "client_headers"),
        (record(client_headers=["X-Roles\r\nX-User-Id"]), "client_headers"),
        (record(client_headers=[""]), "client_headers"),
        (record(client_headers=["x-forwarded-HOST"]), "client_headers"),
        (record(client_headers=["X-Real-IP"]), "client_headers"),
        (record(client_headers=["Forwarded"]), "client_headers"),
        (record(proxy_headers=["X-Real-IP: 1"]), "proxy_headers"),
        (record(proxy_headers=["Proxy"]), "proxy_headers"),
        (record(tls="given"), "tls"),
        (record(tls_key="/etc/ssl/shop.key"), "tls_key"),
        (record(static={"public": "public"}), "static.public"),
        (record(static={"/public": "../public"}), "static./public"),
        *((record(static={"/m": "{state}" + end}), "static./m") for end in ("", "/", "/../x", "/tmp", "/a b", "media")),
        (record(static={"/public": "pubilc"}), "static./public"),
        (record(config={"../config.py": "config.py.j2"}), "config.../config.py"),
        (record(config={"/etc/passwd": "config.py.j2"}), "config./etc/passwd"),
        (record(config={"config.py": 3}), "config.config.py"),
        (record(servers={"config": "shop.conf"}), "servers.config"),
        (record(servers={"config": "config.py"}), "servers.config"),
        (record(servers={"queues": ["orders"]}), "servers.queues"),
        (record(servers={"queue": "orders"}), "servers.queue"),
        (record(servers="config.py"), "servers"),
        (
            record(config={"config.py": "config.py.j2", "s.conf": {}}, servers={"config": "s.conf", "queues": [""]}),
            "servers.queues",
        ),
        # Files that the controller lacks.
        (record(source="./shoop"), "source"),
        (record(source="./shop.lock"), "source"),
        (record(source="none.whl", entry={"module": "a:b"}), "source"),
        (record(lock="none.lock"), "lock"),
        (record(lock="shop"), "lock"),
        (record(config={"config.py": "none.j2"}), "config.config.py"),
        (record(config={"config.py": "shop"}), "config.config.py"),
        (record(entry={"pecan": "prod.py"}), "entry.pecan"),
        (record(entry={"pecan": ""}), "entry.pecan"),
        (record(source="shop==1", entry={"paste": "api-paste.ini"}), "entry.paste"),
        (record(extras=["shop"]), "extras"),
        (record(extras=["none"]), "extras"),
    ],
)
def test_a_bad_key_is_named(settings: Settings, host: Host, written: object, key: str) -> None:
    assert problems([written], settings, host) == [("shop", key)]


@pytest.mark.parametrize(
    ("written", "name", "key"),
    [
        (record(name=42), "number 1", "name"),
        (without("name"), "number 1", "name"),
        ("shop", "number 1", "(whole record)"),
        (record(name="Shop"), "Shop", "name"),
        (record(name="s" * 31), "s" * 31, "name"),
    ],
)
def test_a_record_without_a_usable_name(settings: Settings, host: Host, written: object, name: str, key: str) -> None:
    assert problems([written], settings, host) == [(name, key)]


def test_a_number_as_the_name_of_a_configuration_file(settings: Settings, host: Host) -> None:
    assert problems([record(config={1: "config.py.j2"})], settings, host) == []


def test_an_option_that_came_later_than_the_installed_mod_wsgi(settings: Settings, host: Host) -> None:
    written = [record(daemon_options={"interrupt-timeout": 5})]
    assert problems(written, settings, host) == []
    [problem] = check(written, settings, host, mod_wsgi="4.9.4").problems
    assert problem.key == "daemon_options.interrupt-timeout"
    assert "4.9.4" in problem.remedy


def other(**more: Any) -> dict[str, Any]:
    return record(**{"name": "other", **more})


# The keys of app.json, which hosts keep from one deployment to the next.
SERVED = {
    *("name", "folder", "account", "processes", "health_path", "start_timeout", "idle", "drain_timeout"),
    *("address", "port", "server_name", "tls", "url", "door", "doors", "health_check"),
}
NAMED = {"server_name": "shop.example.org"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([record(), other()], [("other", "listen")]),
        ([record(), record(listen=8081)], [("shop", "name")]),
        ([record(**NAMED), other(server_name="SHOP.example.org")], [("other", "listen")]),
        (
            [record(**NAMED), other(server_name="other.example.org", server_aliases=["shop.example.org"], path="/b")],
            [("other", "server_name")],
        ),
        ([record(tls="private_ca", server_name="a"), other(server_name="b")], [("other", "tls")]),
        (
            [record(tls="private_ca", path="/a"), other(tls="given", tls_certificate="/c", tls_key="/k", path="/b")],
            [("other", "tls")],
        ),
        ([record(), other(listen="127.0.0.1:8080")], [("other", "listen")]),
        ([record(listen="127.0.0.1:8080"), other(listen="0.0.0.0:8080")], [("shop", "listen")]),
        ([record(listen="[::1]:8080"), other(listen="[0:0::1]:8080")], [("other", "listen")]),
        ([record(listen="localhost:8080"), other(listen="127.0.0.1:8080")], [("other", "listen")]),
        ([record(listen="localhost:8080"), other(listen="LOCALHOST:8080")], [("other", "listen")]),
        ([record(), other(listen="localhost:8080")], [("shop", "listen")]),
        ([record(listen="localhost:8080"), other(listen="127.0.0.1:8081")], []),
        ([record(listen=9080)], [("shop", "listen")]),
        ([record(listen=0), other(listen="x")], [("shop", "listen"), ("other", "listen")]),
    ],
)
def test_records_that_conflict(
    settings: Settings, written: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert problems(written, settings) == expected


def test_records_that_share_a_port(settings: Settings, host: Host) -> None:
    named = [record(**NAMED), other(server_name="other.example.org")]
    assert problems(named, settings, host) == []
    below = [record(**NAMED), other(path="/other", **NAMED)]
    assert problems(below, settings, host) == []
    apart = [record(listen="127.0.0.1:8080"), other(listen="127.0.0.2:8080")]
    assert problems(apart, settings, host) == []


@pytest.mark.parametrize("door", ["9080", "localhost:9080", "192.0.2.1:9080", "127.0.0.1:0", "127.0.0.1:x"])
def test_a_door_that_is_no_loopback_address(settings: Settings, door: str) -> None:
    assert problems([record()], settings, door=door) == [("(all)", "wsgi_app_door")]


def test_settings_and_lists_that_cannot_be_used(settings: Settings) -> None:
    assert problems([record()], settings, listen_address="eth0") == [("(all)", "wsgi_app_listen_address")]
    assert problems({"name": "shop"}, settings) == [("(all)", "wsgi_apps")]


def test_a_python_of_another_version_than_mod_wsgis(settings: Settings, host: Host) -> None:
    assert problems([record(python="/opt/python3.13")], settings, host) == [("shop", "python")]


def test_pythons_that_cannot_be_run(settings: Settings, host: Host) -> None:
    assert problems([record(python="/opt/none")], settings, host) == [("shop", "python")]
    host["pythons"][PYTHON] = None
    assert problems([record(), other(listen=8081)], settings, host) == [("(all)", "mod_wsgi_python")]


def test_an_account_that_is_not_groves(settings: Settings, host: Host) -> None:
    host["accounts"]["shop"] = {"uid": 1000, "home": "/home/shop", "shell": "/bin/sh"}
    assert problems([record()], settings, host) == [("shop", "name")]
    host["accounts"]["shop"]["home"] = "/var/lib/shop"
    assert problems([record()], settings, host) == []


@pytest.mark.parametrize(
    ("listener", "holder"),
    [
        ({"address": "*", "port": 8080, "pid": 7, "program": "nginx"}, "nginx (process 7)"),
        ({"address": "127.0.0.1", "port": 8080, "pid": 7, "program": "nginx"}, "nginx (process 7)"),
        ({"address": "*", "port": 8080, "pid": None, "program": "?"}, "another program"),
        ({"address": "*", "port": 8080, "pid": 7, "program": "apache2"}, ""),
        ({"address": "*", "port": 8081, "pid": 7, "program": "nginx"}, ""),
    ],
)
def test_a_port_that_another_program_holds(
    settings: Settings, host: Host, listener: dict[str, Any], holder: str
) -> None:
    host["listeners"] = [listener]
    checked = check([record()], settings, host)
    assert [(problem.record, problem.key) for problem in checked.problems] == ([("shop", "listen")] if holder else [])
    assert all(holder in problem.actual for problem in checked.problems)


def test_a_port_of_a_host_name_that_another_program_holds(settings: Settings, host: Host) -> None:
    host["addresses"] = {"localhost": ["127.0.0.1", "::1"]}
    host["listeners"] = [{"address": "::1", "port": 8080, "pid": 7, "program": "nginx"}]
    assert problems([record(listen="localhost:8080")], settings, host) == [("shop", "listen")]
    assert problems([record(listen="localhost:8081")], settings, host) == []


def test_a_door_that_another_program_holds(settings: Settings, host: Host) -> None:
    host["listeners"] = [{"address": "127.0.0.1", "port": 9080, "pid": 7, "program": "nginx"}]
    assert problems([record()], settings, host) == [("(all)", "wsgi_app_door")]


DOORS = ("127.0.0.1:9078", "127.0.0.1:9079")


def test_doors_of_a_handover(settings: Settings, host: Host) -> None:
    """Their ports are checked like every other port, where a change of Apache is a handover."""
    written = [record(listen=9078)]
    assert problems(written, settings, host) == []
    assert problems(written, settings, host, handover_doors=DOORS) == [("shop", "listen")]
    [problem] = check(written, settings, host, handover_doors=DOORS).problems
    assert problem.remedy == "httpd_handover_doors uses that port; choose another for one of them"
    assert steps(check([record()], settings, host), settings, host)["ports"] == [8080, 9080]
    with_doors = dataclasses.replace(settings, handover_doors=DOORS)
    assert steps(check([record()], with_doors, host), with_doors, host)["ports"] == [8080, 9080, 9078, 9079]
    host["listeners"] = [{"port": 9079, "program": "nginx", "pid": 7, "address": "*"}]
    [problem] = check([record()], settings, host, handover_doors=DOORS).problems
    assert (problem.record, problem.key) == ("(all)", "httpd_handover_doors")
    assert problem.actual == "port 9079, which nginx (process 7) holds"
    # The running generation itself has one of them.
    host["listeners"] = [{"port": 9079, "program": "apache2", "pid": 7, "address": "127.0.0.1"}]
    assert problems([record()], settings, host, handover_doors=DOORS) == []


@pytest.mark.parametrize(
    "doors",
    [
        ("127.0.0.1:9078",),
        (*DOORS, "127.0.0.1:9077"),
        ("127.0.0.1:9078", "127.0.0.1:9078"),
        ("127.0.0.1:9080", "127.0.0.1:9079"),
        ("127.0.0.1:8088", "127.0.0.1:9079"),
        ("192.0.2.1:9078", "127.0.0.1:9079"),
        ("9078", "127.0.0.1:9079"),
        ("127.0.0.1:0", "127.0.0.1:9079"),
    ],
)
def test_doors_of_a_handover_that_cannot_be(settings: Settings, doors: tuple[str, ...]) -> None:
    found = problems([record()], settings, handover_doors=doors, httpd_listen=("8088",))
    assert found == [("(all)", "httpd_handover_doors")]


def test_certificates(settings: Settings, host: Host) -> None:
    written = [record(tls="given", tls_certificate="/c.pem", tls_key="/k.pem")]
    host["files"] = {"/c.pem": False, "/k.pem": False}
    host["key_pairs"] = {"/c.pem|/k.pem": "no such file"}
    assert problems(written, settings, host) == [("shop", "tls_certificate"), ("shop", "tls_key")]
    host["files"] = {"/c.pem": True, "/k.pem": True}
    host["key_pairs"] = {"/c.pem|/k.pem": "KEY_VALUES_MISMATCH"}
    assert problems(written, settings, host) == [("shop", "tls_key")]
    host["key_pairs"] = {"/c.pem|/k.pem": ""}
    assert problems(written, settings, host) == []


def test_foreign_sites(settings: Settings, host: Host) -> None:
    host["httpd"] |= {"foreign_sites": ["000-default", "blog"], "foreign_listen": ["80", "443"]}
    assert problems([record()], settings, host) == [("(all)", "wsgi_app_extra_listen")]
    assert problems([record()], settings, host, httpd_listen=("80",)) == []
    host["httpd"]["ports_ours"] = True
    assert problems([record()], settings, host) == []
    host["httpd"] |= {"foreign_sites": ["000-default", "default-ssl", "ssl"], "ports_ours": False}
    assert problems([record()], settings, host) == []
    host["httpd"]["edited_sites"] = ["000-default"]
    assert problems([record()], settings, host) == [("(all)", "wsgi_app_extra_listen")]


def test_a_firewall_for_a_virtual_host(settings: Settings, host: Host) -> None:
    shared = [record(server_name="shop.test", waf="block"), other(server_name="shop.test", path="/other")]
    assert problems(shared, settings, host) == [("other", "waf")]
    assert problems([shared[0], {**shared[1], "waf": "block"}], settings, host) == []
    assert problems([record(waf=False)], settings, host) == []
    assert problems([record(waf="on")], settings, host) == [("shop", "waf")]
    assert problems([record(waf="detect")], settings, host, httpd_program="httpd") == [("shop", "waf")]
    assert steps(check([record(waf="detect")], settings, host), settings, host)["waf"] is True
    assert steps(check([record()], settings, host), settings, host)["waf"] is False


def test_several_problems_are_all_reported(settings: Settings, host: Host) -> None:
    written = [
        record(procesess=3, path=3),
        other(processes=0, threads=600, lock="none", daemon_options={"xyz": 1}, path="/a b"),
        record(name="third", listen=9080, source="./none", entry={"module": "a:b"}),
    ]
    assert problems(written, settings, host) == [
        ("shop", "procesess"),
        ("shop", "path"),
        ("other", "lock"),
        ("other", "processes"),
        ("other", "threads"),
        ("other", "daemon_options.xyz"),
        ("other", "path"),
        ("third", "source"),
        ("third", "listen"),
    ]


def test_questions_to_the_host(settings: Settings) -> None:
    written = [
        record(python="/opt/python3.13", tls="given", tls_certificate="/c.pem", tls_key="/k.pem"),
        record(system_packages=["libpq5", 3]),
        record(system_packages=3),
        "not a record",
        {"name": 3},
    ]
    assert host_questions(written, settings) == {
        "pythons": ["/opt/python3.13", PYTHON],
        "accounts": ["shop"],
        "addresses": ["127.0.0.1"],
        "mounts": ["/srv/wsgi", "/var/lib", "/var/log"],
        "folders": ["/var/lib/shop", "/var/log/shop"],
        "packages": ["libpq5"],
        "files": ["/c.pem", "/k.pem"],
        "key_pairs": [["/c.pem", "/k.pem"]],
    }


def test_the_records_of_the_local_inventory(settings: Settings, host: Host) -> None:
    text = (REPOSITORY / "inventory/local/group_vars/all/main.yml").read_text()
    written = yaml.safe_load(text)["wsgi_apps"]
    assert len(written) == 3
    assert problems(written, settings, host, folders=(str(REPOSITORY),), listen_address="127.0.0.1") == []


@pytest.mark.parametrize("group", [f"record_{group}" for group in SPEC])
def test_the_example_of_each_group_is_a_good_record(settings: Settings, host: Host, group: str) -> None:
    example = ENTRY_POINTS[group]["examples"]
    [written] = yaml.safe_load(example)["wsgi_apps"]
    assert problems([written], settings, host) == []
    assert set(written) & set(SPEC[group.removeprefix("record_")]) - {"name", "source"}


def test_an_address_that_the_host_does_not_have(settings: Settings, host: Host) -> None:
    for text in ("192.0.2.7:8080", "[2001:DB8::0:7]:8080", "Elsewhere.example.org:8080"):
        questions = host_questions([record(listen=text)], settings)["addresses"]
        [asked] = set(questions) - {"127.0.0.1"}
        host["addresses"] = {asked: []}
        assert problems([record(listen=text)], settings, host) == [("shop", "listen")]


@pytest.mark.parametrize(
    ("listen", "line", "url"),
    [
        (8080, "8080", "http://127.0.0.1:8080/"),
        ("*:8080", "8080", "http://127.0.0.1:8080/"),
        ("0.0.0.0:8080", "0.0.0.0:8080", "http://127.0.0.1:8080/"),
        ("[::]:8080", "[::]:8080", "http://[::1]:8080/"),
        ("[0:0::1]:8080", "[::1]:8080", "http://[::1]:8080/"),
        ("::1:8080", "[::1]:8080", "http://[::1]:8080/"),
        ("Localhost:8080", "localhost:8080", "http://localhost:8080/"),
        ("web-1.example.org:8080", "web-1.example.org:8080", "http://web-1.example.org:8080/"),
    ],
)
def test_every_spelling_of_an_address(settings: Settings, host: Host, listen: object, line: str, url: str) -> None:
    checked = check([record(listen=listen)], settings, host)
    assert checked.problems == ()
    assert (checked.records[0].listen_line, checked.records[0].url) == (line, url)


def test_a_folder_that_belongs_to_somebody_else(settings: Settings, host: Host) -> None:
    host["folders"] = {"/var/lib/shop": "shop", "/var/log/shop": "root"}
    assert problems([record()], settings, host) == [("shop", "name")]


def test_agents_need_systemd(settings: Settings, host: Host) -> None:
    written = [record(agents={"worker": {"command": "shop-worker"}})]
    assert problems(written, settings, host) == []
    assert problems(written, settings, {**host, "systemd": False}) == [("shop", "agents")]


def test_the_inventory_may_say_how_many_processes_there_are(settings: Settings, host: Host) -> None:
    checked = check([record(), other(listen=8081, processes=3)], settings, host, processes=1)
    assert [one.processes for one in checked.records] == [1, 3]


def test_extras_are_packages(settings: Settings, host: Host, project: Path) -> None:
    (project / "more").mkdir()
    assert problems([record(extras=["more"])], settings, host) == [("shop", "extras")]
    (project / "more" / "__init__.py").write_text("")
    assert completed([record(extras=["more"])], settings, host).extras == (str(project / "more"),)


@pytest.mark.parametrize(
    ("faulty", "stops", "in_apache"),
    [
        # Faults that do not concern shop.
        (other(listen=8081, source="./none"), False, True),
        (other(listen=8081, migrate="echo 'open"), False, True),
        (other(listen=8081, procesess=3), False, False),
        (other(listen=8081, processes=0), False, False),
        (other(listen="127.0.0.1:0"), False, False),
        ("not a record", False, False),
        ({"listen": 8080}, False, False),
        ({"name": "other", "entry": 3, "source": ["x"], "listen": {}}, False, False),
        # Relations with shop.
        (other(server_name="shop.example.org"), True, False),
        (other(server_name="SHOP.example.org", listen="127.0.0.1:8080"), True, False),
        (other(server_name="b.example.org", tls="private_ca"), True, False),
        (record(), True, False),
        # Faults of a record that shop's VirtualHost holds.
        (other(server_name="shop.example.org", path="/other", source="./none"), False, True),
        (other(server_name="shop.example.org", path="/other", max_body=-1), True, False),
        (other(server_name="shop.example.org", path="/other", procesess=3), True, False),
        (other(server_name="shop.example.org", path="/other", listen="808o"), True, False),
        (other(server_name=["shop.example.org"], path="/other"), True, False),
    ],
)
def test_faults_of_other_records_are_warnings(
    settings: Settings, host: Host, faulty: object, stops: bool, in_apache: bool
) -> None:
    for written in ([record(**NAMED), faulty], [faulty, record(**NAMED)]):
        assert check(written, settings, host).problems
        checked = check(written, settings, host, only=("shop",))
        assert bool(checked.problems) is stops, checked
        if not stops:
            assert checked.warnings
            assert [one.name for one in checked.deployed] == ["shop"]
            assert ("other" in [one.name for one in checked.records]) is in_apache


@pytest.mark.parametrize(
    ("first", "faulty"),
    [
        # Both conflict with shop, and the problem that the check reports names only the first record.
        (other(server_name="b"), other(name="third", server_name="c", tls="private_ca")),
        (other(server_name="b"), other(name="third", server_name="c", listen="127.0.0.1:8080")),
        (other(path="/b", **NAMED), other(name="third", path="/c", tls="private_ca", **NAMED)),
        (
            other(path="/b", **NAMED),
            other(name="third", path="/c", server_name="c", server_aliases=["shop.example.org"]),
        ),
    ],
)
def test_a_conflict_with_the_record_stops_it_in_every_order(
    settings: Settings, host: Host, first: dict[str, Any], faulty: dict[str, Any]
) -> None:
    for written in itertools.permutations((record(**NAMED), first, faulty)):
        assert problems(list(written), settings, host, only=("shop",)), [one["name"] for one in written]


@pytest.mark.parametrize(
    ("failed", "named", "expected"),
    [
        ({"source": "no"}, True, [("other", "source")]),
        ({"environment.TOKEN": "no", "path": "no"}, True, [("other", "environment.TOKEN"), ("other", "path")]),
        ({"name": "no"}, False, [("number 2", "name")]),
        ({"(whole record)": "no"}, False, [("number 2", "(whole record)")]),
    ],
)
def test_a_record_with_templates_that_fail(
    settings: Settings, host: Host, failed: dict[str, str], named: bool, expected: list[tuple[str, str]]
) -> None:
    faulty = {key: value for key, value in other(listen=8081).items() if key not in failed and (named or key != "name")}
    if "(whole record)" in failed:
        faulty = {}
    written = [record(), {**faulty, FAILED_TEMPLATES: failed}]
    assert problems(written, settings, host) == expected
    checked = check(written, settings, host, only=("shop",))
    assert checked.problems == ()
    assert [(problem.record, problem.key) for problem in checked.warnings] == expected


def test_two_other_records_that_conflict_with_each_other(settings: Settings, host: Host) -> None:
    pair = [other(listen=8081), other(name="third", listen=8081)]
    checked = check([*pair, record()], settings, host, only=("shop",))
    assert checked.problems == ()
    assert [(problem.record, problem.key) for problem in checked.warnings] == [("third", "listen")]
    assert steps(checked, settings, host)["listen"] == ["127.0.0.1:9080", "8080"]


def test_faults_of_the_record_itself_and_of_settings_stop_its_deployment(settings: Settings, host: Host) -> None:
    assert problems([record(source="./none"), other(listen=8081)], settings, host, only=("shop",)) == [
        ("shop", "source")
    ]
    assert problems([record()], settings, host, only=("shop",), door="9080") == [("(all)", "wsgi_app_door")]
    host["httpd"] |= {"foreign_sites": ["blog"], "foreign_listen": ["80"]}
    assert problems([record()], settings, host, only=("shop",)) == [("(all)", "wsgi_app_extra_listen")]


def test_a_record_that_nobody_has_cannot_be_deployed(settings: Settings, host: Host) -> None:
    [problem] = check([record()], settings, host, only=("shpo",)).problems
    assert (problem.record, problem.key) == ("(all)", "wsgi_app_only")
    assert "shpo" in problem.actual
    assert "shop" in problem.remedy


COMMIT = "8f3c" * 10
DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("source", "lock", "advised", "refused"),
    [
        (f"git+https://git.example.org/shop@{COMMIT}", "shop.lock", [], []),
        (f"git+https://git.example.org/shop@{COMMIT}", None, [], ["lock"]),
        (f"git+https://git.example.org/shop@{COMMIT}#subdirectory=a", "shop.lock", [], []),
        ("git+https://git.example.org/shop", "shop.lock", ["source"], ["source"]),
        ("git+https://git.example.org/shop@v1", "shop.lock", ["source"], ["source"]),
        ("git+https://git.example.org/shop@8f3c8f3c", "shop.lock", ["source"], ["source"]),
        (f"git+https://{COMMIT}@git.example.org/shop", "shop.lock", ["source"], ["source"]),
        ("shop @ https://example.org/shop.whl", None, ["source"], ["source", "lock"]),
        ("shop @ https://example.org/shop.whl", "shop.lock", [], []),
        (f"shop @ https://example.org/shop.whl#sha256={DIGEST}", None, [], ["lock"]),
        (f"https://example.org/shop-1.whl#egg=shop&sha256={DIGEST}", None, [], ["lock"]),
        ("https://example.org/shop-1.whl#md5=0", None, ["source"], ["source", "lock"]),
        ("shop==1", None, [], ["lock"]),
        ("./shop", None, [], ["lock"]),
        ("./shop", "shop.lock", [], []),
    ],
)
def test_what_is_fetched_is_named_exactly(
    settings: Settings, source: str, lock: str | None, advised: list[str], refused: list[str]
) -> None:
    """An operator is advised to it, and can require it."""
    entry = {"module": "shop:application"}
    written = [record(source=source, entry=entry, **({"lock": lock} if lock else {}))]
    checked = check(written, settings)
    assert (checked.problems, [problem.key for problem in checked.advice]) == ((), advised)
    assert [key for _, key in problems(written, settings, require_hashes=True)] == refused
    assert check(written, settings, require_hashes=True).advice == ()


def test_advice_is_for_what_is_deployed_and_shows_no_password(settings: Settings) -> None:
    entry = {"module": "shop:application"}
    both = [
        record(source="git+https://user:secret@git.example.org/shop@main", entry=entry),
        {**record(source="git+https://git.example.org/cart@main", entry=entry), "name": "cart", "listen": 8081},
    ]
    (advice,) = check(both, settings, only=("shop",)).advice
    assert advice.record == "shop"
    assert "secret" not in str(advice)


@pytest.mark.parametrize(
    ("folder", "option", "key"),
    [
        ("/srv/wsgi", "read-only", "wsgi_app_base"),
        ("/srv/wsgi", "noexec", "wsgi_app_base"),
        ("/var/lib", "read-only", "wsgi_app_state_base"),
        ("/var/log", "read-only", "wsgi_app_log_base"),
        ("/var/lib", "noexec", None),
    ],
)
def test_file_systems_on_which_nothing_can_work(
    settings: Settings, host: Host, folder: str, option: str, key: str | None
) -> None:
    host["mounts"] = {folder: [option]}
    assert problems([record()], settings, host) == ([("(all)", key)] if key else [])
