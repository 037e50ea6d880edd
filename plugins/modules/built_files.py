"""Pack files that a host has built once, and put them in their places on another host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: built_files
short_description: What one host of a fleet has built once is on another one, too
description:
  - Without C(archive), packs those C(paths) that this host has. In a playbook this is an action, which fetches the
    archive to the controller, once for all hosts that get it; it is delegated to the host that has the files. Ansible
    removes the archive at the end of the run. Nothing is changed.
  - With C(archive), puts its files in their places. A path that is there stays.
options:
  paths:
    description: Files and folders, the same on both hosts. Everybody may read them.
    type: list
    elements: path
    required: true
  archive:
    description: The archive that was packed, on the controller for the action, and on the host for the module.
    type: str
    default: ""
  into:
    description: A folder for the archive, whose owner it gets. Set by the action.
    type: path
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Fetch what another host has built
  grove.wsgi.built_files:
    paths: [/opt/grove/uv/0.13.9]
  delegate_to: api1
  register: built

- name: Put it in its place
  grove.wsgi.built_files:
    paths: [/opt/grove/uv/0.13.9]
    archive: "{{ built.archive }}"
  when: built.archive | length > 0
"""

RETURN = r"""
archive:
  description: The path of the archive; empty where the host has none of the paths.
  type: str
  returned: without C(archive)
placed:
  description: Those paths that are in their places now and were not before.
  type: list
  elements: path
  returned: with C(archive)
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import archives
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module

UNPACKED = ".built."
"""The beginning of the name of a folder in which an archive is unpacked."""
ARGUMENTS: dict[str, dict[str, Any]] = {
    "paths": {"type": "list", "elements": "path", "required": True},
    "archive": {"type": "str", "default": ""},
    "into": {"type": "path"},
}


def pack(paths: list[str], into: Path) -> str:
    """Pack those paths that are there; return the path of the archive, or an empty text."""
    found = {str(number): Path(path) for number, path in enumerate(paths) if os.path.exists(path)}
    if not found:
        return ""
    archive = into / "built.tar.gz"
    archives.write(archive, found)
    return str(archive)


def place(paths: list[str], archive: Path) -> list[str]:
    """Put files of an archive in their places; return those that were not there. Raises OperatorError."""
    placed = []
    for path in paths:
        _make_parents(Path(path))
    parent = Path(paths[0]).parent
    with _alone(parent), tempfile.TemporaryDirectory(prefix=UNPACKED, dir=parent) as folder:
        try:
            archives.unpack(archive, Path(folder), [str(number) for number, _ in enumerate(paths)])
        except archives.ArchiveError as error:
            raise OperatorError(f"what another host has built cannot be used: {error}") from error
        for number, path in enumerate(paths):
            unpacked = Path(folder, str(number))
            if unpacked.exists() and not os.path.exists(path):
                shutil.move(unpacked, path)
                placed.append(path)
    return placed


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for other runs that put files below a folder, and remove what those left that were killed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for path in folder.glob(f"{UNPACKED}*"):
            shutil.rmtree(path)
        yield
    finally:
        os.close(handle)


def _make_parents(path: Path) -> None:
    """Make the folders above a path, which everybody may enter and read, whatever the umask of root."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def work() -> dict[str, Any]:
        paths, archive, into = (module.params[name] for name in ("paths", "archive", "into"))
        if archive:
            placed = [] if module.check_mode else place(paths, Path(archive))
            return {"changed": bool(placed), "placed": placed}
        return {"changed": False, "archive": pack(paths, Path(into)) if into and not module.check_mode else ""}

    run_module(module, work)


if __name__ == "__main__":
    main()
