"""Configuration that a record gives as sections, and files of PasteDeploy with an overlay, on the controller."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import paste as record_paste
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import sections as record_sections
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import Check


def test_sections_are_written_as_oslo_config_reads_them() -> None:
    sections = {"DEFAULT": {"debug": False, "workers": 1, "gone": None, "driver": ["a", "b"]}, "database": {"x": "{a}"}}
    assert record_sections.render(sections, "made\nhere") == (
        "# made\n# here\n\n[DEFAULT]\ndebug = false\nworkers = 1\ndriver = a\ndriver = b\n\n[database]\nx = {a}\n"
    )


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"DEFAULT": "secret"}, "config.x.DEFAULT: found a str; it has to be a dictionary of options"),
        (
            {"DEFAULT": {"password": {"secret": 1}}},
            "config.x.DEFAULT.password: found a dict; it has to be a text, a number, true or false, or a list of them",
        ),
        (
            {"DEFAULT": {"password": "secret\nsecret"}},
            "config.x.DEFAULT.password: found a text of several lines; a value is one line",
        ),
        (
            {"DEFAULT": {"a=b": "secret"}},
            "config.x.DEFAULT.a=b: found an option without a usable name; it has to be a text without = and :",
        ),
        ({"[x]": {}}, "config.x: found a section without a usable name; it has to be a text without brackets"),
    ],
)
def test_sections_that_are_none_are_not_shown(sections: dict[str, Any], expected: str) -> None:
    result = Check()
    record_sections.check_sections("shop", "config.x", sections, result)
    assert [str(problem) for problem in result.problems] == [f"record shop, key {expected}"]
    assert "secret" not in str(result.problems)


def paste_problems(**paste: Any) -> list[str]:
    record: dict[str, Any] = {"name": "shop", "paste": paste, "config": {"taken.ini": None}}
    result = Check()
    record_paste.check_paste({**record, "paste": {name.replace("_", "."): one for name, one in paste.items()}}, result)
    return [str(problem) for problem in result.problems]


def overlay_problems(**overlay: Any) -> list[str]:
    return paste_problems(api_ini={"from": "etc/api.ini", "overlay": overlay})


def test_an_overlay_of_a_good_shape() -> None:
    assert paste_problems(api_ini={"from": "shop/api.ini"}) == []
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
    ("overlay", "expected"),
    [
        ({"filters": {}}, "overlay: found {'filters': {}} (a dictionary); it has to be a dictionary with sections,"),
        ({"sections": {"count": {}}}, "overlay.sections: found 'count' (a text); it has to be KIND:NAME, with one of"),
        (
            {"sections": {"filter:a": {"x": [1]}}},
            "overlay.sections.filter:a.x: found [1] (a list); it has to be a text of one line",
        ),
        (
            {"pipelines": {"main": {"adds": []}}},
            "overlay.pipelines.main: found {'adds': []} (a dictionary); it has to be a dictionary with add, remove,",
        ),
        (
            {"pipelines": {"main": {"add": ["count"]}}},
            "overlay.pipelines.main.add: found 'count' (a text); it has to be {filter: NAME}, for the front, or with",
        ),
        (
            {"pipelines": {"main": {"add": [{"filter": "a", "before": "b", "after": "c"}]}}},
            "overlay.pipelines.main.add: found {'filter': 'a', 'before': 'b', 'after': 'c'} (a dictionary); it has to",
        ),
        (
            {"urlmaps": {"all": {"groups": "groups"}}},
            "overlay.urlmaps.all.groups: found 'groups' (a text); it has to be a URL path and the name of an app",
        ),
    ],
)
def test_an_overlay_of_no_shape(overlay: dict[str, Any], expected: str) -> None:
    [found] = overlay_problems(**overlay)
    assert found.startswith(f"record shop, key paste.api.ini.{expected}")


def test_a_paste_file_that_is_none() -> None:
    assert "it has to be a dictionary with from, oslo_config_file, overlay" in paste_problems(api_ini="x")[0]
    assert "it has to be a path in the virtualenv" in paste_problems(api_ini={"from": "../api.ini"})[0]
    assert "config.taken.ini, too" in paste_problems(taken_ini={"from": "api.ini"})[0]
