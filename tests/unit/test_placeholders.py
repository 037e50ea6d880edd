"""What placeholders in a record's values become, on the controller and on the host, and which are refused."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.action.release import filled
from ansible_collections.grove.wsgi.plugins.module_utils.release import launching, layout
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import ID_MARK, Plan
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.placeholders import fill, values_of, variables_of
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.record import Record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view
from record_settings import SETTINGS, SPEC

WSGI = Path(__file__).resolve().parents[2] / "wsgi"
FOLDERS = {"etc": "/r/etc", "release": "/r", "state": "/s", "logs": "/l"}
PLACES = [
    ("environment", "environment.A", lambda text: {"A": text}),
    ("argv", "argv", lambda text: [text]),
    ("migrate", "migrate", lambda text: f"true {shlex.quote(text)}"),
    ("build", "build", lambda text: f"true {shlex.quote(text)}"),
    ("agents", "agents.a.command", lambda text: {"a": {"command": f"true {shlex.quote(text)}"}}),
    ("timers", "timers.a.command", lambda text: {"a": {"command": f"true {shlex.quote(text)}", "schedule": "daily"}}),
    ("config", "config.a.ini.DEFAULT.b", lambda text: {"a.ini": {"DEFAULT": {"b": text}}}),
    ("entry", "entry.arguments", lambda text: {"factory": "shop:f", "arguments": [text]}),
    ("paste", "paste.a.ini.overlay", lambda text: overlay(text)),
]


def overlay(text: str) -> dict[str, Any]:
    sections = {"filter:a": {"paste.filter_factory": "a:b", "c": text}}
    return {"a.ini": {"from": "a.ini", "overlay": {"sections": sections}}}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.py").touch()
    return tmp_path / "shop"


def checked(source: Path, **keys: Any) -> Any:
    record = {"name": "shop", "source": str(source), "entry": {"module": "shop:app"}, "listen": 8080, "threads": 7}
    return check_records([{**record, **keys}], SPEC, SETTINGS)


def record_of(source: Path, **keys: Any) -> Record:
    result = checked(source, **keys)
    assert result.problems == ()
    record: Record = result.records[0]
    return record


def expand(text: str) -> str:
    sys.path.insert(0, str(WSGI))
    try:
        from grove_runtime import launch
    finally:
        del sys.path[0]
    return launch.expand(text, FOLDERS)


@pytest.mark.parametrize(("key", "where", "written"), PLACES, ids=[key for key, _, _ in PLACES])
def test_a_placeholder_that_stands_for_nothing_is_refused(source: Path, key: str, where: str, written: Any) -> None:
    [problem] = checked(source, **{key: written("x {project_id}")}).problems
    assert (problem.record, problem.key, problem.actual) == ("shop", where, "{project_id}")
    assert "{etc}, {release}, {state}, {logs}" in problem.remedy
    assert "{port}" in problem.remedy
    assert "{lbrace}project_id}" in problem.remedy


@pytest.mark.parametrize(("key", "where", "written"), PLACES, ids=[key for key, _, _ in PLACES])
def test_texts_with_braces_that_are_no_placeholder(source: Path, key: str, where: str, written: Any) -> None:
    for text in ("{}", "{0} {1,2}", '{"a": 1}', "{ etc }", "{etc", "etc}", "{lbrace}etc}", "{lbrace}x{lbrace}"):
        record_of(source, **{key: written(text)})


def test_the_controller_fills_in_the_values_of_a_record(source: Path) -> None:
    record = record_of(source, path="/api", argv=["{name} {path} {port} {threads} {etc} {url}"])
    assert filled(build_view(record))["argv"] == ["shop /api 8080 7 {etc} http://127.0.0.1:8080/api"]


def test_a_value_that_is_not_there_is_refused(source: Path) -> None:
    [problem] = checked(source, argv=["{server_name}"]).problems
    assert problem.key == "argv"
    assert "{server_name}," not in problem.remedy
    assert filled(build_view(record_of(source, argv=["{server_name}"], server_name="a.b")))["argv"] == ["a.b"]


def test_the_arguments_of_an_entry_are_filled_in(source: Path) -> None:
    record = record_of(source, entry={"module": "shop:f('{port}', a=['{lbrace}{etc}'])"})
    assert record.call is not None
    assert (record.call.arguments, record.call.keywords) == ("['8080']", "{'a': ['{lbrace}{etc}']}")


def test_braces_in_a_value_stay_braces(source: Path) -> None:
    record = record_of(source, home="/var/{etc}")
    assert expand(fill("{home}", values_of(record))) == "/var/{etc}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{etc}/a", "/r/etc/a"),
        ("{lbrace}etc}", "{etc}"),
        ("{lbrace}lbrace}", "{lbrace}"),
        ("{lbrace}{state}}", "{/s}"),
        ("{} {0} {x} {etc", "{} {0} {x} {etc"),
        ('{"a": "{logs}"}', '{"a": "/l"}'),
    ],
)
def test_the_host_fills_in_folders_and_braces(text: str, expected: str) -> None:
    assert expand(text) == expected


def test_a_template_names_the_folder_of_a_release_that_has_no_name_yet(source: Path, tmp_path: Path) -> None:
    record = build_view(record_of(source))
    variables = variables_of(record, {"TOKEN": "{lbrace}x} {state}"})
    assert variables["state"] == record["state"]
    assert variables["record"]["environment"] == {"TOKEN": f"{{x}} {record['state']}"}
    assert variables["record"]["port"] == 8080
    release = tmp_path / "releases" / ".abc.123"
    (release / "etc").mkdir(parents=True)
    (release / "runtime" / "grove_runtime").mkdir(parents=True)
    launcher = (WSGI / "grove_runtime" / "launch.py").read_text()
    (release / launching.LAUNCHER).write_text(launcher)
    text = json.dumps({"conf": f"{variables['etc']}/a", "literal": "{etc}"})
    (release / "etc" / "a.json").write_text(text)
    assert ID_MARK in text
    plan = Plan("abc", "shop", "/usr/bin/python3", "folder", marked=("a.json",))
    layout.write_expanded(layout.templates(release, plan), release, tmp_path / "releases" / "abc", plan)
    written = json.loads((release / "etc" / "a.json").read_text())
    assert written == {"conf": f"{record['folder']}/releases/abc/etc/a", "literal": "{etc}"}
