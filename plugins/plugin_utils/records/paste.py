"""The shape of a record's ``paste``: files of PasteDeploy from the installed package, and what is laid over them.

Whether the names in an overlay exist is known when the package is installed: see ``module_utils/paste_file.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problems import Check, shown

KEYS = ("from", "oslo_config_file", "overlay")
OVERLAY_KEYS = ("sections", "pipelines", "urlmaps")
CHANGES = ("add", "remove", "replace")
KINDS = ("filter", "app", "pipeline", "composite", "filter-app")


def check_paste(record: dict[str, Any], result: Check) -> None:
    """Check the files and complete them."""
    completed = {}
    for target, given in record["paste"].items():
        key = f"paste.{target}"
        if not isinstance(target, str) or "/" in target:
            result.add(record["name"], key, "a path", "it has to be a file's name")
            continue
        if not isinstance(given, Mapping) or set(given) - set(KEYS) or not isinstance(given.get("from"), str):
            result.add(record["name"], key, shown(given), f"it has to be a dictionary with {', '.join(KEYS)}")
            continue
        if given["from"].startswith("/") or ".." in given["from"].split("/"):
            right = "it has to be a path in the virtualenv or its site-packages"
            result.add(record["name"], f"{key}.from", shown(given["from"]), right)
        if target in record["config"]:
            result.add(record["name"], key, f"config.{target}, too", "a file is one or the other")
        overlay = given.get("overlay") or {}
        _check_overlay(record["name"], f"{key}.overlay", overlay, result)
        completed[target] = {
            "from": given["from"], "oslo_config_file": given.get("oslo_config_file"), "overlay": overlay
        }
    record["paste"] = completed


def _check_overlay(record: str, key: str, overlay: Any, result: Check) -> None:
    if not isinstance(overlay, Mapping) or set(overlay) - set(OVERLAY_KEYS):
        result.add(record, key, shown(overlay), f"it has to be a dictionary with {', '.join(OVERLAY_KEYS)}")
        return
    for section, options in _dictionary(record, f"{key}.sections", overlay.get("sections"), result).items():
        kind, _, name = str(section).partition(":")
        if kind not in KINDS or not name:
            right = f"it has to be KIND:NAME, with one of the kinds {', '.join(KINDS)}"
            result.add(record, f"{key}.sections", shown(section), right)
        _texts(record, f"{key}.sections.{section}", options, result)
    for pipeline, changes in _dictionary(record, f"{key}.pipelines", overlay.get("pipelines"), result).items():
        where = f"{key}.pipelines.{pipeline}"
        if not isinstance(changes, Mapping) or not changes or set(changes) - set(CHANGES):
            result.add(record, where, shown(changes), f"it has to be a dictionary with {', '.join(CHANGES)}")
            continue
        for added in _list(record, f"{where}.add", changes.get("add"), result):
            places = set(added) - {"filter"} if isinstance(added, Mapping) and "filter" in added else {"?"}
            if len(places) > 1 or places - {"before", "after"}:
                right = "it has to be {filter: NAME}, for the front, or with before: NAME or after: NAME"
                result.add(record, f"{where}.add", shown(added), right)
            else:
                _texts(record, f"{where}.add", added, result)
        for removed in _list(record, f"{where}.remove", changes.get("remove"), result):
            if not isinstance(removed, str):
                result.add(record, f"{where}.remove", shown(removed), "it has to be a filter's name")
        replaced = _dictionary(record, f"{where}.replace", changes.get("replace"), result)
        _texts(record, f"{where}.replace", replaced, result)
    for urlmap, mounts in _dictionary(record, f"{key}.urlmaps", overlay.get("urlmaps"), result).items():
        where = f"{key}.urlmaps.{urlmap}"
        for path, app in _dictionary(record, where, mounts, result).items():
            if not str(path).startswith("/") or not (app is None or isinstance(app, str)):
                right = "it has to be a URL path and the name of an app or pipeline, or nothing to take it away"
                result.add(record, f"{where}.{path}", shown(app), right)


def _dictionary(record: str, key: str, value: Any, result: Check) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    result.add(record, key, shown(value), "it has to be a dictionary")
    return {}


def _list(record: str, key: str, value: Any, result: Check) -> list[Any]:
    if value is None or isinstance(value, list):
        return value or []
    result.add(record, key, shown(value), "it has to be a list")
    return []


def _texts(record: str, key: str, values: Any, result: Check) -> None:
    if not isinstance(values, Mapping):
        result.add(record, key, shown(values), "it has to be a dictionary of texts")
        return
    for name, value in values.items():
        if isinstance(value, (Mapping, list)) or value is None or "\n" in str(value):
            result.add(record, f"{key}.{name}", shown(value), "it has to be a text of one line")
