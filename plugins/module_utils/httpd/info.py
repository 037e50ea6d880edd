"""The Apache of a host: its version, its sites, and the Listen lines that Grove did not write."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import limits, tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout


def describe(layout: Layout) -> dict[str, Any]:
    """Return Apache's version (empty when it is not installed), and what Grove and others have written for it.

    ``sites`` are the names of the site files that Grove wrote, ``foreign_sites`` the sites of others that need Listen
    lines of other files.
    """
    if not os.path.exists(layout.binary):
        return {"version": "", "sites": [], "foreign_sites": [], "foreign_listen": [], "ports_ours": False}
    done = subprocess.run([layout.binary, "-v"], capture_output=True, text=True, check=False)
    version = re.search(r"Apache/([0-9.]+)", done.stdout)
    pattern = (layout.site_enabled or layout.site).format("*")
    foreign = []
    for path in sorted(Path(layout.root).glob(pattern)):
        text = path.read_text(errors="replace") if path.is_file() else ""
        ours = tree.MARK in text[: limits.MARK_CHARACTERS]
        listens = re.search(r"(?im)^\s*Listen\s", text)
        if not ours and not listens and re.search(r"(?im)^\s*<VirtualHost", text):
            foreign.append(path.name.removesuffix(".conf"))
    listen = re.findall(r"(?im)^\s*Listen\s+(\S+)", _text(layout, layout.foreign_listen_path))
    return {
        "version": version.group(1) if version else "?",
        "sites": [path.stem for path in sorted(Path(layout.root).glob(layout.site.format("*"))) if tree.is_ours(path)],
        "foreign_sites": foreign,
        "foreign_listen": listen,
        "ports_ours": tree.MARK in _text(layout, layout.listen_path)[: limits.MARK_CHARACTERS],
    }


def _text(layout: Layout, path: str) -> str:
    absolute = Path(layout.root, path)
    return absolute.read_text(errors="replace") if absolute.is_file() else ""
