"""Checking the shape of a record's ``paste``: PasteDeploy files of the installed package, and what is laid over them.

Whether the names in an overlay exist is known when the package is installed: see ``release/paste_file.py`` of
``module_utils``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .factory import texts
from .placeholders import check_placeholders
from .problems import Problems, shown
from .record import Record
from .syntax import file_below

KEYS = ("from", "oslo_config_file", "overlay")
OVERLAY_KEYS = ("sections", "pipelines", "urlmaps")
CHANGES = ("add", "remove", "replace")
# "set NAME" overrides a default. PasteDeploy's own options, such as paste.filter_factory, have dots.
OPTION = re.compile(r"[^\s=:#;\[][^=:]*(?<!\s)")
URLMAP_PATH = re.compile(r"/[^\s=:]*")
KINDS = ("filter", "app", "pipeline", "composite", "filter-app")


def check_paste(record: Record, problems: Problems) -> None:
    """Check the files, and what is laid over them."""
    for target, value in record.keys.make.paste.items():
        key = f"paste.{target}"
        if not isinstance(target, str) or "/" in target or file_below(target):
            problems.add(record.name, key, "a path", "it has to be a file's name")
            continue
        if not isinstance(value, Mapping) or set(value) - set(KEYS) or not isinstance(value.get("from"), str):
            problems.add(record.name, key, shown(value), f"it has to be a dictionary with {', '.join(KEYS)}")
            continue
        if file_below(value["from"]):
            remedy = "it has to be a path in the virtualenv or its site-packages"
            problems.add(record.name, f"{key}.from", shown(value["from"]), remedy)
        oslo = value.get("oslo_config_file")
        if oslo is not None and not _is_value(oslo):
            problems.add(
                record.name, f"{key}.oslo_config_file", shown(oslo), "it has to be the path of a file, as text"
            )
        if target in record.config:
            problems.add(record.name, key, f"config.{target}, too", "a file is one or the other")
        if isinstance(oslo, str):
            check_placeholders(record, f"{key}.oslo_config_file", oslo, problems)
        for text in texts(value.get("overlay") or {}):
            check_placeholders(record, f"{key}.overlay", text, problems)
        _check_overlay(record.name, f"{key}.overlay", value.get("overlay") or {}, problems)


def _check_overlay(record: str, key: str, overlay: Any, problems: Problems) -> None:
    if not isinstance(overlay, Mapping) or set(overlay) - set(OVERLAY_KEYS):
        problems.add(record, key, shown(overlay), f"it has to be a dictionary with {', '.join(OVERLAY_KEYS)}")
        return
    for section, options in _dictionary(record, f"{key}.sections", overlay.get("sections"), problems).items():
        kind, _, name = str(section).partition(":")
        if kind not in KINDS or not name.strip() or set(name) & set("[]"):
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
                _names(record, f"{where}.add", added.values(), problems)
        for removed in _list(record, f"{where}.remove", changes.get("remove"), problems):
            _names(record, f"{where}.remove", [removed], problems)
        replaced = _dictionary(record, f"{where}.replace", changes.get("replace"), problems)
        _names(record, f"{where}.replace", replaced.values(), problems)
    for urlmap, mounts in _dictionary(record, f"{key}.urlmaps", overlay.get("urlmaps"), problems).items():
        where = f"{key}.urlmaps.{urlmap}"
        for path, app in _dictionary(record, where, mounts, problems).items():
            if not URLMAP_PATH.fullmatch(str(path)) or not (app is None or _is_name(app)):
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
        if not OPTION.fullmatch(str(name)):
            problems.add(
                record, f"{key}.{name}", "an option without a usable name", "it has to be a text without = and :"
            )
        if not _is_value(value) and not isinstance(value, (bool, int, float)):
            problems.add(
                record, f"{key}.{name}", shown(value), "it has to be a text of one line, without spaces around it"
            )


def _names(record: str, key: str, names: Iterable[object], problems: Problems) -> None:
    for name in names:
        if not _is_name(name):
            remedy = "it has to be a filter's name, a text without spaces"
            problems.add(record, key, shown(name), remedy)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not re.search(r"\s", value)


def _is_value(value: object) -> bool:
    return isinstance(value, str) and value == value.strip()
