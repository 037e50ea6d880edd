"""Checking the shape of a record's ``paste``: PasteDeploy files of the installed package, and what is laid over them.

Whether the names in an overlay exist is known when the package is installed: see ``release/paste_file.py`` of
``module_utils``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .problems import Problems, shown
from .record import Record

KEYS = ("from", "oslo_config_file", "overlay")
OVERLAY_KEYS = ("sections", "pipelines", "urlmaps")
CHANGES = ("add", "remove", "replace")
KINDS = ("filter", "app", "pipeline", "composite", "filter-app")


def check_paste(record: Record, problems: Problems) -> None:
    """Check the files, and what is laid over them."""
    for target, value in record.keys.make.paste.items():
        key = f"paste.{target}"
        if not isinstance(target, str) or "/" in target:
            problems.add(record.name, key, "a path", "it has to be a file's name")
            continue
        if not isinstance(value, Mapping) or set(value) - set(KEYS) or not isinstance(value.get("from"), str):
            problems.add(record.name, key, shown(value), f"it has to be a dictionary with {', '.join(KEYS)}")
            continue
        if value["from"].startswith("/") or ".." in value["from"].split("/"):
            remedy = "it has to be a path in the virtualenv or its site-packages"
            problems.add(record.name, f"{key}.from", shown(value["from"]), remedy)
        if target in record.config:
            problems.add(record.name, key, f"config.{target}, too", "a file is one or the other")
        _check_overlay(record.name, f"{key}.overlay", value.get("overlay") or {}, problems)


def _check_overlay(record: str, key: str, overlay: Any, problems: Problems) -> None:
    if not isinstance(overlay, Mapping) or set(overlay) - set(OVERLAY_KEYS):
        problems.add(record, key, shown(overlay), f"it has to be a dictionary with {', '.join(OVERLAY_KEYS)}")
        return
    for section, options in _dictionary(record, f"{key}.sections", overlay.get("sections"), problems).items():
        kind, _, name = str(section).partition(":")
        if kind not in KINDS or not name:
            remedy = f"it has to be KIND:NAME, with one of the kinds {', '.join(KINDS)}"
            problems.add(record, f"{key}.sections", shown(section), remedy)
        _texts(record, f"{key}.sections.{section}", options, problems)
    for pipeline, changes in _dictionary(record, f"{key}.pipelines", overlay.get("pipelines"), problems).items():
        where = f"{key}.pipelines.{pipeline}"
        if not isinstance(changes, Mapping) or not changes or set(changes) - set(CHANGES):
            problems.add(record, where, shown(changes), f"it has to be a dictionary with {', '.join(CHANGES)}")
            continue
        for added in _list(record, f"{where}.add", changes.get("add"), problems):
            places = set(added) - {"filter"} if isinstance(added, Mapping) and "filter" in added else {"?"}
            if len(places) > 1 or places - {"before", "after"}:
                remedy = "it has to be {filter: NAME}, for the front, or with before: NAME or after: NAME"
                problems.add(record, f"{where}.add", shown(added), remedy)
            else:
                _texts(record, f"{where}.add", added, problems)
        for removed in _list(record, f"{where}.remove", changes.get("remove"), problems):
            if not isinstance(removed, str):
                problems.add(record, f"{where}.remove", shown(removed), "it has to be a filter's name")
        replaced = _dictionary(record, f"{where}.replace", changes.get("replace"), problems)
        _texts(record, f"{where}.replace", replaced, problems)
    for urlmap, mounts in _dictionary(record, f"{key}.urlmaps", overlay.get("urlmaps"), problems).items():
        where = f"{key}.urlmaps.{urlmap}"
        for path, app in _dictionary(record, where, mounts, problems).items():
            if not str(path).startswith("/") or not (app is None or isinstance(app, str)):
                remedy = "it has to be a URL path and the name of an app or pipeline, or nothing to take it away"
                problems.add(record, f"{where}.{path}", shown(app), remedy)


def _dictionary(record: str, key: str, value: Any, problems: Problems) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    problems.add(record, key, shown(value), "it has to be a dictionary")
    return {}


def _list(record: str, key: str, value: Any, problems: Problems) -> Sequence[Any]:
    if value is None or isinstance(value, tuple):
        return value or ()
    problems.add(record, key, shown(value), "it has to be a list")
    return ()


def _texts(record: str, key: str, values: Any, problems: Problems) -> None:
    if not isinstance(values, Mapping):
        problems.add(record, key, shown(values), "it has to be a dictionary of texts")
        return
    for name, value in values.items():
        if isinstance(value, (Mapping, tuple)) or value is None or "\n" in str(value):
            problems.add(record, f"{key}.{name}", shown(value), "it has to be a text of one line")
