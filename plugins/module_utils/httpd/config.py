"""Changing Apache's configuration as one step that Apache has checked before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import drop_in, loaded, tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

SCRIPT_MODE = 0o644
"""Permissions of a script that daemon processes load; it belongs to root."""


@dataclass(frozen=True)
class Config:
    """What the tree should have, by the names of sites, snippets and modules.

    ``ports`` is the content of the file of Listen lines, ``secret_files`` has files by path that only root may read,
    ``only_sites`` is a pattern of site names that are removed unless they are in ``sites``, ``remove_sites`` has names
    of sites that are removed; both leave sites that Grove did not write. ``needs_restart`` names snippets and modules
    that a reload is not enough for. ``unit`` is the content of the drop-in for Apache's unit of systemd; None leaves it
    as it is. ``scripts`` has files outside of the tree, by their absolute paths: each is written if its folder exists.
    """

    sites: Mapping[str, str] = field(default_factory=dict)
    confs: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    ports: str | None = None
    secret_files: Mapping[str, str] = field(default_factory=dict)
    enable_modules: Iterable[str] = ()
    enable_modules_alone: Iterable[str] = ()
    disable_modules: Iterable[str] = ()
    disable_sites: Iterable[str] = ()
    disable_confs: Iterable[str] = ()
    only_sites: str | None = None
    remove_sites: Iterable[str] = ()
    keep_listening: bool = False
    needs_restart: Iterable[str] = ()
    unit: str | None = None
    scripts: Mapping[str, str] = field(default_factory=dict)

    def entries(self, layout: Layout) -> tree.ExpectedTree:
        """Translate the names into the entries of a tree."""
        expected = tree.ExpectedTree(layout)
        for path, content in self.secret_files.items():
            expected.add_file(path, content, mode=0o600)
        for add, files in (
            (expected.add_module, self.modules),
            (expected.add_conf, self.confs),
            (expected.add_site, self.sites),
        ):
            for name, content in files.items():
                add(name, content)
        if self.ports is not None:
            expected.add_listen_lines(self.ports, keep=self.keep_listening)
        for change, names in (
            (expected.enable_module, self.enable_modules),
            (expected.enable_module_alone, self.enable_modules_alone),
            (expected.disable_module, self.disable_modules),
            (expected.disable_site, self.disable_sites),
            (expected.disable_conf, self.disable_confs),
        ):
            for name in names:
                change(name)
        for pattern in [*self.remove_sites, *([self.only_sites] if self.only_sites else [])]:
            expected.keep_only(pattern)
        return expected

    def changed_scripts(self) -> dict[str, tree.Entry]:
        """Return the scripts that differ from their files, by path."""
        entries = {path: tree.Entry(content=text, mode=SCRIPT_MODE) for path, text in self.scripts.items()}
        return {
            path: entry
            for path, entry in entries.items()
            if os.path.isdir(os.path.dirname(path)) and tree.current(os.sep, path) != entry
        }


def change(layout: Layout, config: Config, *, dry: bool) -> dict[str, Any]:
    """Let Apache check the configuration, write it, and note it for the module that loads it.

    Returns the module's result; ``restart_reasons`` names the settings of the unit for which a host with generations of
    Apache has to restart Apache. Raises TreeError when Apache refuses it, or a site is not Grove's, and OSError.
    """
    expected = config.entries(layout)
    tree.refuse_foreign(expected, list(config.sites))
    changed = tree.changes(expected)
    installed = os.path.exists(layout.binary) and os.path.exists(os.path.join(layout.root, layout.main))
    if changed and installed:
        tree.check_staged(layout, changed, early=dry)
    scripts = config.changed_scripts()
    diff = _diff(layout, changed | scripts)
    units = {} if config.unit is None else {str(drop_in.path_of(layout.service)): tree.Entry(content=config.unit)}
    changed_units = {path: entry for path, entry in units.items() if drop_in.current(layout) != entry}
    diff += _diff(layout, changed_units)
    templates = (layout.conf, layout.module)
    restart_paths = [template.format(name) for name in config.needs_restart for template in templates] + list(units)
    written = {**changed, **changed_units}
    former = drop_in.current(layout).content
    reasons = drop_in.restart_reasons(former, config.unit) if changed_units else []
    # A handover takes what only a restart takes without generations.
    at_start = set(restart_paths) - (set() if reasons else set(units))
    if not dry:
        for path, entry in scripts.items():
            tree.put(os.sep, path, entry)
        if changed:
            tree.apply(layout, changed)
        for entry in changed_units.values():
            drop_in.put(layout, entry)
        loaded.note_applied(layout.root, {**expected.entries, **units}, restart_paths, written)
    return {
        "changed": bool(written or scripts),
        "changed_files": sorted(written),
        "restart_files": sorted(set(written) & at_start),
        "restart_reasons": reasons if drop_in.PROGRAM in f"{former}{config.unit}" and former is not None else [],
        "diff": diff,
    }


def _diff(layout: Layout, changed: Mapping[str, tree.Entry]) -> list[dict[str, str]]:
    """Return a diff for each changed path, without the content of files that only root may read."""
    diffs = []
    for path, entry in changed.items():
        absolute = os.path.join(layout.root, path)
        if entry.mode & 0o077 == 0:
            diffs.append({"header": absolute, "prepared": "(content not shown)\n"})
            continue
        before = tree.current(layout.root, path)
        diffs.append(
            {
                "before_header": absolute,
                "after_header": absolute,
                "before": before.describe(),
                "after": entry.describe(),
            }
        )
    return diffs
