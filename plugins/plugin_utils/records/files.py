"""What an application of a record is made of: entry, source, lock, configuration, static files, environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .paste import check_paste
from .places import PATH_RIGHT, URL_PATH
from .problems import Check, shown
from .sections import check_sections
from .settings import Settings

ENTRY_KINDS = ("pecan", "paste", "module")
MODULE_ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
PLACEHOLDERS = ("etc", "release", "state", "logs")
PLACEHOLDER = re.compile(r"\{(\w*)\}")


def source_kind(source: str) -> str:
    """Return what a record's ``source`` is: ``vcs``, ``wheel``, ``folder`` or ``requirement``."""
    if re.match(r"(git|hg|bzr|svn)\+", source):
        return "vcs"
    if "://" not in source and source.endswith(".whl"):
        return "wheel"
    if source.startswith((".", "/")) or ("/" in source and "@" not in source and "://" not in source):
        return "folder"
    return "requirement"


def kind_of(entry: dict[str, Any]) -> str:
    """Return the kind of an entry; empty unless exactly one is given."""
    kinds = [kind for kind in ENTRY_KINDS if entry.get(kind) is not None]
    return kinds[0] if len(kinds) == 1 else ""


def check_entry(record: dict[str, Any], result: Check) -> None:
    """Check how the WSGI callable is made, and the environment that it is made in."""
    name, entry = record["name"], record["entry"]
    kinds = [kind for kind in ENTRY_KINDS if entry.get(kind) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) if kinds else "none of them"
        result.add(name, "entry", found, f"it has to have exactly one of {', '.join(ENTRY_KINDS)}")
    elif entry.get("name") is not None and record["kind"] != "paste":
        result.add(name, "entry.name", shown(entry["name"]), "it goes with paste only, remove it")
    if record["kind"] == "paste":
        entry["name"] = entry.get("name") or "main"
    if record["kind"] == "module" and not MODULE_ENTRY.fullmatch(entry["module"]):
        result.add(name, "entry.module", shown(entry["module"]), "it has to be package.module:attribute")
    texts = [("argv", value) for value in record["argv"]]
    environment: dict[str, str] = {}
    for key, value in record["environment"].items():
        if value is None or isinstance(value, (dict, list)) or not VARIABLE.fullmatch(str(key)):
            result.add(name, f"environment.{key}", shown(value), "it has to be a variable's name and a text")
        environment[str(key)] = str(value)
        texts.append((f"environment.{key}", str(value)))
    record["environment"] = environment
    for key, text in texts:
        for placeholder in PLACEHOLDER.findall(text):
            if placeholder not in PLACEHOLDERS:
                right = f"the placeholders are {', '.join('{' + known + '}' for known in PLACEHOLDERS)}"
                result.add(name, key, f"{{{placeholder}}}", right)


def check_files(record: dict[str, Any], settings: Settings, result: Check) -> None:
    """Check what the controller has to have, and replace the paths by those that were found."""
    name = record["name"]
    looked = f"(looked in {', '.join(settings.folders)})"
    record["source"] = source = _source(record, settings, looked, result)
    if record["lock"]:
        lock = _find(record["lock"], settings.folders)
        if lock is None or not os.path.isfile(lock):
            found = f"{record['lock']!r}, which is not there" if lock is None else f"{lock!r}, which is no file"
            result.add(name, "lock", found, f"it has to be a file {looked}")
        record["lock"] = lock
    record["config"] = _config(record, settings, looked, result)
    check_paste(record, result)
    record["extras"] = _extras(record, settings, looked, result)
    wanted = record["entry"].get(record["kind"]) if record["kind"] in ("pecan", "paste") else None
    if wanted is not None and wanted not in record["config"] and wanted not in record["paste"]:
        _check_entry_file(record, wanted, result)
    folder = source.get("path") if source["kind"] == "folder" else None
    for url, value in record["static"].items():
        key = f"static.{url}"
        if not URL_PATH.fullmatch(str(url)) or "//" in str(url) or str(url).rstrip("/") == "":
            right = f"it has to start with / and to be longer; {PATH_RIGHT}"
            result.add(name, key, "a URL path that is not usable", right)
        if not isinstance(value, str) or _leaves(value):
            result.add(name, key, shown(value), "it has to be a folder inside the source")
        elif folder and not os.path.isdir(os.path.join(folder, value)):
            result.add(name, key, f"{value!r}, which is not there", "it has to be a folder of the source")


def _source(record: dict[str, Any], settings: Settings, looked: str, result: Check) -> dict[str, Any]:
    text = record["source"]
    source: dict[str, Any] = {"kind": source_kind(text), "text": text}
    if source["kind"] in ("folder", "wheel"):
        path = _find(text, settings.folders)
        is_right = os.path.isdir if source["kind"] == "folder" else os.path.isfile
        if path is None or not is_right(path):
            problem = "is not there" if path is None else f"is no {source['kind']}"
            right = f"it has to be a {source['kind']} {looked}"
            if path is None and source["kind"] == "folder":
                right += "; a requirement has no slash in it"
            result.add(record["name"], "source", f"{text!r}, which {problem}", right)
            path = None
        source["path"] = path
    return source


def _extras(record: dict[str, Any], settings: Settings, looked: str, result: Check) -> list[str]:
    found = []
    for given in record["extras"]:
        path = _find(given, settings.folders)
        if path is None or not os.path.isfile(os.path.join(path, "__init__.py")):
            problem = "is not there" if path is None else "is no package: it has no __init__.py"
            right = f"it has to be the folder of a Python package {looked}"
            result.add(record["name"], "extras", f"{given!r}, which {problem}", right)
        else:
            found.append(path)
    return found


def _config(record: dict[str, Any], settings: Settings, looked: str, result: Check) -> dict[str, str | None]:
    """Return the template of each file; None for one that is made of sections, which may hold secrets."""
    config: dict[str, str | None] = {}
    for given, template in record["config"].items():
        target = str(given)
        key = f"config.{target}"
        if _leaves(target):
            result.add(record["name"], key, "a path that leaves etc", "it has to stay inside the release's etc folder")
        if isinstance(template, Mapping):
            check_sections(record["name"], key, template, result)
            config[target] = None
            continue
        if not isinstance(template, str):
            right = "it has to be the path of a template, or a dictionary of sections"
            result.add(record["name"], key, shown(template), right)
            continue
        path = _find(template, settings.folders)
        if path is None or not os.path.isfile(path):
            problem = f"{template!r}, which is not there" if path is None else f"{path!r}, which is no file"
            result.add(record["name"], key, problem, f"it has to be a file {looked}")
        config[target] = path
    return config


def _check_entry_file(record: dict[str, Any], wanted: str, result: Check) -> None:
    source = record["source"]
    key = f"entry.{record['kind']}"
    if _leaves(wanted):
        right = "it has to be a file of config or of the source, by its path there"
        result.add(record["name"], key, f"{wanted!r}, which leaves etc", right)
    elif source["kind"] != "folder":
        result.add(record["name"], key, f"{wanted!r}, which is not in config", f"add {wanted} to config")
    elif source["path"] and not os.path.isfile(os.path.join(source["path"], wanted)):
        found = f"{wanted!r}, which is neither in config nor in the source"
        result.add(record["name"], key, found, "it has to be in one of the two")


def _find(path: str, folders: Iterable[str]) -> str | None:
    candidates = [path] if os.path.isabs(path) else [os.path.normpath(os.path.join(folder, path)) for folder in folders]
    return next((candidate for candidate in candidates if os.path.exists(candidate)), None)


def _leaves(path: str) -> bool:
    return os.path.isabs(path) or ".." in path.split("/")
