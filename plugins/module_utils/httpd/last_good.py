"""The configuration that Apache ran with last, kept so that it can be put back when a new one stops the server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import drop_in, tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

KEPT = Path("/var/lib/grove/httpd-last-good")
KEPT_UNIT = KEPT.with_name("httpd-last-good.service.conf")
REFUSED = Path("/var/lib/grove/httpd-refused")


def keep(layout: Layout) -> None:
    """Keep a copy of the tree, which the running server has just read, and of its unit's drop-in."""
    _copy(layout.root, KEPT)
    tree.put("/", str(KEPT_UNIT), drop_in.current(layout))


def put_back(layout: Layout) -> bool:
    """Put the kept tree and drop-in back, and keep the tree that stood there in ``REFUSED``.

    Returns False if no tree was kept.
    """
    if not KEPT.is_dir():
        return False
    root = layout.root
    _copy(root, REFUSED)
    put_drop_in_back(layout)
    kept, standing = set(_paths(KEPT)), set(_paths(Path(root)))
    for path in sorted(kept | standing):
        entry = tree.current(str(KEPT), path)
        if tree.current(root, path) != entry:
            tree.put(root, path, entry)
    return True


def put_drop_in_back(layout: Layout) -> None:
    """Put the kept drop-in back; without one, remove what stands there."""
    drop_in.put(layout, tree.current("/", str(KEPT_UNIT)))


def needs_restart(layout: Layout) -> bool:
    """Return whether the drop-in differs from the kept one, with which Apache runs, in what no handover can change."""
    kept = tree.current("/", str(KEPT_UNIT)).content
    return bool(drop_in.restart_reasons(kept, drop_in.current(layout).content))


def _copy(root: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(root, temporary, symlinks=True)
    # The tree may hold keys.
    temporary.chmod(0o700)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def _paths(root: Path) -> Iterator[str]:
    for folder, subfolders, files in os.walk(root):
        for name in [*subfolders, *files]:
            path = Path(folder, name)
            if path.is_symlink() or path.is_file():
                yield str(path.relative_to(root))
