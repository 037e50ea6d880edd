"""Applications that a function of a package makes: the record, the file app.wsgi, and the call in a release."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import Checked, check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.factory import Call
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.record import Record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view
from record_settings import SETTINGS, SPEC

WSGI = Path(__file__).parents[2] / "wsgi"
MAKER = """
def make(*arguments, **keywords):
    def application(environ, start_response):
        return [repr((arguments, keywords)).encode()]
    return application

def nothing():
    return None
"""


def checked(entry: dict[str, Any]) -> Checked:
    return check_records([{"name": "shop", "source": "shop==1", "entry": entry, "listen": 8080}], SPEC, SETTINGS)


def record_of(entry: dict[str, Any]) -> Record:
    """Return the record with this entry, which has no problem."""
    result = checked(entry)
    assert [str(problem) for problem in result.problems] == []
    return result.records[0]


def call(entry: dict[str, Any]) -> Call | None:
    return record_of(entry).call


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"module": "flaskr:create_app()"}, ("flaskr:create_app", [], {})),
        ({"module": "a.b:C.make('prod', debug=False)"}, ("a.b:C.make", ["prod"], {"debug": False})),
        ({"module": "a:f( 'x,)(' , [1, {'k': (2, None)}])"}, ("a:f", ["x,)(", [1, {"k": (2, None)}]], {})),
        ({"module": "a:f('{etc}/a.conf')"}, ("a:f", ["{etc}/a.conf"], {})),
        ({"module": "a:f(-1, 1.5, b'x')"}, ("a:f", [-1, 1.5, b"x"], {})),
        ({"factory": "a.b:load"}, ("a.b:load", [], {})),
        ({"factory": "a.b:load", "arguments": ["{etc}/a.conf", 1]}, ("a.b:load", ["{etc}/a.conf", 1], {})),
        ({"factory": "a.b:load", "arguments": {"conf": "x", "n": [1]}}, ("a.b:load", [], {"conf": "x", "n": [1]})),
    ],
)
def test_calls(entry: dict[str, Any], expected: tuple[str, list[Any], dict[str, Any]]) -> None:
    made = call(entry)
    assert made is not None
    assert (made.function, ast.literal_eval(made.arguments), ast.literal_eval(made.keywords)) == expected


def test_an_attribute_is_no_call() -> None:
    assert call({"module": "shop:application"}) is None


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"module": "flaskr:create_app("}, "entry.module"),
        ({"module": "flaskr:create_app(x)"}, "entry.module"),
        ({"module": "flaskr:create_app(open('/etc/passwd'))"}, "entry.module"),
        ({"module": "flaskr:create_app(*[1])"}, "entry.module"),
        ({"module": "flaskr:create_app(**{'a': 1})"}, "entry.module"),
        ({"module": "flaskr:create_app(1e999)"}, "entry.module"),
        ({"module": "flaskr:create_app(" + "[" * 60 + "]" * 60 + ")"}, "entry.module"),
        ({"module": "flaskr:create_app()()"}, "entry.module"),
        ({"module": "flaskr:create_app().app"}, "entry.module"),
        ({"module": "flaskr:(lambda: 1)()"}, "entry.module"),
        ({"module": "create_app()"}, "entry.module"),
        ({"module": "flaskr:create_app('{house}')"}, "entry.module"),
        ({"factory": "flaskr"}, "entry.factory"),
        ({"factory": "flaskr:create_app()"}, "entry.factory"),
        ({"factory": "flaskr:f", "arguments": "x"}, "entry.arguments"),
        ({"factory": "flaskr:f", "arguments": 3}, "entry.arguments"),
        ({"factory": "flaskr:f", "arguments": {"a-b": 1}}, "entry.arguments"),
        ({"factory": "flaskr:f", "arguments": {1: 1}}, "entry.arguments"),
        ({"factory": "flaskr:f", "arguments": [float("nan")]}, "entry.arguments[0]"),
        ({"factory": "flaskr:f", "arguments": ["{house}"]}, "entry.arguments"),
        ({"module": "shop:application", "arguments": []}, "entry.arguments"),
        ({"module": "shop:application", "factory": "a:b"}, "entry"),
    ],
)
def test_entries_that_cannot_be_called(entry: dict[str, Any], key: str) -> None:
    assert [problem.key for problem in checked(entry).problems] == [key]


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Path]:
    """A release with a package ``maker``."""
    (tmp_path / "maker.py").write_text(MAKER)
    (tmp_path / "RELEASE.json").write_text('{"id": "one"}')
    commands = {"environment": {}, "home": "/", "state": "/var/lib/shop", "logs": "/var/log/shop"}
    (tmp_path / "commands.json").write_text(json.dumps(commands))
    sys.path[:0] = [str(tmp_path), str(WSGI)]
    yield tmp_path
    del sys.path[:2]
    for name in [name for name in sys.modules if name == "maker" or name.startswith("grove_runtime")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"module": "maker:make()"}, ((), {})),
        ({"module": "maker:make('{etc}/a', b=['{state}', ('{logs}', 1)])"}, "expanded"),
        ({"factory": "maker:make", "arguments": {"path": "{release}/x"}}, ((), {"path": "RELEASE/x"})),
    ],
)
def test_app_wsgi_makes_the_application(release: Path, entry: dict[str, Any], expected: Any) -> None:
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((WSGI / "app.wsgi.j2").read_text())
    text = template.render(record=build_view(record_of(entry)))
    made = next(part for part in text.split("\n\n") if part.startswith("application = factory.make("))
    names: dict[str, Any] = {"RELEASE": str(release)}
    exec("from grove_runtime import factory\n" + made, names)
    [answer] = names["application"]({}, None)
    if expected == "expanded":
        expected = ((f"{release}/etc/a",), {"b": ["/var/lib/shop", ("/var/log/shop", 1)]})
    assert answer.decode() == repr(expected).replace("RELEASE", str(release))


def test_a_function_that_makes_no_application(release: Path) -> None:
    from grove_runtime import factory

    with pytest.raises(TypeError, match="key entry: maker:nothing returned NoneType, which is no WSGI application"):
        factory.make(str(release), "maker:nothing", [], {})
