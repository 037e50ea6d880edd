"""The Apache of a host: its version, its sites, and the Listen lines that Grove did not write."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import limits, tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout


def describe(layout: Layout) -> dict[str, Any]:
    """Return Apache's version (empty when it is not installed), and what Grove and others have written for it.

    ``sites`` are the names of the site files that Grove wrote, ``foreign_sites`` the sites of others that need Listen
    lines of other files. ``edited_sites`` are enabled sites of Debian's package that differ from what the package has.
    """
    if not os.path.exists(layout.binary):
        nothing: dict[str, Any] = {"foreign_sites": [], "edited_sites": [], "foreign_listen": [], "ports_ours": False}
        return {"version": "", "sites": [], **nothing}
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
        "edited_sites": edited_sites(layout, packaged(layout.service)),
        "foreign_listen": listen,
        "ports_ours": tree.MARK in _text(layout, layout.listen_path)[: limits.MARK_CHARACTERS],
    }


def packaged(package: str) -> dict[str, str]:
    """Return the MD5 sums that the configuration files of a Debian package have in it, by path; empty without dpkg."""
    command = ["dpkg-query", "--show", "--showformat=${Conffiles}\\n", "--", package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return {}
    fields = (line.split() for line in done.stdout.splitlines())
    return {each[0]: each[1] for each in fields if len(each) >= 2}


def edited_sites(layout: Layout, sums: Mapping[str, str]) -> list[str]:
    """Return the names of the enabled sites whose content is not the one of ``sums``, for the sites that are in it."""
    edited = []
    for path, expected in sums.items():
        name = Path(path).stem
        if not layout.site_enabled or path != os.path.join(layout.root, layout.site.format(name)):
            continue
        enabled = Path(layout.root, layout.site_enabled.format(name))
        if enabled.is_file() and hashlib.md5(enabled.read_bytes(), usedforsecurity=False).hexdigest() != expected:
            edited.append(name)
    return sorted(edited)


def _text(layout: Layout, path: str) -> str:
    absolute = Path(layout.root, path)
    return absolute.read_text(errors="replace") if absolute.is_file() else ""
