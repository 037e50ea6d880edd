"""Checking what an application is made of: entry, source, lock, configuration, static files, environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from .completing import ENTRY_KINDS, find
from .paste import check_paste
from .places import PATH_REMEDY, URL_PATH
from .problems import Problems, kind_of_value, shown
from .record import Record
from .sections import check_sections
from .settings import Settings

MODULE_ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
PLACEHOLDERS = ("etc", "release", "state", "logs")
PLACEHOLDER = re.compile(r"\{(\w*)\}")
PLACEHOLDER_REMEDY = f"the placeholders are {', '.join('{' + name + '}' for name in PLACEHOLDERS)}"


def check_entry(record: Record, problems: Problems) -> None:
    """Check how the WSGI callable is made, and the environment in which it is made."""
    name, entry = record.name, record.keys.make.entry
    kinds = [kind for kind in ENTRY_KINDS if getattr(entry, kind) is not None]
    if len(kinds) != 1:
        actual = " and ".join(kinds) if kinds else "none of them"
        problems.add(name, "entry", actual, f"it has to have exactly one of {', '.join(ENTRY_KINDS)}")
    elif entry.name is not None and record.kind != "paste":
        problems.add(name, "entry.name", shown(entry.name), "it goes with paste only, remove it")
    if record.kind == "module" and not MODULE_ENTRY.fullmatch(entry.module or ""):
        problems.add(name, "entry.module", shown(entry.module), "it has to be package.module:attribute")
    texts = [("argv", value) for value in record.keys.make.argv]
    for key, value in record.keys.make.environment.items():
        if value is None or isinstance(value, (Mapping, tuple)) or not VARIABLE.fullmatch(str(key)):
            # The value may be a secret.
            actual = f"the name {str(key)!r}" if isinstance(value, (str, int)) else kind_of_value(value)
            problems.add(name, f"environment.{key}", actual, "it has to be a variable's name and a text")
        texts.append((f"environment.{key}", str(value)))
    for key, text in texts:
        for placeholder in PLACEHOLDER.findall(text):
            if placeholder not in PLACEHOLDERS:
                problems.add(name, key, f"{{{placeholder}}}", PLACEHOLDER_REMEDY)


def check_files(record: Record, settings: Settings, problems: Problems) -> None:
    """Check the files that have to be on the controller."""
    searched = f"(looked in {', '.join(settings.folders)})"
    _check_source(record, settings, searched, problems)
    lock = record.keys.install.lock
    if lock:
        _check_file(record, "lock", lock, record.lock, searched, problems)
    _check_config(record, searched, problems)
    check_paste(record, problems)
    _check_extras(record, settings, searched, problems)
    file = getattr(record.keys.make.entry, record.kind) if record.kind in ("pecan", "paste") else None
    if file is not None and file not in record.config and file not in record.paste:
        _check_entry_file(record, file, problems)
    folder = record.source.path if record.source.kind == "folder" else None
    for url, value in record.keys.reach.static.items():
        key = f"static.{url}"
        if not URL_PATH.fullmatch(str(url)) or "//" in str(url) or str(url).rstrip("/") == "":
            remedy = f"it has to start with / and to be longer; {PATH_REMEDY}"
            problems.add(record.name, key, "a URL path that is not usable", remedy)
        if not isinstance(value, str) or _leaves(value):
            problems.add(record.name, key, shown(value), "it has to be a folder inside the source")
        elif folder and not os.path.isdir(os.path.join(folder, value)):
            problems.add(record.name, key, f"{value!r}, which is not there", "it has to be a folder of the source")


def _check_source(record: Record, settings: Settings, searched: str, problems: Problems) -> None:
    source = record.source
    if source.kind not in ("folder", "wheel") or source.path is not None:
        return
    exists = find(source.text, settings.folders) is not None
    fault = f"is no {source.kind}" if exists else "is not there"
    remedy = f"it has to be a {source.kind} {searched}"
    if not exists and source.kind == "folder":
        remedy += "; a requirement has no slash in it"
    problems.add(record.name, "source", f"{source.text!r}, which {fault}", remedy)


def _check_file(record: Record, key: str, text: str, path: str | None, searched: str, problems: Problems) -> None:
    if path is None or not os.path.isfile(path):
        actual = f"{text!r}, which is not there" if path is None else f"{path!r}, which is no file"
        problems.add(record.name, key, actual, f"it has to be a file {searched}")


def _check_extras(record: Record, settings: Settings, searched: str, problems: Problems) -> None:
    for text in record.keys.install.extras:
        path = find(text, settings.folders)
        if path is None or not os.path.isfile(os.path.join(path, "__init__.py")):
            fault = "is not there" if path is None else "is no package: it has no __init__.py"
            remedy = f"it has to be the folder of a Python package {searched}"
            problems.add(record.name, "extras", f"{text!r}, which {fault}", remedy)


def _check_config(record: Record, searched: str, problems: Problems) -> None:
    for file, value in record.keys.make.config.items():
        target = str(file)
        key = f"config.{target}"
        if _leaves(target):
            remedy = "it has to stay inside the release's etc folder"
            problems.add(record.name, key, "a path that leaves etc", remedy)
        if isinstance(value, Mapping):
            check_sections(record.name, key, value, problems)
        elif isinstance(value, str):
            _check_file(record, key, value, record.config[target], searched, problems)
        else:
            remedy = "it has to be the path of a template, or a dictionary of sections"
            problems.add(record.name, key, shown(value), remedy)


def _check_entry_file(record: Record, file: str, problems: Problems) -> None:
    key = f"entry.{record.kind}"
    if _leaves(file):
        remedy = "it has to be a file of config or of the source, by its path there"
        problems.add(record.name, key, f"{file!r}, which leaves etc", remedy)
    elif record.source.kind != "folder":
        problems.add(record.name, key, f"{file!r}, which is not in config", f"add {file} to config")
    elif record.source.path and not os.path.isfile(os.path.join(record.source.path, file)):
        actual = f"{file!r}, which is neither in config nor in the source"
        problems.add(record.name, key, actual, "it has to be in one of the two")


def _leaves(path: str) -> bool:
    """Return whether a relative path leads out of its folder."""
    return os.path.isabs(path) or ".." in path.split("/")
