"""Checking what an application is made of: entry, source, lock, configuration, static files, environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .. import lock_text
from ..inventory import read_as_inventory
from ..source_files import SourceFiles, excluding
from . import syntax
from .completing import ENTRY_KINDS, find
from .copies import check_copy, is_copy
from .factory import CallError, is_call, parts, texts
from .paste import check_paste
from .placeholders import IN_STATE, check_placeholders
from .problems import INVENTORY_REMEDY, Problems, kind_of_value, quoted, shown
from .project import ProjectError, needs_of
from .record import Record
from .sections import check_sections
from .settings import Settings

# AMQP sends the name of a queue with one byte for its length.
QUEUE_BYTES = 255
ABSOLUTE_REMEDY = "it has to be an absolute path"
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def check_entry(record: Record, problems: Problems) -> None:
    """Check how the WSGI callable is made, and the environment in which it is made."""
    name, entry = record.name, record.keys.make.entry
    kinds = [kind for kind in ENTRY_KINDS if getattr(entry, kind) is not None]
    if len(kinds) != 1:
        actual = " and ".join(kinds) if kinds else "none of them"
        problems.add(name, "entry", actual, f"it has to have exactly one of {', '.join(ENTRY_KINDS)}")
    elif entry.name is not None and record.kind != "paste":
        problems.add(name, "entry.name", shown(entry.name), "it goes with paste only, remove it")
    elif entry.name is not None and (not entry.name.strip() or set(entry.name) & set("[]")):
        problems.add(name, "entry.name", shown(entry.name), "it has to be the name of a section, without brackets")
    if entry.arguments is not None and record.kind != "factory":
        problems.add(name, "entry.arguments", shown(entry.arguments), "it goes with factory only, remove it")
    elif record.kind in ("module", "factory"):
        _check_callable(record, problems)
    python, home = record.keys.install.python, record.keys.make.home
    if python is not None and (remedy := syntax.plain_path(python)):
        problems.add(name, "python", shown(python), remedy)
    if home is not None and (remedy := syntax.path_length(home) if os.path.isabs(home) else ABSOLUTE_REMEDY):
        problems.add(name, "home", shown(home), remedy)
    _check_environment(record, problems)
    for word in record.keys.make.argv:
        if remedy := syntax.argument(word):
            problems.add(name, "argv", shown(word), remedy)
        check_placeholders(record, "argv", word, problems)


def _check_callable(record: Record, problems: Problems) -> None:
    name, entry, key = record.name, record.keys.make.entry, f"entry.{record.kind}"
    text = (entry.module if record.kind == "module" else entry.factory) or ""
    function, values = text, []
    if is_call(entry):
        try:
            function, arguments, keywords = parts(entry)
        except CallError as error:
            problems.add(name, error.key, error.actual, error.remedy)
            return
        values = [*arguments, *keywords.values()]
    module, colon, attribute = function.partition(":")
    if not colon or syntax.importable(module) or syntax.importable(attribute):
        what = "attribute" if record.kind == "module" else "function"
        problems.add(name, key, shown(text), f"it has to be package.module:{what}")
    for argument in texts(values):
        check_placeholders(record, key if record.kind == "module" else "entry.arguments", argument, problems)


def _check_environment(record: Record, problems: Problems) -> None:
    """Check the environment. A value may be a secret, and is not shown."""
    for key, value in record.keys.make.environment.items():
        where = f"environment.{key}"
        if not VARIABLE.fullmatch(str(key)):
            remedy = "the name of a variable has letters, digits and _, and no digit at its beginning"
            problems.add(record.name, where, f"the name {str(key)!r}", remedy)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            # The program would get True for true, and 1.1 for 1.10.
            remedy = "it has to be a text or a whole number; put it in quotes"
            problems.add(record.name, where, kind_of_value(value), remedy)
            continue
        if remedy := syntax.argument(f"{key}={value}"):
            problems.add(record.name, where, f"{len(str(value))} characters", remedy)
        check_placeholders(record, where, str(value), problems)
    if remedy := syntax.environment_size(record.environment):
        problems.add(record.name, "environment", f"{len(record.environment)} variables", remedy)


def check_files(record: Record, settings: Settings, problems: Problems) -> None:
    """Check the files that have to be on the controller, and the packages that have to be on the host."""
    searched = f"(looked in {', '.join(settings.folders)})"
    for package in record.keys.install.system_packages:
        if remedy := syntax.package(package):
            problems.add(record.name, "system_packages", shown(package), remedy)
    _check_inventories(record, settings, problems)
    _check_source(record, settings, searched, problems)
    lock = record.keys.install.lock
    _check_requirements(record, problems)
    if lock and (settings.locking != record.name or record.lock is not None):
        _check_file(record, "lock", lock, record.lock, searched, problems)
    if lock and settings.locking != record.name:
        _check_locked(record, problems)
    _check_config(record, searched, problems)
    _check_servers(record, problems)
    check_paste(record, problems)
    _check_extras(record, settings, searched, problems)
    file = getattr(record.keys.make.entry, record.kind) if record.kind in ("pecan", "paste") else None
    if file is not None:
        if record.kind == "paste" and set(file) & set("#%\\"):
            remedy = "PasteDeploy reads #, % and backslashes of a path in its own way; rename the file"
            problems.add(record.name, "entry.paste", shown(file), remedy)
        elif file not in record.config and file not in record.paste:
            _check_entry_file(record, file, problems)
    for url, value in record.keys.reach.static.items():
        _check_static(record, str(url), value, problems)


def _check_inventories(record: Record, settings: Settings, problems: Problems) -> None:
    """Refuse files that Ansible reads as inventories, and runs where they are executable."""
    paths = [("source", record.source.path), ("lock", record.lock), *(("extras", path) for path in record.extras)]
    paths += [(f"config.{file}", path) for file, path in record.config.items()]
    paths += [(f"config.{file}", copied.path) for file, copied in record.copies.items()]
    for key, path in paths:
        if path and (file := read_as_inventory(path, settings.inventories)):
            problems.add(record.name, key, f"{file}, which Ansible reads as an inventory", INVENTORY_REMEDY)


def _check_requirements(record: Record, problems: Problems) -> None:
    for pattern in record.keys.install.exclude:
        if not pattern.strip("/") or ".." in pattern.split("/"):
            remedy = "it has to be a name, or a path below the source, perhaps with * and ?"
            problems.add(record.name, "exclude", shown(pattern), remedy)
    for text in record.keys.install.requirements:
        if remedy := syntax.requirement(text):
            problems.add(record.name, "requirements", shown(text), remedy)
    if not record.keys.install.lock and record.source.kind == "folder" and record.source.path:
        try:
            needs_of(Path(record.source.path), record.keys.install.exclude)
        except ProjectError as error:
            problems.add(record.name, "source", f"in its file {error.file} {error.actual}", error.remedy)


def _check_locked(record: Record, problems: Problems) -> None:
    """Check that the lock has what ``requirements`` names. Of a lock that cannot be read, another check tells."""
    path, requirements = record.lock, record.keys.install.requirements
    if not path or not os.path.isfile(path) or not requirements:
        return
    try:
        packages = lock_text.packages(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeError):
        return
    for text, versions in lock_text.lacking(packages, requirements):
        actual = f"{quoted(text)}, and {versions or 'no such package'} in {record.keys.install.lock}"
        remedy = f"./grove lock -e app={record.name} brings into the lock what requirements names"
        problems.add(record.name, "requirements", actual, remedy)


def _check_static(record: Record, url: str, value: object, problems: Problems) -> None:
    key = f"static.{url}"
    folder = record.source.path if record.source.kind == "folder" else None
    if remedy := syntax.url_path(url) or (
        "it has to be longer, without a slash at the end" if url.endswith("/") else ""
    ):
        problems.add(record.name, key, "a URL path that is not usable", remedy)
    if isinstance(value, str) and value.startswith(IN_STATE):
        path = value.removeprefix(IN_STATE)
        fault = syntax.file_below(path.removeprefix("/")) or syntax.plain_path(path)
        if fault or not path.startswith("/") or path.startswith("/tmp/") or path == "/tmp":
            # The state itself would be public with the application's database and keys.
            remedy = "it has to be a folder of its own below {state}, such as {state}/media, and not {state}/tmp"
            problems.add(record.name, key, shown(value), remedy)
        return
    if not isinstance(value, str) or syntax.file_below(value):
        # The source itself would be public with its code and its configuration.
        remedy = "it has to be a folder inside the source, without . and .., or one such as {state}/media"
        problems.add(record.name, key, shown(value), remedy)
    elif folder and not record.keys.make.build and not os.path.isdir(os.path.join(folder, value)):
        problems.add(record.name, key, f"{quoted(value)}, which is not there", "it has to be a folder of the source")
    elif folder and not record.keys.make.build and (pattern := excluding(value, record.keys.install.exclude)):
        remedy = "give the record a list exclude without that pattern"
        problems.add(record.name, key, f"{quoted(value)}, which exclude leaves out with {pattern!r}", remedy)


def _check_source(record: Record, settings: Settings, searched: str, problems: Problems) -> None:
    source = record.source
    if source.kind in ("requirement", "vcs"):
        check = syntax.requirement if source.kind == "requirement" else syntax.vcs_address
        if remedy := check(source.text):
            problems.add(record.name, "source", shown(source.text), remedy)
        return
    if source.path is not None:
        if os.path.realpath(source.path) == "/":
            remedy = "it has to be the application's own folder, not the whole file system"
            problems.add(record.name, "source", shown(source.text), remedy)
        elif any(os.path.realpath(source.path) == os.path.realpath(folder) for folder in settings.inventories):
            remedy = "the release would hold its variables and secrets; put the application into a folder of its own"
            problems.add(record.name, "source", f"{quoted(source.text)}, the folder of the inventory", remedy)
        elif source.kind == "wheel" and (remedy := syntax.wheel_name(source.path)):
            problems.add(record.name, "source", shown(source.text), remedy)
        elif source.kind == "folder":
            _check_source_files(record, source.path, problems)
        return
    exists = find(source.text, settings.folders) is not None
    fault = f"is no {source.kind}" if exists else "is not there"
    remedy = f"it has to be a {source.kind} {searched}"
    if not exists and source.kind == "folder":
        remedy += "; a requirement has no slash in it"
    problems.add(record.name, "source", f"{quoted(source.text)}, which {fault}", remedy)


def _check_source_files(record: Record, folder: str, problems: Problems) -> None:
    """Check that a release can get the files of the source folder, and that there are some."""
    files = SourceFiles(Path(folder), record.keys.install.exclude)
    try:
        count = sum(1 for _ in files.read())
    except OSError as error:
        actual = f"{quoted(record.source.text)}, in which {error.filename} cannot be read ({error.strerror})"
        problems.add(record.name, "source", actual, "it has to be a folder that this account can read")
    except ValueError as error:
        actual, _, remedy = str(error).partition("; ")
        problems.add(record.name, "source", f"in {quoted(record.source.text)} {actual}", remedy)
    else:
        if not count:
            fault = "of which exclude leaves out every file" if files.excluded else "which holds no file"
            actual = f"{quoted(record.source.text)}, {fault} ({folder})"
            problems.add(record.name, "source", actual, "it has to be the folder of the application")


def _check_file(record: Record, key: str, text: str, path: str | None, searched: str, problems: Problems) -> None:
    if path is None or not os.path.isfile(path):
        actual = f"{quoted(text)}, which is not there" if path is None else f"{quoted(path)}, which is no file"
        problems.add(record.name, key, actual, f"it has to be a file {searched}")


def _check_extras(record: Record, settings: Settings, searched: str, problems: Problems) -> None:
    names: set[str] = set()
    for text in record.keys.install.extras:
        path = find(text, settings.folders)
        name = os.path.basename(path or text)
        if path is not None and (syntax.importable(name) or "." in name or name in names):
            remedy = "its name has to be one that Python can import, and that no other folder of the list has"
            problems.add(record.name, "extras", shown(text), remedy)
        names.add(name)
        if path is None or not os.path.isfile(os.path.join(path, "__init__.py")):
            fault = "is not there" if path is None else "is no package: it has no __init__.py"
            remedy = f"it has to be the folder of a Python package {searched}"
            problems.add(record.name, "extras", f"{quoted(text)}, which {fault}", remedy)


def _check_config(record: Record, searched: str, problems: Problems) -> None:
    targets = {str(file) for file in record.keys.make.config} | {str(file) for file in record.keys.make.paste}
    for file, value in record.keys.make.config.items():
        target = str(file)
        key = f"config.{target}"
        if remedy := syntax.file_below(target):
            problems.add(record.name, key, "a path that is not usable below the release's folder etc", remedy)
        for folder in _folders_above(target):
            if folder in targets:
                problems.add(record.name, key, f"a file below {folder}", f"{folder} is a file; rename one of them")
        if is_copy(value):
            check_copy(record.name, key, value, problems)
            if isinstance(value.get("copy"), str):
                _check_file(record, f"{key}.copy", value["copy"], record.copies[target].path, searched, problems)
        elif isinstance(value, Mapping):
            check_sections(record, key, value, problems)
        elif isinstance(value, str):
            _check_file(record, key, value, record.config[target], searched, problems)
        else:
            remedy = "it has to be the path of a template, a dictionary of sections, or {copy: PATH}"
            problems.add(record.name, key, shown(value), remedy)


def _check_servers(record: Record, problems: Problems) -> None:
    config, queues = record.keys.make.servers.config, record.keys.make.servers.queues
    if config is None:
        if queues:
            remedy = "add servers.config, the file of config that names the message broker"
            problems.add(record.name, "servers.queues", ", ".join(map(shown, queues)), remedy)
        return
    sections = record.keys.make.config.get(config)
    if not isinstance(sections, Mapping):
        fault = "which is a template" if sections is not None else "which is not in config"
        remedy = "it has to be a file of config that is a dictionary of sections"
        problems.add(record.name, "servers.config", f"{quoted(config)}, {fault}", remedy)
        return
    for queue in queues:
        if not queue.strip() or len(queue.encode()) > QUEUE_BYTES:
            remedy = f"it has to be the name of a queue, with {QUEUE_BYTES} bytes at most"
            problems.add(record.name, "servers.queues", shown(queue), remedy)


def _check_entry_file(record: Record, file: str, problems: Problems) -> None:
    key = f"entry.{record.kind}"
    actual = quoted(file)
    if remedy := syntax.file_below(file):
        problems.add(record.name, key, actual, f"a file of config or of the source, by its path there: {remedy}")
    elif record.source.kind != "folder":
        problems.add(record.name, key, f"{actual}, which is not in config", f"add {file} to config")
    elif record.source.path and not os.path.isfile(os.path.join(record.source.path, file)):
        actual = f"{actual}, which is neither in config nor in the source"
        problems.add(record.name, key, actual, "it has to be in one of the two")


def _folders_above(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]
