"""Records that are right, and every way in which one can be wrong, with the whole message."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import check as records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.files import source_kind
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
SPECS = yaml.safe_load((REPOSITORY / "roles/wsgi_app/meta/argument_specs.yml").read_text())
SPEC = SPECS["argument_specs"]["record"]["options"]
PYTHON = "/usr/bin/python3"
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
    return Settings(
        base="/srv/wsgi",
        state_base="/var/lib",
        log_base="/var/log",
        listen_address="*",
        door="127.0.0.1:9080",
        python=PYTHON,
        mod_wsgi="6.1.1",
        mod_wsgi_python=PYTHON,
        folders=(str(project),),
        workers_per_server=64,
    )


@pytest.fixture
def host() -> Host:
    """What host_info says of a host on which nothing is in the way."""
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
        "listeners": [],
        "httpd": {"version": "2.4.71", "foreign_sites": [], "foreign_listen": [], "ports_ours": False},
    }


def record(**more: Any) -> dict[str, Any]:
    return {"name": "shop", "source": "./shop", "entry": {"pecan": "config.py"}, "listen": 8080, **more}


def problems(given: object, settings: Settings, host: Host | None = None, **changes: Any) -> list[str]:
    changed = dataclasses.replace(settings, **changes)
    return [str(problem) for problem in records.check(given, SPEC, changed, host).problems]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in record().items() if name != key}


def test_a_good_record_is_completed(project: Path, settings: Settings, host: Host) -> None:
    given = record(lock="shop.lock", config={"config.py": "config.py.j2"}, static={"/public": "public"})
    before = copy.deepcopy(given)
    result = records.check([given], SPEC, settings, host)
    assert result.problems == []
    assert given == before
    completed = result.records[0]
    expected = {
        "kind": "pecan",
        "account": "shop",
        "folder": "/srv/wsgi/shop",
        "state": "/var/lib/shop",
        "logs": "/var/log/shop",
        "home": "/var/lib/shop",
        "python": PYTHON,
        "abi": "cpython-311-x86_64-linux-gnu",
        "processes": 2,
        "threads": 3,
        "address": "*",
        "port": 8080,
        "listen_line": "8080",
        "path": "/",
        "url": "http://127.0.0.1:8080/",
        "health_path": "/",
        "tls": "off",
        "lock": str(project / "shop.lock"),
        "config": {"config.py": str(project / "config.py.j2")},
        "source": {"kind": "folder", "text": "./shop", "path": str(project / "shop")},
        "groups": {"blue": "shop-blue", "green": "shop-green"},
        "doors": {"blue": "blue.shop.door", "green": "green.shop.door"},
    }
    assert {key: completed[key] for key in expected} == expected
    assert "startup-timeout" not in completed["daemon_options"]
    assert completed["daemon_options"]["queue-timeout"] == "45"
    assert set(completed["serving"]) == set(records.SERVING)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"listen": "127.0.0.1:8080"}, {"address": "127.0.0.1", "listen_line": "127.0.0.1:8080"}),
        ({"listen": "[::1]:8080"}, {"listen_line": "[::1]:8080", "url": "http://[::1]:8080/"}),
        ({"listen": "::1:8080"}, {"listen_line": "[::1]:8080"}),
        ({"path": "shop/"}, {"path": "/shop", "health_path": "/shop/"}),
        ({"path": "/shop", "health": "/up"}, {"health_path": "/shop/up", "url": "http://127.0.0.1:8080/shop"}),
        ({"listen": 80, "server_name": "shop.example.org"}, {"url": "http://shop.example.org/"}),
        ({"listen": 443, "tls": "private_ca"}, {"tls_key": "/etc/apache2/grove-tls/shop.key"}),
        ({"tls": False}, {"tls": "off"}),
        ({"processes": "4", "threads": 1}, {"processes": 4, "threads": 1}),
        ({"environment": {"LEVEL": 3}}, {"environment": {"LEVEL": "3"}}),
        ({"daemon_options": {"request-timeout": 5}}, {"kind": "pecan"}),
    ],
)
def test_what_follows_from_a_record(
    settings: Settings, host: Host, more: dict[str, Any], expected: dict[str, Any]
) -> None:
    result = records.check([record(**more)], SPEC, settings, host)
    assert [str(problem) for problem in result.problems] == []
    assert {key: result.records[0][key] for key in expected} == expected


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


FIRST = {
    "name": "The application's name",
    "processes": "Daemon processes of each slot",
    "pecan_signatures": "Lets Pecan compute the signature of a controller once instead of on every request",
    "config": "Files of the release's etc folder",
    "argv": "sys.argv as the application sees it, with the same placeholders as environment",
    "python": "The Python of the virtualenv, where it differs from wsgi_app_python",
    "entry": "How the WSGI callable is made",
}
KNOWN_OPTION = "see its documentation of WSGIDaemonProcess"
PORT_RIGHT = "it has to be a port from 1 to 65535, or an address and a port such as 127.0.0.1:8080"
PATH_RIGHT = "letters, digits, ., _, ~, - and single slashes are possible"
ONE_ENTRY = "it has to have exactly one of pecan, paste, module"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            record(procesess=3),
            "record shop, key procesess: found an unknown key; did you mean processes?",
        ),
        (
            record(zzz=3),
            f"record shop, key zzz: found an unknown key; the keys are {', '.join(SPEC)}",
        ),
        (
            record(entry={"pecan": "config.py", "nme": "x"}),
            "record shop, key entry.nme: found an unknown key; did you mean name?",
        ),
        (
            record(name=42),
            f"record number 1, key name: found 42 (a whole number); it has to be a text: {FIRST['name']}",
        ),
        (
            record(processes="many"),
            "record shop, key processes: found 'many' (a text); it has to be a whole number: " + FIRST["processes"],
        ),
        (
            record(processes=2.5),
            f"record shop, key processes: found 2.5 (a decimal number); it has to be a whole number: "
            f"{FIRST['processes']}",
        ),
        (
            record(processes=True),
            f"record shop, key processes: found True (true or false); it has to be a whole number: "
            f"{FIRST['processes']}",
        ),
        (
            record(pecan_signatures="maybe"),
            "record shop, key pecan_signatures: found 'maybe' (a text); it has to be true or false: "
            + FIRST["pecan_signatures"],
        ),
        (
            record(config=["config.py"]),
            f"record shop, key config: found ['config.py'] (a list); it has to be a dictionary: {FIRST['config']}",
        ),
        (
            record(argv="one"),
            f"record shop, key argv: found 'one' (a text); it has to be a list, each element a text: {FIRST['argv']}",
        ),
        (
            record(argv=["one", 2]),
            "record shop, key argv: found ['one', 2] (a list); it has to be a list, each element a text: "
            + FIRST["argv"],
        ),
        (
            record(python={"a": 1}),
            f"record shop, key python: found {{'a': 1}} (a dictionary); it has to be a path: {FIRST['python']}",
        ),
        (without("entry"), f"record shop, key entry: found nothing; it is required: {FIRST['entry']}"),
        (without("name"), f"record number 1, key name: found nothing; it is required: {FIRST['name']}"),
        (without("source"), "record shop, key source: found nothing; it is required: Where the application comes from"),
        (
            record(tls="on"),
            "record shop, key tls: found 'on' (a text); it has to be one of off, given, private_ca",
        ),
        (
            "shop",
            "record number 1, key (whole record): found 'shop' (a text);"
            " it has to be a dictionary with name, source and entry",
        ),
        (record(entry={}), f"record shop, key entry: found none of them; {ONE_ENTRY}"),
        (
            record(entry={"pecan": "config.py", "module": "a:b"}),
            f"record shop, key entry: found pecan and module; {ONE_ENTRY}",
        ),
        (
            record(entry={"wsgi": "x"}),
            "record shop, key entry.wsgi: found an unknown key; the keys are pecan, paste, name, module",
        ),
        (
            record(entry={"pecan": "config.py", "name": "main"}),
            "record shop, key entry.name: found 'main' (a text); it goes with paste only, remove it",
        ),
        (
            record(entry={"module": "shop.wsgi"}),
            "record shop, key entry.module: found 'shop.wsgi' (a text); it has to be package.module:attribute",
        ),
        (
            record(entry={"pecan": "../config.py"}),
            "record shop, key entry.pecan: found '../config.py', which leaves etc;"
            " it has to be a file of config or of the source, by its path there",
        ),
        (
            record(environment={"CONFIG": "{ect}/config.py"}),
            "record shop, key environment.CONFIG: found {ect}; the placeholders are {etc}, {release}, {state}, {logs}",
        ),
        (
            record(argv=["{home}"]),
            "record shop, key argv: found {home}; the placeholders are {etc}, {release}, {state}, {logs}",
        ),
        (
            record(environment={"A-B": "x"}),
            "record shop, key environment.A-B: found 'x' (a text); it has to be a variable's name and a text",
        ),
        (
            record(environment={"A": {"b": 1}}),
            "record shop, key environment.A: found {'b': 1} (a dictionary); it has to be a variable's name and a text",
        ),
        (
            record(name="Shop"),
            "record Shop, key name: found 'Shop' (a text); an account's name has lower-case letters, digits, - and _,"
            " and starts with a letter or _",
        ),
        (record(name="s" * 31), f"record {'s' * 31}, key name: found 31 characters; it may have 30 at most"),
        (record(processes=0), "record shop, key processes: found 0; it has to be from 1 to 512"),
        (record(threads=513), "record shop, key threads: found 513; it has to be from 1 to 512"),
        (record(start_timeout=0), "record shop, key start_timeout: found 0; it has to be from 1 to 3600"),
        (record(max_body=-1), f"record shop, key max_body: found -1; it has to be from 0 to {1 << 40}"),
        (
            record(processes=10, threads=13),
            "record shop, key processes: found 10 x 13 threads = 130; the MPM has 128 workers (MaxRequestWorkers)"
            " to feed all of them; lower processes or threads, or raise httpd_threads_per_child or httpd_server_limit",
        ),
        (
            record(daemon_options={"reqest-timeout": 5}),
            "record shop, key daemon_options.reqest-timeout: found an unknown option;"
            " mod_wsgi 6.1.1 has none of that name; did you mean request-timeout?",
        ),
        (
            record(daemon_options={"xyz": 5}),
            "record shop, key daemon_options.xyz: found an unknown option;"
            f" mod_wsgi 6.1.1 has none of that name; {KNOWN_OPTION}",
        ),
        (
            record(daemon_options={"threads": 5}),
            "record shop, key daemon_options.threads: found 5 (a whole number);"
            " Grove sets it; use the record's own keys",
        ),
        (
            record(daemon_options={"umask": "00 27"}),
            "record shop, key daemon_options.umask: found '00 27' (a text); it has to be a single word or number",
        ),
        (
            record(daemon_options={"lang": ""}),
            "record shop, key daemon_options.lang: found '' (a text); it has to be a single word or number",
        ),
        (
            record(daemon_options={"request-timeout": "1m"}),
            "record shop, key daemon_options.request-timeout: found '1m' (a text); it has to be a whole number",
        ),
        (
            record(daemon_options={"queue-timeout": 0}),
            "record shop, key daemon_options.queue-timeout: found 0;"
            " it has to be 1 or more, or a queue grows without end",
        ),
        (record(listen=0), f"record shop, key listen: found 0 (a whole number); {PORT_RIGHT}"),
        (record(listen=True), f"record shop, key listen: found True (true or false); {PORT_RIGHT}"),
        (record(listen="²"), f"record shop, key listen: found '²' (a text); {PORT_RIGHT}"),
        (record(listen="host:80"), f"record shop, key listen: found 'host:80' (a text); {PORT_RIGHT}"),
        (record(listen=[80]), f"record shop, key listen: found [80] (a list); {PORT_RIGHT}"),
        (
            record(server_name="shop_.example..org"),
            "record shop, key server_name: found 'shop_.example..org' (a text); it has to be a host name",
        ),
        (
            record(server_name="shop.example.org", server_aliases=["a b"]),
            "record shop, key server_aliases: found 'a b' (a text); it has to be a host name",
        ),
        (
            record(server_aliases=["a.example.org"]),
            "record shop, key server_aliases: found ['a.example.org'] (a list); server_name has to be given, too",
        ),
        (record(path="/a b"), f"record shop, key path: found '/a b' (a text); {PATH_RIGHT}"),
        (record(path="/a//b"), f"record shop, key path: found '/a//b' (a text); {PATH_RIGHT}"),
        (record(health="up"), "record shop, key health: found 'up' (a text); a path starts with /"),
        (
            record(directives=["Require all\ngranted"]),
            "record shop, key directives: found 'Require all\\ngranted' (a text); each element has to be one line",
        ),
        (
            record(allow_from=["10.0.0.0/33"]),
            "record shop, key allow_from: found '10.0.0.0/33' (a text);"
            " it has to be an address or a network such as 10.0.0.0/8",
        ),
        (
            record(tls="given"),
            "record shop, key tls: found given; tls_certificate and tls_key have to be given, too",
        ),
        (
            record(tls_key="/etc/ssl/shop.key"),
            "record shop, key tls_key: found '/etc/ssl/shop.key' (a text); it goes with tls: given only",
        ),
        (
            record(static={"public": "public"}),
            "record shop, key static.public: found a URL path that is not usable;"
            f" it has to start with / and to be longer; {PATH_RIGHT}",
        ),
        (
            record(static={"/public": "../public"}),
            "record shop, key static./public: found '../public' (a text); it has to be a folder inside the source",
        ),
        (
            record(static={"/public": "pubilc"}),
            "record shop, key static./public: found 'pubilc', which is not there; it has to be a folder of the source",
        ),
        (
            record(config={"../config.py": "config.py.j2"}),
            "record shop, key config.../config.py: found a path that leaves etc;"
            " it has to stay inside the release's etc folder",
        ),
        (
            record(config={"/etc/passwd": "config.py.j2"}),
            "record shop, key config./etc/passwd: found a path that leaves etc;"
            " it has to stay inside the release's etc folder",
        ),
        (
            record(config={"config.py": 3}),
            "record shop, key config.config.py: found 3 (a whole number); it has to be the path of a template,"
            " or a dictionary of sections",
        ),
    ],
)
def test_a_bad_record_is_named_with_key_found_and_right(
    settings: Settings, host: Host, given: object, message: str
) -> None:
    assert problems([given], settings, host) == [message]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"source": "./shoop"},
            "record shop, key source: found './shoop', which is not there;"
            " it has to be a folder (looked in {project}); a requirement has no slash in it",
        ),
        (
            {"source": "./shop.lock"},
            "record shop, key source: found './shop.lock', which is no folder;"
            " it has to be a folder (looked in {project})",
        ),
        (
            {"source": "none.whl", "entry": {"module": "a:b"}},
            "record shop, key source: found 'none.whl', which is not there; it has to be a wheel (looked in {project})",
        ),
        (
            {"lock": "none.lock"},
            "record shop, key lock: found 'none.lock', which is not there; it has to be a file (looked in {project})",
        ),
        (
            {"lock": "shop"},
            "record shop, key lock: found '{project}/shop', which is no file;"
            " it has to be a file (looked in {project})",
        ),
        (
            {"config": {"config.py": "none.j2"}},
            "record shop, key config.config.py: found 'none.j2', which is not there;"
            " it has to be a file (looked in {project})",
        ),
        (
            {"config": {"config.py": "shop"}},
            "record shop, key config.config.py: found '{project}/shop', which is no file;"
            " it has to be a file (looked in {project})",
        ),
        (
            {"entry": {"pecan": "prod.py"}},
            "record shop, key entry.pecan: found 'prod.py', which is neither in config nor in the source;"
            " it has to be in one of the two",
        ),
        (
            {"entry": {"pecan": ""}},
            "record shop, key entry.pecan: found '', which is neither in config nor in the source;"
            " it has to be in one of the two",
        ),
        (
            {"source": "shop==1", "entry": {"paste": "api-paste.ini"}},
            "record shop, key entry.paste: found 'api-paste.ini', which is not in config; add api-paste.ini to config",
        ),
    ],
)
def test_files_that_the_controller_lacks(
    project: Path, settings: Settings, host: Host, more: dict[str, Any], message: str
) -> None:
    assert problems([record(**more)], settings, host) == [message.replace("{project}", str(project))]


def test_a_number_as_the_name_of_a_configuration_file(settings: Settings, host: Host) -> None:
    assert problems([record(config={1: "config.py.j2"})], settings, host) == []


def test_an_option_that_came_later_than_the_installed_mod_wsgi(settings: Settings, host: Host) -> None:
    given = [record(daemon_options={"interrupt-timeout": 5})]
    assert problems(given, settings, host) == []
    assert problems(given, settings, host, mod_wsgi="4.9.4") == [
        "record shop, key daemon_options.interrupt-timeout: found an unknown option; it came with mod_wsgi 6, and the"
        " host's is 4.9.4; remove it, or set mod_wsgi_source: pypi"
    ]


def other(**more: Any) -> dict[str, Any]:
    return record(**{"name": "other", **more})


NAMED = {"server_name": "shop.example.org"}
ANOTHER = "give one of them another port, a server_name or a path"


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        (
            [record(), other()],
            [f"record other, key listen: found port 8080 and no server_name; shop has the same; {ANOTHER}"],
        ),
        (
            [record(), record(listen=8081)],
            ["record shop, key name: found 'shop' for the second time; every record has a name of its own"],
        ),
        (
            [record(**NAMED), other(server_name="SHOP.example.org")],
            [
                "record other, key listen: found port 8080 and the name shop.example.org; shop has the same; "
                + ANOTHER,
            ],
        ),
        (
            [record(**NAMED), other(server_name="other.example.org", server_aliases=["shop.example.org"], path="/b")],
            [
                "record other, key server_name: found port 8080 and the name shop.example.org; shop, whose"
                " server_name is shop.example.org, has that name too; give both the same server_name",
            ],
        ),
        (
            [record(tls="private_ca", server_name="a"), other(server_name="b")],
            [
                "record other, key tls: found off on port 8080; shop says private_ca there; a port is with TLS or"
                " without, not both",
            ],
        ),
        (
            [
                record(tls="private_ca", path="/a"),
                other(tls="given", tls_certificate="/c", tls_key="/k", path="/b"),
            ],
            [
                "record other, key tls: found given (/c); shop shares the VirtualHost and says private_ca; both have to"
                " say the same",
            ],
        ),
        (
            [record(), other(listen="127.0.0.1:8080")],
            [
                "record other, key listen: found 127.0.0.1:8080; shop listens on every address of that port; use one or"
                " the other",
            ],
        ),
        (
            [record(listen="127.0.0.1:8080"), other(listen="0.0.0.0:8080")],
            [
                "record shop, key listen: found 127.0.0.1:8080; other listens on every address of that port; use one or"
                " the other",
            ],
        ),
        (
            [record(listen=9080)],
            [
                "record shop, key listen: found port 9080; wsgi_app_door uses that port; choose another for one of"
                " them",
            ],
        ),
        (
            [record(listen=0), other(listen="x")],
            [
                f"record shop, key listen: found 0 (a whole number); {PORT_RIGHT}",
                f"record other, key listen: found 'x' (a text); {PORT_RIGHT}",
            ],
        ),
    ],
)
def test_records_that_are_in_each_others_way(
    settings: Settings, given: list[dict[str, Any]], messages: list[str]
) -> None:
    assert problems(given, settings) == messages


def test_records_that_share_a_port(settings: Settings, host: Host) -> None:
    named = [record(**NAMED), other(server_name="other.example.org")]
    assert problems(named, settings, host) == []
    below = [record(**NAMED), other(path="/other", **NAMED)]
    assert problems(below, settings, host) == []
    apart = [record(listen="127.0.0.1:8080"), other(listen="127.0.0.2:8080")]
    assert problems(apart, settings, host) == []


@pytest.mark.parametrize("door", ["9080", "localhost:9080", "192.0.2.1:9080", "127.0.0.1:0", "127.0.0.1:x"])
def test_a_door_that_is_no_loopback_address(settings: Settings, door: str) -> None:
    assert problems([record()], settings, door=door) == [
        f"record (all), key wsgi_app_door: found {door!r} (a text); it has to be a loopback address and a port such as"
        " 127.0.0.1:9080"
    ]


def test_a_listen_address_that_is_none(settings: Settings) -> None:
    assert problems([record()], settings, listen_address="eth0") == [
        "record (all), key wsgi_app_listen_address: found 'eth0' (a text); it has to be an address of the host, or"
        " * for every one"
    ]


def test_records_that_are_no_list(settings: Settings) -> None:
    assert problems({"name": "shop"}, settings) == [
        "record (all), key wsgi_apps: found {'name': 'shop'} (a dictionary); it has to be a list of records"
    ]


def test_a_python_of_another_version_than_mod_wsgis(settings: Settings, host: Host) -> None:
    assert problems([record(python="/opt/python3.13")], settings, host) == [
        "record shop, key python: found /opt/python3.13 (3.13.1); mod_wsgi is linked to 3.11.2 (/usr/bin/python3); both"
        " have to be the same version"
    ]


def test_pythons_that_cannot_be_run(settings: Settings, host: Host) -> None:
    assert problems([record(python="/opt/none")], settings, host) == [
        "record shop, key python: found '/opt/none', which cannot be run; it has to be a Python on the host"
    ]
    host["pythons"][PYTHON] = None
    assert problems([record(), other(listen=8081)], settings, host) == [
        "record (all), key mod_wsgi_python: found '/usr/bin/python3', which cannot be run; it has to be a Python on the"
        " host"
    ]


def test_an_account_that_is_not_groves(settings: Settings, host: Host) -> None:
    host["accounts"]["shop"] = {"uid": 1000, "home": "/home/shop", "shell": "/bin/sh"}
    assert problems([record()], settings, host) == [
        "record shop, key name: found an account shop (uid 1000, home /home/shop) that is not Grove's; Grove's accounts"
        " live in /var/lib/shop; give the record another name, or remove the account"
    ]
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
    right = "choose a free port, or stop that program"
    message = f"record shop, key listen: found port 8080, which {holder} holds; {right}"
    assert problems([record()], settings, host) == ([message] if holder else [])


def test_a_door_that_another_program_holds(settings: Settings, host: Host) -> None:
    host["listeners"] = [{"address": "127.0.0.1", "port": 9080, "pid": 7, "program": "nginx"}]
    assert problems([record()], settings, host) == [
        "record (all), key wsgi_app_door: found port 9080, which nginx (process 7) holds; choose a free port, or"
        " stop that program"
    ]


def test_certificates(settings: Settings, host: Host) -> None:
    given = [record(tls="given", tls_certificate="/c.pem", tls_key="/k.pem")]
    host["files"] = {"/c.pem": False, "/k.pem": False}
    host["key_pairs"] = {"/c.pem|/k.pem": "no such file"}
    assert problems(given, settings, host) == [
        "record shop, key tls_certificate: found '/c.pem', which is not on the host; the file has to be there",
        "record shop, key tls_key: found '/k.pem', which is not on the host; the file has to be there",
    ]
    host["files"] = {"/c.pem": True, "/k.pem": True}
    host["key_pairs"] = {"/c.pem|/k.pem": "KEY_VALUES_MISMATCH"}
    assert problems(given, settings, host) == [
        "record shop, key tls_key: found '/k.pem', which cannot be used with /c.pem (KEY_VALUES_MISMATCH); it has to be"
        " the certificate's own key, without a passphrase"
    ]
    host["key_pairs"] = {"/c.pem|/k.pem": ""}
    assert problems(given, settings, host) == []


def test_foreign_sites(settings: Settings, host: Host) -> None:
    host["httpd"] |= {"foreign_sites": ["000-default", "blog"], "foreign_listen": ["80", "443"]}
    assert problems([record()], settings, host) == [
        "record (all), key wsgi_app_extra_listen: found sites that are not Grove's: blog; set"
        " wsgi_app_extra_listen to the ports that they need (now: 80, 443), since Grove declares all Listen lines"
    ]
    assert problems([record()], settings, host, httpd_listen=("80",)) == []
    host["httpd"]["ports_ours"] = True
    assert problems([record()], settings, host) == []
    host["httpd"] |= {"foreign_sites": ["000-default", "default-ssl", "ssl"], "ports_ours": False}
    assert problems([record()], settings, host) == []


def test_several_problems_are_all_reported(settings: Settings, host: Host) -> None:
    given = [
        record(procesess=3, health=3),
        other(processes=0, threads=600, lock="none", daemon_options={"xyz": 1}, path="/a b"),
        record(name="third", listen=9080, source="./none", entry={"module": "a:b"}),
    ]
    found = [message.partition(": ")[0] for message in problems(given, settings, host)]
    assert found == [
        "record shop, key procesess",
        "record shop, key health",
        "record other, key lock",
        "record other, key processes",
        "record other, key threads",
        "record other, key daemon_options.xyz",
        "record other, key path",
        "record third, key source",
        "record third, key listen",
    ]


def test_what_the_host_is_asked(settings: Settings) -> None:
    given = [
        record(python="/opt/python3.13", tls="given", tls_certificate="/c.pem", tls_key="/k.pem"),
        "not a record",
        {"name": 3},
    ]
    assert records.questions(given, settings) == {
        "pythons": ["/opt/python3.13", PYTHON],
        "accounts": ["shop"],
        "addresses": ["127.0.0.1"],
        "folders": ["/var/lib/shop", "/var/log/shop"],
        "files": ["/c.pem", "/k.pem"],
        "key_pairs": [["/c.pem", "/k.pem"]],
    }
    assert records.questions("nothing", settings)["accounts"] == []


def test_the_records_of_the_local_inventory(settings: Settings, host: Host) -> None:
    text = (REPOSITORY / "inventory/local/group_vars/all/main.yml").read_text()
    given = yaml.safe_load(text)["wsgi_apps"]
    assert len(given) == 3
    assert problems(given, settings, host, folders=(str(REPOSITORY),), listen_address="127.0.0.1") == []


def test_an_address_that_the_host_does_not_have(settings: Settings, host: Host) -> None:
    host["addresses"] = {"192.0.2.7": False}
    assert problems([record(listen="192.0.2.7:8080")], settings, host) == [
        "record shop, key listen: found 192.0.2.7, which is no address of the host; use one of its own, or a port alone"
        " for all of them"
    ]


def test_a_folder_that_belongs_to_somebody_else(settings: Settings, host: Host) -> None:
    host["folders"] = {"/var/lib/shop": "shop", "/var/log/shop": "root"}
    assert problems([record()], settings, host) == [
        "record shop, key name: found /var/log/shop, which exists and belongs to root; Grove would give it to the"
        " application's account; choose another name, or move the folder away"
    ]


def test_agents_need_systemd(settings: Settings, host: Host) -> None:
    given = [record(agents={"worker": {"command": "shop-worker"}})]
    assert problems(given, settings, {**host, "systemd": True}) == []
    assert problems(given, settings, {**host, "systemd": False}) == [
        "record shop, key agents: found worker on a host that systemd does not run; agents are services of systemd;"
        " take them out of this host"
    ]


def test_the_inventory_may_say_how_many_processes_there_are(settings: Settings, host: Host) -> None:
    few = dataclasses.replace(settings, processes=1)
    checked = records.check([record(), {**record(name="cart", listen=8081), "processes": 3}], SPEC, few, host)
    assert [one["processes"] for one in checked.records] == [1, 3]


def test_extras_are_packages(settings: Settings, host: Host, project: Path) -> None:
    (project / "more").mkdir()
    assert problems([record(extras=["more"])], settings, host)[0].startswith(
        "record shop, key extras: found 'more', which is no package: it has no __init__.py; it has to be the folder of"
    )
    (project / "more" / "__init__.py").write_text("")
    [checked] = records.check([record(extras=["more"])], SPEC, settings, host).records
    assert checked["extras"] == [str(project / "more")]
