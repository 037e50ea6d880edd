"""Configuration in sections, and PasteDeploy files with an overlay, as the controller checks them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.sections import render
from record_settings import SETTINGS, SPEC


def test_sections_are_written_as_oslo_config_reads_them() -> None:
    sections = {"DEFAULT": {"debug": False, "workers": 1, "gone": None, "driver": ["a", "b"]}, "database": {"x": "{a}"}}
    assert render(sections, "made\nhere") == (
        "# made\n# here\n\n[DEFAULT]\ndebug = false\nworkers = 1\ndriver = a\ndriver = b\n\n[database]\nx = {a}\n"
    )


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"DEFAULT": "secret"}, "config.x.DEFAULT"),
        ({"DEFAULT": {"password": {"secret": 1}}}, "config.x.DEFAULT.password"),
        ({"DEFAULT": {"password": "secret\nsecret"}}, "config.x.DEFAULT.password"),
        ({"DEFAULT": {"password": ["secret", ["secret"]]}}, "config.x.DEFAULT.password"),
        ({"DEFAULT": {"a=b": "secret"}}, "config.x.DEFAULT.a=b"),
        ({"[x]": {}}, "config.x"),
        ({"DEFAULT": {"password": ["secret", "{secrets}/a"]}}, "config.x.DEFAULT.password"),
    ],
)
def test_bad_sections_are_named_and_not_shown(sections: dict[str, Any], key: str) -> None:
    record = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:app"}, "config": {"x": sections}}
    problems = check_records([record], SPEC, SETTINGS).problems
    assert [(problem.record, problem.key) for problem in problems] == [("shop", key)]
    assert not re.search(r"secret\b", str(problems))


def paste_problems(name: str, value: object) -> list[str]:
    """Return the keys of the problems of one PasteDeploy file."""
    record = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:app"}, "paste": {name: value}}
    record["config"] = {"taken.ini": {}}
    checked = check_records([record], SPEC, SETTINGS)
    assert {problem.record for problem in checked.problems} <= {"shop"}
    return [problem.key for problem in checked.problems]


def overlay_problems(**overlay: Any) -> list[str]:
    return paste_problems("api.ini", {"from": "etc/api.ini", "overlay": overlay})


def test_an_overlay_of_a_good_shape() -> None:
    assert paste_problems("api.ini", {"from": "shop/api.ini"}) == []
    assert (
        overlay_problems(
            sections={"filter:count": {"paste.filter_factory": "a:b", "size": 3}},
            pipelines={
                "main": {
                    "add": [{"filter": "a"}, {"filter": "b", "before": "c"}, {"filter": "d", "after": "c"}],
                    "remove": ["e"],
                    "replace": {"f": "g"},
                }
            },
            urlmaps={"all": {"/groups": "groups", "/old": None}},
        )
        == []
    )


@pytest.mark.parametrize(
    ("overlay", "key"),
    [
        ({"filters": {}}, "overlay"),
        ({"sections": {"count": {}}}, "overlay.sections"),
        ({"sections": ["filter:a"]}, "overlay.sections"),
        ({"sections": {"filter:a": {"x": [1]}}}, "overlay.sections.filter:a.x"),
        ({"pipelines": {"main": {"adds": []}}}, "overlay.pipelines.main"),
        ({"pipelines": {"main": {"add": ["count"]}}}, "overlay.pipelines.main.add"),
        ({"pipelines": {"main": {"add": "count"}}}, "overlay.pipelines.main.add"),
        ({"pipelines": {"main": {"add": [{"filter": "a", "after": "b", "x": "c"}]}}}, "overlay.pipelines.main.add"),
        ({"urlmaps": {"all": {"groups": "groups"}}}, "overlay.urlmaps.all.groups"),
    ],
)
def test_an_overlay_of_a_bad_shape(overlay: dict[str, Any], key: str) -> None:
    assert overlay_problems(**overlay) == [f"paste.api.ini.{key}"]


def test_a_paste_file_of_a_bad_shape() -> None:
    assert paste_problems("api.ini", "x") == ["paste.api.ini"]
    assert paste_problems("api.ini", {"from": "../api.ini"}) == ["paste.api.ini.from"]
    assert paste_problems("etc/api.ini", {"from": "api.ini"}) == ["paste.etc/api.ini"]
    assert paste_problems("taken.ini", {"from": "api.ini"}) == ["paste.taken.ini"]
