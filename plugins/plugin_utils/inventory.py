"""Which files of the controller Ansible reads as inventories, and runs where they are executable.

Ansible reads every file of a folder that it is given as an inventory, in every folder below, except the files that its
configuration ignores. A file that is data must not lie there: a script would run, and a secret would be shown in the
warning that the file is no inventory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ansible import constants, context
from ansible.inventory.manager import IGNORED

BESIDE = ("group_vars", "host_vars", "secrets")
"""Folders beside the file of an inventory that hold its variables, and the keys that Grove makes for it."""


def inventory_folders() -> tuple[str, ...]:
    """Return the folders that this run of Ansible reads as inventories. A single file or a list of hosts is none."""
    sources = context.CLIARGS.get("inventory") or constants.DEFAULT_HOST_LIST or ()
    texts = [sources] if isinstance(sources, str) else list(sources)
    return tuple(os.path.abspath(text) for text in texts if text and os.path.isdir(text))


def inventory_paths() -> tuple[str, ...]:
    """Return the real paths of what this run of Ansible has as its inventories, with variables and secrets.

    They are folders, or files and what lies beside them with the names that ``BESIDE`` has.
    """
    sources = context.CLIARGS.get("inventory") or constants.DEFAULT_HOST_LIST or ()
    texts = [sources] if isinstance(sources, str) else list(sources)
    paths = []
    for text in (os.path.realpath(text) for text in texts if text and os.path.exists(text)):
        beside = () if os.path.isdir(text) else BESIDE
        paths += [text, *(os.path.join(os.path.dirname(text), name) for name in beside)]
    return tuple(dict.fromkeys(paths))


def read_as_inventory(path: str, folders: Iterable[str]) -> str:
    """Return the first file at or below ``path`` that Ansible reads as an inventory; empty where there is none.

    ``folders`` are those of ``inventory_folders``. A folder of which Ansible ignores the name is not searched.
    """
    for folder in folders:
        for start in {path, os.path.realpath(path)}:
            below = os.path.relpath(start, folder)
            if below == ".." or below.startswith("../"):
                continue
            if below == "." or not any(_is_ignored(name) for name in below.split("/")):
                return next(_files(start), "")
    return ""


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for current, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not _is_ignored(name))
        yield from (os.path.join(current, name) for name in sorted(files) if not _is_ignored(name))


def _is_ignored(name: str) -> bool:
    return IGNORED.search(os.fsencode(name)) is not None
