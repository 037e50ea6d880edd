"""Hostile values of a record: each is refused with a complete problem, or its consumer reads it as it was written."""

from __future__ import annotations

import ast
import configparser
import dataclasses
import datetime
import io
import json
import os
import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.filter.core import FilterModule
from ansible_collections.grove.wsgi.plugins.action.check_records import first, problem_text, warning_texts
from ansible_collections.grove.wsgi.plugins.action.release import commands
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.host import host_questions
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.limits import PROBLEMS_SHOWN
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import Problem
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.record import Record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.sections import render
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import agents, site_files, steps, timers
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view, views
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from oslo_config import iniparser
from record_settings import SETTINGS, SPEC

REPOSITORY = Path(__file__).resolve().parents[2]
KEYS = [key for group in SPEC.values() for key in group]
LAYOUT = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]["Debian"]["layout"]
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of the controller with a source, a wheel with a wrong name, and packages."""
    top = tmp_path_factory.mktemp("controller")
    for name in ("shop/public", "good", "bad-name"):
        (top / name).mkdir(parents=True)
    for name in ("shop/config.py", "shop/a#b.ini", "good/__init__.py", "bad-name/__init__.py", "x.whl", "t.j2"):
        (top / name).write_text("")
    return str(top)


def record(**more: Any) -> dict[str, Any]:
    return {"name": "shop", "source": "shop==1", "entry": {"module": "shop:application"}, "listen": 8080, **more}


def of_folder(**more: Any) -> dict[str, Any]:
    return record(**{"source": "./shop", "entry": {"pecan": "config.py"}, **more})


def problems(written: object, folder: str = "/nowhere", **changes: Any) -> tuple[Problem, ...]:
    settings = dataclasses.replace(SETTINGS, folders=(folder,), **changes)
    checked = check_records(written if isinstance(written, list) else [written], SPEC, settings)
    for problem in (*checked.problems, *checked.warnings):
        text = str(problem)
        assert all((problem.record, problem.key, problem.actual, problem.remedy)), text
        assert text.isprintable(), text
        assert len(text) < 2000, len(text)
    return checked.problems


AGENT = {"command": "true"}
TIMER = {"command": "true", "schedule": "daily"}


@pytest.mark.parametrize(
    ("written", "key"),
    [
        # Apache resolves dots, and reads a path as an alias, a location and a regular expression.
        *((record(path=path), "path") for path in ("/../", "/a/../b", "/.", "shop", "", "/a b", "/é", "/a\n", "/" * 2)),
        *((record(path=path), "path") for path in ("/" + "a" * 1024, "/${HOME}", "/a%2fb", '/"', "/a\\")),
        # The health request is a line of HTTP.
        *(
            (record(health=path), "health")
            for path in ("/up\r\nX: y", "/a b", "/../x", "/up?x=1", "/%2e%2e/", "/é", "//")
        ),
        *((record(health=path), "health") for path in ("", "up", "/up#x", '/"', "/\x7f", "/a\ud800")),
        # The kernel.
        (record(environment={"A": "a\0b"}), "environment.A"),
        (record(environment={"A": "\ud800"}), "environment.A"),
        (record(environment={"A": "x" * 131_072}), "environment.A"),
        (record(environment={f"A{number}": "x" * 100_000 for number in range(11)}), "environment"),
        *((record(environment={name: "x"}), f"environment.{name}") for name in ("A=B", "1A", "A B", "É", "A-B", "A\n")),
        # A boolean and a decimal number reach the program as other texts than were written: True, 1.1.
        *((record(environment={"A": value}), "environment.A") for value in (True, 1.10, None, [1], {"a": 1})),
        (record(environment={"A": datetime.date(2026, 1, 1)}), "environment.A"),
        (record(environment={"A": float("nan")}), "environment.A"),
        (record(environment={"A": 10**5000}), "environment.A"),
        (record(environment={1: "a", "1": "b"}), "environment.1"),
        (record(environment={True: "a"}), "environment.True"),
        (record(argv=["a\0"]), "argv"),
        (record(argv=["x" * 131_072]), "argv"),
        (record(name="s" * 31), "name"),
        # /var/lib/grove is Grove's own.
        (record(name="grove"), "name"),
        *((record(home=home), "home") for home in ("relative", "./x", "", "~", "-x", "/" + "a" * 256, "/a\nb")),
        *((record(python=path), "python") for path in ("python3", "--help", "", "/usr/bin/../python", "/a b", "/a;b")),
        # Commands are one line without a shell.
        *((record(migrate=line), "migrate") for line in ("a\nb", "a\n", "a\0b", "", "  ", "''", "--help", "'a")),
        (record(migrate=["true", "a\r"]), "migrate[1]"),
        (record(contract=["true", 3]), "contract"),
        (record(after="true " + "x" * 131_072), "after"),
        (record(agents={"a": {"command": "a\nb"}}), "agents.a.command"),
        (record(timers={"a": {"command": "a\nb", "schedule": "daily"}}), "timers.a.command"),
        (record(timers={"a": {"command": "true", "schedule": "daily\n"}}), "timers.a.schedule"),
        *((record(agents={name: AGENT}), f"agents.{name}") for name in ("A", "a_b", "a.b", "%i", "é", "a" * 32, "-a")),
        (record(agents={"a": {**AGENT, "stop_timeout": "30"}}), "agents.a.stop_timeout"),
        (record(agents={"a": {**AGENT, "settle": 10**30}}), "agents.a.settle"),
        (record(agents={"a": {**AGENT, "instances": 1}}), "agents.a.instances"),
        (record(agents={"a": {**AGENT, "database": {"variable": "URL"}}}), "agents.a.database"),
        *(
            (record(agents={"a": {**AGENT, "instances": "one", **more}}), f"agents.a.database{key}")
            for more, key in (
                ({}, ""),
                ({"database": "shop.conf"}, ""),
                ({"database": {}}, ""),
                ({"database": {"option": "database/connection"}}, ""),
                ({"database": {"config": "shop.conf", "variable": "URL"}}, ""),
                ({"database": {"config": 5}}, ""),
                ({"database": {"variable": "URL"}}, ".variable"),
                ({"database": {"config": "none.conf"}}, ".config"),
            )
        ),
        # Networks.
        *(
            (record(allow_from=[text]), "allow_from")
            for text in (
                "10.1.2.3/8",
                "10.0.0.0/0.255.255.255",
                "fe80::1%eth0",
                "0.0.0.0/0",
                "::/0",
                "::1/٨",
                "all",
                "",
                "10.0.0.0/8 all",
            )
        ),
        *((record(listen=text), "listen") for text in ("[fe80::1%x]:80", '::1%"\n:80', "[[::1]]:80", "[10.0.0.1]:80")),
        *((record(listen=value), "listen") for value in (65_536, -1, 10**5000, 80.0, "80 ", "٨٠", "1" * 5000)),
        # uv takes options from its command line, and git hosts and revisions.
        *(
            (record(source=text), "source")
            for text in ("--index-url=http://x", "-r", "", "/", "/.", "//", "/usr/..", "shop==1 --pre", "shop\n--pre")
        ),
        *(
            (record(source=text), "source")
            for text in (
                "git+ssh://-oProxyCommand=x/y",
                "git+https://h/x@--upload-pack=y",
                "hg+https://h/x",
                "git+https:",
            )
        ),
        *((record(source=text), "source") for text in ("shop @ ftp://h/x", "shop == 1 2", "a;b", "https://h/a b")),
        (record(source="x.whl"), "source"),
        # apt removes a package whose name ends with a hyphen.
        *(
            (record(system_packages=[name]), "system_packages")
            for name in ("-y", "a;b", "libxml2-", "a b", "", "*", "./x.deb", "a\n", "é", "a$(b)", "a=", "a/b", "@group")
        ),
        # Modules are written into app.wsgi.
        *(
            (record(entry={"module": text}), "entry.module")
            for text in ("a:class", "a.b:c²", "a:b;c", "a: b", "a", "import:x", "a:ﬁ", "a:b:c", "a\n:b", "a:1")
        ),
        (of_folder(entry={"paste": "a#b.ini"}), "entry.paste"),
        (of_folder(entry={"pecan": "./config.py"}), "entry.pecan"),
        (of_folder(entry={"pecan": "/etc/passwd"}), "entry.pecan"),
        (record(entry={"paste": "a.ini", "name": "x]"}, config={"a.ini": {}}), "entry.name"),
        # Files of the release.
        *((record(config={name: {}}), f"config.{name}") for name in ("..", ".", "a/", "a//b", "/a", "a" * 256, "a\nb")),
        (record(config={"a": {}, "a/b": {}}), "config.a/b"),
        (record(config={1: {}, "1": {}}), "config.1"),
        (record(config={None: {}}), "config.None"),
        (record(config={"a": {"DEFAULT": {"x": "y\r"}}}), "config.a.DEFAULT.x"),
        (record(config={"a": {"DEFAULT": {"x": " y"}}}), "config.a.DEFAULT.x"),
        (record(config={"a": {"DEFAULT": {" x": "y"}}}), "config.a.DEFAULT. x"),
        (record(config={"a": {" D": {}}}), "config.a"),
        (record(config={"a": {"D": {"x": float("inf")}}}), "config.a.D.x"),
        (record(config={"a": "t.j2\0"}), "config.a"),
        (record(extras=["bad-name"]), "extras"),
        (record(extras=["good", "./good"]), "extras"),
        # Apache serves these folders.
        *((of_folder(static={"/a": text}), "static./a") for text in ("", ".", "public/", "../shop", "/etc", "a\n", 3)),
        *(
            (of_folder(static={url: "public"}), f"static.{url}")
            for url in ("/a/", "/", "a", "/..", "/a b", "/$x", "/é")
        ),
        # Apache replaces ${NAME}, and reads quotes and backslashes.
        *(
            (record(tls="given", tls_certificate=path, tls_key="/k"), "tls_certificate")
            for path in ('/a"b', "/a\\b", "/${X}", "a.pem", "/a/../b", "/a\nb", "/" + "a/" * 2100)
        ),
        *(
            (record(server_name=name), "server_name")
            for name in ("*.a.org", "a..b", "a b", "-a", "a" * 64, "${X}", "", "é")
        ),
        *((record(server_name=name), "server_name") for name in ("a.org:80", "a.org\n", ".".join(["a" * 60] * 5))),
        (record(server_name="a.org", server_aliases=["b", "*"]), "server_aliases"),
        (record(directives=["SetEnv A \\"]), "directives"),
        (record(directives=["SetEnv A\0"]), "directives"),
        # YAML reads 0027 as 23, and on as true.
        (record(daemon_options={"umask": 23}), "daemon_options.umask"),
        (record(daemon_options={"umask": "9"}), "daemon_options.umask"),
        (record(daemon_options={"server-metrics": True}), "daemon_options.server-metrics"),
        *((record(daemon_options={"lang": text}), "daemon_options.lang") for text in ("${X}", "a b", "é", "a'", 3)),
        *(
            (record(daemon_options={"chroot": text}), "daemon_options.chroot")
            for text in ("${X}", "a$b", "a\\", '"', "é")
        ),
        *(
            (record(daemon_options={"stack-size": n}), "daemon_options.stack-size")
            for n in (-1, 1 << 31, 1.5, "1k", "")
        ),
        (record(daemon_options={"cpu-priority": 20}), "daemon_options.cpu-priority"),
        (record(daemon_options={"cpu-priority": "low"}), "daemon_options.cpu-priority"),
        # Numbers and booleans.
        *(
            (record(processes=value), "processes")
            for value in ("4_0", " 4", "٤", "4.0", 10**5000, -1, float("nan"), "1e2")
        ),
        *((record(max_body=value), "max_body") for value in (-1, 1 << 63, "0x10", True, [1])),
        *((record(pecan_signatures=value), "pecan_signatures") for value in (2, 0.0, "ja", [0], "")),
        (record(pecan_pieces="some"), "pecan_pieces"),
        (record(processess=3), "processess"),
        (record(**{"a\nb": 3}), "a\nb"),
        # PasteDeploy.
        (record(paste={"..": {"from": "a"}}), "paste..."),
        (record(paste={"a": {"from": ""}}), "paste.a.from"),
        (record(paste={"a": {"from": "x", "oslo_config_file": 3}}), "paste.a.oslo_config_file"),
        (
            record(paste={"a": {"from": "x", "overlay": {"pipelines": {"m": {"remove": ["a b"]}}}}}),
            "paste.a.overlay.pipelines.m.remove",
        ),
        (
            record(paste={"a": {"from": "x", "overlay": {"urlmaps": {"m": {"/a=b": "c"}}}}}),
            "paste.a.overlay.urlmaps.m./a=b",
        ),
        (record(paste={"a": {"from": "x", "overlay": {"sections": {"app:a]": {}}}}}), "paste.a.overlay.sections"),
    ],
)
def test_a_value_that_its_consumer_cannot_read_is_refused(folder: str, written: dict[str, Any], key: str) -> None:
    assert {(problem.record, problem.key) for problem in problems(written, folder)} == {(written["name"], key)}


@pytest.mark.parametrize(
    "written",
    [
        record(environment={"CERTIFICATE": PEM, "LEVEL": 3, "EMPTY": "", "TEXT": "a\tb $x %s"}),
        record(source="gnocchi[mysql]==4.7.1; python_version > '3'"),
        record(source="https://files.example.org/shop-1.tar.gz"),
        record(source="shop @ git+https://user@git.example.org/shop@v1#subdirectory=x"),
        record(source="git+ssh://git@git.example.org/shop.git@main"),
        record(source="git+file:///srv/git/shop"),
        record(system_packages=["libxml2", "g++", "libc6:i386", "libxml2=2.9.14+dfsg-1~deb12u1", "python3.11"]),
        record(daemon_options={"umask": "027", "cpu-priority": -5, "switch-interval": 0.005, "server-metrics": "On"}),
        record(migrate="sh -c 'a; b'", after=["a {etc}/x", 'b "c d"']),
        record(static={"/a.b": "public/css"}),
        record(health="/a;b=c/@me,you", path="/a/"),
        record(allow_from=["10.0.0.0/255.0.0.0", "::1", "2001:db8::/32", "0.0.0.0"]),
        record(server_name="a_b.example.org", server_aliases=["*.example.org", "192.0.2.1"]),
        record(directives=["<If \"%{HTTP_HOST} == 'x'\">", '\tHeader set X "${Y}"', "</If>"]),
        record(config={"a/b.conf": {"DEFAULT": {"x": ["a", 1, True, None, ""], "y": '"quoted"', "z": "a = b # c"}}}),
        record(tls="given", tls_certificate="/etc/ssl/a b.pem", tls_key="/etc/ssl/$a.pem"),
        record(pecan_signatures="no", processes="4", threads="+1".removeprefix("+")),
    ],
)
def test_a_value_that_its_consumer_can_read_is_possible(folder: str, written: dict[str, Any]) -> None:
    assert [str(problem) for problem in problems(written, folder)] == []


def test_units_of_two_applications_have_different_names() -> None:
    pair = [
        record(name="a", agents={"b-c": AGENT}),
        record(name="a-b", listen=8081, timers={"c": TIMER}),
    ]
    assert [(problem.record, problem.key) for problem in problems(pair)] == [("a-b", "timers.c")]


@pytest.mark.parametrize("key", ["base", "state_base", "log_base"])
@pytest.mark.parametrize(
    "value", ["srv", "/", "/srv/a b", "/srv/${X}", '/srv/"', "/srv/%d", "/srv/", "/srv/../etc", "/é"]
)
def test_folders_of_all_records(key: str, value: str) -> None:
    assert [(problem.record, problem.key) for problem in problems(record(), **{key: value})] == [
        ("(all)", f"wsgi_app_{key}")
    ]


@pytest.mark.parametrize(
    "value", ["80 443", "all:80", "::1%x:80", "0", "65536", "80\nInclude /etc/passwd", "9" * 5000, ""]
)
def test_further_addresses(value: str) -> None:
    assert {problem.key for problem in problems(record(), httpd_listen=(value,))} == {"wsgi_app_extra_listen"}


def test_the_host_is_asked_about_nothing_that_the_check_refuses() -> None:
    """host_info starts these Pythons and opens these files as root."""
    hostile = record(name="../x", python="sh", tls_certificate="-x", tls_key="/k\0", listen="fe80::1%x:80")
    plain = host_questions([], SETTINGS)
    assert host_questions([hostile], SETTINGS) == plain


@pytest.mark.parametrize(
    "records",
    [None, "text", 3, {"name": "shop"}, [None], ["text"], [[record()]], [[["a"]]], [3.5], [{}], [{"name": ""}], [True]],
)
def test_what_is_no_list_of_records_has_a_message(records: Any) -> None:
    checked = check_records(records, SPEC, SETTINGS)
    assert checked.problems
    for problem in checked.problems:
        assert all((problem.record, problem.key, problem.actual, problem.remedy))


def test_messages_are_on_one_line_and_short() -> None:
    long = "x" * 1_000_000
    written = record(**{long: 1, "\x1b[31m\n": 2, "source": f"./{long}", "config": {long: 1}, "argv": long})
    assert len(problems(written)) >= 3
    assert len(problem_text(check_records([written, record(name=f"a\n{long}")], SPEC, SETTINGS))) < 10_000


BROKEN = (
    *(
        {"path": "/../", "listen": 8080, "source": "--x"},
        {"procesess": 3},
        {"environment": {"A": "\0"}},
        {"listen": "x"},
    ),
    *({"tls": "private_ca", "listen": 8080}, {"listen": "127.0.0.1:8080"}, {"server_name": "a", "listen": 8080}),
    *({"name": "same"}, {"processes": 10**30, "migrate": "\n"}, {"entry": 3}, {"python": "x"}),
)


@pytest.mark.parametrize(("only", "count"), [((), 10_000), (("shop7",), 3000)])
def test_ten_thousand_broken_records_are_checked_in_seconds(only: tuple[str, ...], count: int) -> None:
    written = [record(**{"name": f"shop{number}", **BROKEN[number % len(BROKEN)]}) for number in range(count)]
    began = time.process_time()
    checked = check_records(written, SPEC, dataclasses.replace(SETTINGS, only=only))
    assert time.process_time() - began < 20
    lines = problem_text(checked).splitlines()
    assert len(checked.problems) + len(checked.warnings) > count
    if only:
        texts = warning_texts(checked)
        assert len(texts) == PROBLEMS_SHOWN + 1
        assert str(len(checked.warnings) - PROBLEMS_SHOWN) in texts[-1]
    else:
        assert len(lines) == PROBLEMS_SHOWN + 2
        assert str(len(checked.problems)) in lines[0]
        assert str(len(checked.problems) - PROBLEMS_SHOWN) in lines[-1]
    assert len(first(checked.problems[:PROBLEMS_SHOWN])) == len(checked.problems[:PROBLEMS_SHOWN])


# Generated values.
HOSTILE = st.text(alphabet="aZ0._-~/ \\\"'$&{}%*é\t;|,=:#[]()@+!\n\r\0", max_size=8)
TEXTS = (
    HOSTILE
    | st.text(max_size=8)
    | st.sampled_from(["..", "-x", "${HOME}", "%h", "x" * 3000, "{etc}", "1e3", "/a", "a"])
)
NUMBERS = st.integers(-3, 70_000) | st.integers() | st.integers(5000, 5001).map(lambda digits: 10**digits) | st.floats()
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS | st.binary(max_size=2) | st.just(datetime.date(2026, 1, 1))
WORDS = (
    *("pecan", "paste", "module", "name", "command", "schedule", "from", "overlay", "sections", "pipelines", "urlmaps"),
    *(
        "add",
        "remove",
        "replace",
        "filter",
        "before",
        "DEFAULT",
        "umask",
        "lang",
        "chroot",
        "restart",
        "settle",
        "notify",
    ),
)
NAMES = TEXTS | st.sampled_from(WORDS) | st.integers(-1, 2) | st.booleans() | st.none()
VALUES = st.recursive(
    LEAVES, lambda values: st.lists(values, max_size=3) | st.dictionaries(NAMES, values, max_size=3), max_leaves=8
)
ALWAYS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.parametrize("key", KEYS)
@profile(max_examples=15, deadline=None, derandomize=True, suppress_health_check=ALWAYS)
@given(value=VALUES | st.dictionaries(NAMES, VALUES, max_size=2) | st.lists(TEXTS, max_size=3))
def test_every_value_is_refused_completely_or_can_be_handed_on(key: str, value: Any) -> None:
    written = record(**{key: value})
    host_questions([written], SETTINGS)
    if not problems(written):
        checked = check_records([written], SPEC, SETTINGS)
        for view in views(checked.records[0]).values():
            json.dumps(view, allow_nan=False).encode()
        steps(checked, SETTINGS, {})
    problems(written, only=("shop",))


def apache_words(line: str) -> list[str]:
    """Split a line as Apache's ap_getword_conf does: quotes hold words together, and a backslash is for them alone."""
    words = []
    position = 0
    while position < len(line):
        if line[position].isspace():
            position += 1
            continue
        quote, word = line[position] if line[position] in "\"'" else "", ""
        position += bool(quote)
        while position < len(line) and not (line[position] == quote if quote else line[position].isspace()):
            if quote and line[position] == "\\" and line[position + 1 : position + 2] in ("\\", quote):
                position += 1
            word += line[position]
            position += 1
        position += bool(quote)
        words.append(word)
    return words


def environment() -> Environment:
    jinja = Environment(
        loader=FileSystemLoader([REPOSITORY / "httpd", REPOSITORY / "wsgi", REPOSITORY / "roles/wsgi_app/templates"]),
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    jinja.filters |= {name: one for name, one in FilterModule().filters().items() if name not in jinja.filters}
    jinja.globals["ansible_managed"] = "managed"
    return jinja


JINJA = environment()
HOST_FACTS = {"mount_namespaces": True, "call_filters": True}
OF_HOST = {"layout": LAYOUT, "mod_wsgi": {"python_home": "/usr/local/lib/grove/cp311"}, "waf_installed": True}


def accepted(written: dict[str, Any], folder: str = "/nowhere") -> Record | None:
    settings = dataclasses.replace(SETTINGS, folders=(folder,))
    checked = check_records([written], SPEC, settings)
    return None if checked.problems else checked.records[0]


def apache_lines(written: dict[str, Any]) -> list[list[str]] | None:
    """Return the words of each line of the site's file; None for a record that is refused."""
    checked = check_records([written], SPEC, SETTINGS)
    if checked.problems:
        return None
    [site] = site_files(checked, SETTINGS).values()
    text = JINJA.get_template("app.conf.j2").render(**site, **OF_HOST)
    lines = text.split("\n")
    assert not any(line.endswith("\\") for line in lines)
    assert set(re.findall(r"\$\{[^}]*\}?", text)) <= {"${shop:live}"}
    return [apache_words(line) for line in lines]


def arguments(lines: list[list[str]], directive: str) -> list[list[str]]:
    return [words[1:] for words in lines if words and words[0] == directive]


PATHS = HOSTILE.map(lambda text: f"/{text}") | st.sampled_from(["/", "/a/", "/a.b/c"])
PROFILE = profile(max_examples=100, deadline=None, derandomize=True, suppress_health_check=ALWAYS)


@PROFILE
@given(path=PATHS, url=PATHS, certificate=PATHS, network=st.sampled_from(["::1", "10.0.0.0/8"]) | HOSTILE)
def test_apache_reads_paths_as_they_were_written(path: str, url: str, certificate: str, network: str) -> None:
    for more in (
        {"path": path},
        {"static": {url: "public"}},
        {"allow_from": [network]},
        {"tls_certificate": certificate},
    ):
        tls = {"tls": "given", "tls_key": "/k"} if "tls_certificate" in more else {}
        lines = apache_lines(record(**more, **tls))
        if lines is None:
            continue
        written_path = ("/" + path.strip("/")) if "path" in more else "/"
        assert {words[0] for words in arguments(lines, "WSGIScriptAlias")} == {written_path}
        assert [words for words in arguments(lines, "<Location") if words != ["/", ">"]] or written_path == "/"
        if "static" in more:
            [without_slash] = [words for words in arguments(lines, "RewriteRule") if words[-1] == "[R=302,L]"]
            page, rule = [words for words in arguments(lines, "RewriteRule") if words[-1] == "[L]"]
            assert re.compile(without_slash[0]).match(url)
            assert re.compile(page[0]).match(f"{url}/")
            match = re.compile(rule[0]).match(f"{url}/x.css")
            assert match is not None
            assert match.groups() == ("x.css",)
        if "allow_from" in more:
            assert ["ip", network] in arguments(lines, "Require")
        if tls:
            assert arguments(lines, "SSLCertificateFile") == [[certificate]]


@PROFILE
@given(name=HOSTILE | st.from_regex(r"[a-z*]{1,2}\.[a-z_-]{1,3}", fullmatch=True), option=HOSTILE | st.integers())
def test_apache_reads_names_and_options_as_they_were_written(name: str, option: object) -> None:
    lines = apache_lines(record(server_name=name))
    if lines is not None:
        assert arguments(lines, "ServerName")[-1] == [name]
    lines = apache_lines(record(server_name="a.org", server_aliases=[name]))
    if lines is not None:
        assert arguments(lines, "ServerAlias") == [[name]]
    for key in ("chroot", "lang", "listen-backlog"):
        lines = apache_lines(record(daemon_options={key: option}))
        if lines is not None:
            for words in arguments(lines, "WSGIDaemonProcess"):
                assert dict(word.split("=", 1) for word in words[1:])[key] == str(option)


@PROFILE
@given(name=HOSTILE | st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True))
def test_systemd_reads_names_as_they_were_written(name: str) -> None:
    one = accepted(record(agents={name: AGENT}))
    if one is not None:
        [application] = agents([one], HOST_FACTS)
        unit = configparser.RawConfigParser(strict=True)
        unit.read_string(JINJA.get_template("agent.service.j2").render(item=application["units"][name]))
        assert unit["Service"]["ExecStart"].split() == ["/srv/wsgi/shop/run", "--agent", name]
        # Systemd would take a percent sign for a specifier. Grove's own limits have one on purpose.
        assert "%" not in str({**application["units"][name], "sandbox": None})
    one = accepted(record(timers={name: TIMER}))
    if one is not None:
        [values] = timers([one], HOST_FACTS)
        unit = configparser.RawConfigParser(strict=True)
        unit.read_string(JINJA.get_template("timer.service.j2").render(item=values))
        assert unit["Service"]["ExecStart"].split() == ["/srv/wsgi/shop/run", "--timer", name]


@PROFILE
@given(value=HOSTILE | st.integers(), word=HOSTILE)
def test_programs_get_the_words_and_variables_that_were_written(value: object, word: str) -> None:
    line = shlex.join(["tell", word])
    one = accepted(record(environment={"A": value}, migrate=line, agents={"a": {"command": line}}, argv=[word]))
    if one is None:
        return
    read = json.loads(json.dumps(commands(build_view(one), dict(one.environment))))
    assert read["environment"]["A"] == str(value)
    assert os.fsdecode(os.fsencode(f"A={value}")) == f"A={value}"
    assert "\0" not in read["environment"]["A"] + read["migrate"]
    assert shlex.split(read["migrate"]) == shlex.split(read["agents"]["a"]["command"]) == ["tell", word]
    assert read["argv"] == [word]


class Options(iniparser.BaseParser):
    """Keeps what oslo.config reads."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[tuple[str, str, list[str]]] = []
        self.section = ""

    def new_section(self, section: str) -> None:
        self.section = section

    def assignment(self, key: str, value: list[str]) -> None:
        self.values.append((self.section, key, value))


@PROFILE
@given(section=HOSTILE, option=HOSTILE, value=HOSTILE | st.integers())
def test_oslo_config_reads_sections_as_they_were_written(section: str, option: str, value: object) -> None:
    sections = {section: {option: value}}
    if accepted(record(config={"a.conf": sections})) is None:
        return
    text = str(value)
    parser = Options()
    parser.parse(io.StringIO(render(sections, "made"), newline=None))
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]  # quotes have the meaning that they have in a file
    assert parser.values == [(section, option, [text])]


@PROFILE
@given(file=HOSTILE, name=HOSTILE, module=st.text(max_size=3) | HOSTILE | st.just("a.b"))
def test_python_reads_the_entry_as_it_was_written(file: str, name: str, module: str) -> None:
    entries = (
        {"pecan": file},
        {"paste": file, "name": name},
        {"module": f"{module}:{module}"},
    )
    for entry in entries:
        config: dict[str, Any] = {} if "module" in entry else {file: {}}
        one = accepted(record(entry=entry, config=config))
        if one is None:
            continue
        tree = ast.parse(JINJA.get_template("app.wsgi.j2").render(record=build_view(one)))
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        expected = {"module": {module}, "pecan": {f"/etc/{file}"}, "paste": {f"/etc/{file}", name}}[one.kind]
        assert expected <= texts
        if one.kind == "module":
            names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
            assert any(text.endswith(f").{module}") for text in names)


@PROFILE
@given(file=HOSTILE | st.from_regex(r"[a-z./]{1,6}", fullmatch=True))
def test_files_of_the_release_stay_in_their_folder(file: str) -> None:
    cases: tuple[dict[str, Any], ...] = (
        {"config": {file: {}}},
        {"static": {"/a": file}},
        {"paste": {file: {"from": "x"}}},
    )
    for more in cases:
        if accepted(record(**more)) is not None:
            assert os.path.normpath(f"/release/etc/{file}") == f"/release/etc/{file}"
            assert file not in ("", ".", "..")
