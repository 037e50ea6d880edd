"""A package's PasteDeploy file with an overlay, read by PasteDeploy itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.release.paste_file import PasteError, PasteFile
from paste.deploy import loadapp

FILE = """
[composite:osapi]
use = call:shop.urlmap:urlmap_factory
/: versions
/v2.1/+: v21

[composite:v21]
use = call:shop.auth:pipeline_factory_v21
keystone = cors authtoken api

[composite:v2]
paste.composite_factory = shop.api:pipeline_factory
keystone = cors api

[pipeline:versions]
pipeline = cors api
[filter:cors]
paste.filter_factory = grove_paste_test:filter_factory
oslo_config_project = shop
[filter:authtoken]
paste.filter_factory = grove_paste_test:filter_factory
[app:api]
paste.app_factory = grove_paste_test:app_factory
Mixed.Case = 100 % {etc}
"""
LOADED = """
[pipeline:main]
pipeline = one api
[filter:one]
paste.filter_factory = grove_paste_test:filter_factory
mark = 1
[app:api]
paste.app_factory = grove_paste_test:app_factory
"""
MODULE = """
def app_factory(global_conf, **conf):
    return ["api"]

def filter_factory(global_conf, mark="?"):
    return lambda app: [mark, *app]
"""


def composed(overlay: dict[str, Any], text: str = FILE) -> str:
    paste_file = PasteFile(text)
    paste_file.lay_over(overlay)
    return paste_file.text("from the package")


def line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_filters_are_added_removed_and_replaced() -> None:
    overlay = {
        "sections": {"filter:count": {"paste.filter_factory": "a:b"}},
        "pipelines": {
            "v21.keystone": {"add": [{"filter": "count", "before": "api"}, {"filter": "count"}], "remove": ["cors"]},
            "versions": {"replace": {"cors": "count"}, "add": [{"filter": "authtoken", "after": "count"}]},
        },
        "urlmaps": {"osapi": {"/groups": "versions", "/": None}},
    }
    text = composed(overlay)
    assert text.startswith("# from the package\n")
    assert line(text, "keystone") == "keystone = count authtoken count api"
    assert line(text, "pipeline =") == "pipeline = count authtoken api"
    assert line(text, "/groups") == "/groups = versions"
    assert not [one for one in text.splitlines() if one.startswith("/ ")]
    assert line(text, "/v2.1/+") == "/v2.1/+ = v21"
    assert line(text, "Mixed.Case") == "Mixed.Case = 100 % {etc}"


def test_paste_deploy_loads_what_was_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "grove_paste_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    overlay = {
        "sections": {"filter:two": {"paste.filter_factory": "grove_paste_test:filter_factory", "mark": "2"}},
        "pipelines": {"main": {"add": [{"filter": "two", "after": "one"}]}},
    }
    path = tmp_path / "api.ini"
    path.write_text(composed(overlay, LOADED))
    assert loadapp(f"config:{path}") == ["1", "2", "api"]


def test_sections_of_a_project_read_one_file() -> None:
    paste_file = PasteFile(FILE)
    paste_file.set_oslo_config_file("{etc}/shop.conf")
    assert paste_file.text("").count("oslo_config_file = {etc}/shop.conf") == 1


def test_factories_of_given_sections() -> None:
    paste_file = PasteFile(FILE)
    assert list(paste_file.factories(["filter:cors", "composite:v21"])) == [
        ("filter:cors", "grove_paste_test:filter_factory"),
        ("composite:v21", "shop.auth:pipeline_factory_v21"),
    ]


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (
            {"pipelines": {"v3": {"remove": ["cors"]}}},
            "pipelines.v3: no such pipeline; the file has v2.keystone, v21.keystone, versions",
        ),
        (
            {"pipelines": {"versions": {"add": [{"filter": "count"}]}}},
            "pipelines.versions.add: no such filter 'count'; the file has authtoken, cors; others go into sections",
        ),
        (
            {"pipelines": {"versions": {"add": [{"filter": "cors", "after": "authtoken"}]}}},
            "pipelines.versions.add.after: found 'authtoken'; the pipeline's filters are cors",
        ),
        (
            {"pipelines": {"versions": {"remove": ["api"]}}},
            "pipelines.versions.remove: found 'api'; the pipeline's filters are cors",
        ),
        (
            {"pipelines": {"versions": {"replace": {"cors": "count"}}}},
            "pipelines.versions.replace.cors: no such filter 'count'; the file has authtoken, cors;",
        ),
        ({"urlmaps": {"v22": {"/x": "api"}}}, "urlmaps.v22: no such urlmap; the file has osapi"),
        (
            {"urlmaps": {"osapi": {"/x": "groups"}}},
            "urlmaps.osapi./x: found 'groups'; the file has api, osapi, v2, v21, versions; others go into sections",
        ),
        ({"urlmaps": {"osapi": {"/x": None}}}, "urlmaps.osapi./x: nothing is mounted there"),
        (
            {"sections": {"pipeline:new": {"pipeline": "cors gone"}}},
            "pipelines.new: found 'gone'; the file has api, authtoken, cors",
        ),
    ],
)
def test_what_does_not_fit_is_named(overlay: dict[str, Any], expected: str) -> None:
    with pytest.raises(PasteError) as raised:
        composed(overlay)
    assert str(raised.value).startswith(expected)


def test_a_file_that_is_none() -> None:
    with pytest.raises(PasteError, match="the package's file cannot be read"):
        PasteFile("pipeline = x")
