"""Apache's configuration tree: the entries that it should have, a staged copy to try them in, and applying them.

Paths in this module are relative to ServerRoot (``/etc/apache2``, ``/etc/httpd``) unless they are called absolute.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_link, replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import limits
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout, TreeError, keep_listen_lines

MARK = "Written by Grove"
# What a site names and a deployment makes before Apache loads the site.
ACCOUNT = re.compile(r"(?<![\w-])(user|group)=(\S+)")
MAP = re.compile(r'(?m)^(\s*RewriteMap\s+\S+\s+)"\w+:(/[^"]+)"')
CERTIFICATE = re.compile(r'(?m)^\s*SSLCertificate(?:Key)?File\s+"([^"]+)"')
NOBODY = 65534
"""The number of the account and the group nobody, on all distributions."""
CONFIGURATION_MODE = 0o640
"""Permissions of what Grove writes for Apache; it belongs to root."""


@dataclass(frozen=True)
class Entry:
    """One path of the tree: a file with ``content``, a link to ``target``, or nothing.

    Only root reads the file: Apache's parent runs as root, and applications are not to see one another's settings.
    """

    content: str | None = None
    target: str | None = None
    mode: int = CONFIGURATION_MODE

    def describe(self) -> str:
        if self.target is not None:
            return f"link to {self.target}\n"
        return self.content or ""


ABSENT = Entry()


@dataclass
class ExpectedTree:
    """The entries that a tree is to have, built from names as an operator knows them (a site, a conf, a module)."""

    layout: Layout
    entries: dict[str, Entry] = field(default_factory=dict)

    def add_site(self, name: str, content: str) -> None:
        self._add(self.layout.site, self.layout.site_enabled, name, content)

    def add_conf(self, name: str, content: str) -> None:
        self._add(self.layout.conf, self.layout.conf_enabled, name, content)

    def add_module(self, name: str, content: str) -> None:
        self._add(self.layout.module, self.layout.module_enabled, name, content)

    def enable_module(self, name: str) -> None:
        """Link a module that the distribution ships (only where modules are enabled by links)."""
        if not self.layout.module_enabled:
            return
        for suffix in (".load", ".conf"):
            available = self.layout.module.format(name).replace(".load", suffix)
            enabled = self.layout.module_enabled.format(name).replace(".load", suffix)
            if suffix == ".load" or os.path.exists(os.path.join(self.layout.root, available)):
                self.entries[enabled] = Entry(target=_relative(enabled, available))

    def enable_module_alone(self, name: str) -> None:
        """Link a module that the distribution ships, without the distribution's settings for the module."""
        self.enable_module(name)
        if self.layout.module_enabled:
            self.entries[self.layout.module_enabled.format(name).replace(".load", ".conf")] = ABSENT

    def disable_module(self, name: str) -> None:
        if self.layout.module_enabled:
            for suffix in (".load", ".conf"):
                self.entries[self.layout.module_enabled.format(name).replace(".load", suffix)] = ABSENT

    def disable_site(self, name: str) -> None:
        if self.layout.site_enabled:
            self.entries[self.layout.site_enabled.format(name)] = ABSENT

    def disable_conf(self, name: str) -> None:
        """Let a snippet have no effect. Where no link enables it, it is emptied: a package update keeps such a file."""
        if self.layout.conf_enabled:
            self.entries[self.layout.conf_enabled.format(name)] = ABSENT
            return
        path = self.layout.conf.format(name)
        if os.path.exists(os.path.join(self.layout.root, path)):
            self.entries[path] = Entry(content=f"# {MARK}: what the package has here is not used.\n")

    def add_file(self, path: str, content: str, mode: int = CONFIGURATION_MODE) -> None:
        self.entries[path] = Entry(content=content, mode=mode)

    def keep_only(self, pattern: str) -> None:
        """Remove the sites that Grove wrote whose names match ``pattern`` (with ``*``), but for those added before."""
        for template in (self.layout.site, self.layout.site_enabled):
            if not template:
                continue
            for absolute in sorted(Path(self.layout.root).glob(template.format(pattern))):
                path = str(absolute.relative_to(self.layout.root))
                if path not in self.entries and is_ours(absolute):
                    self.entries[path] = ABSENT

    def add_listen_lines(self, content: str, *, keep: bool) -> None:
        """Add the file of Listen lines: ``content`` and, with ``keep``, the lines that Grove wrote there before."""
        before = current(self.layout.root, self.layout.listen_path).content or ""
        if keep and MARK in before:
            content = keep_listen_lines(content, before)
        if self.layout.listen_conf:
            self.add_conf(self.layout.listen_conf, content)
        else:
            self.add_file(self.layout.listen_path, content)

    def _add(self, template: str, enabled_template: str, name: str, content: str) -> None:
        path = template.format(name)
        self.entries[path] = Entry(content=content)
        if enabled_template:
            enabled = enabled_template.format(name)
            self.entries[enabled] = Entry(target=_relative(enabled, path))


def _relative(link: str, target: str) -> str:
    return os.path.relpath(target, os.path.dirname(link))


def is_ours(path: Path) -> bool:
    """Return whether Grove wrote a file. A link without its file counts: removing it does no harm."""
    if path.is_symlink() and not path.exists():
        return True
    try:
        return MARK in path.read_text(errors="replace")[: limits.MARK_CHARACTERS]
    except OSError:
        return False


def current(root: str, path: str) -> Entry:
    """Return the entry at ``path`` now."""
    absolute = Path(root, path)
    if absolute.is_symlink():
        return Entry(target=os.readlink(absolute))
    if absolute.is_file():
        with open(absolute, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return Entry(content=stream.read(), mode=absolute.stat().st_mode & 0o7777)
    return ABSENT


def changes(expected: ExpectedTree) -> dict[str, Entry]:
    """Return the expected entries that differ from the tree's own."""
    return {path: entry for path, entry in expected.entries.items() if current(expected.layout.root, path) != entry}


def refuse_foreign(expected: ExpectedTree, names: list[str]) -> None:
    """Raise TreeError when one of the sites called ``names`` would replace a file that Grove did not write."""
    for name in names:
        absolute = Path(expected.layout.root, expected.layout.site.format(name))
        if absolute.exists() and not is_ours(absolute):
            raise TreeError(f"{absolute} was not written by Grove; move it away, or give the record another name")


def put(root: str, path: str, entry: Entry) -> None:
    """Write or remove one path of the tree, atomically."""
    absolute = Path(root, path)
    if entry == ABSENT:
        absolute.unlink(missing_ok=True)
        return
    absolute.parent.mkdir(parents=True, exist_ok=True)
    if entry.target is not None:
        replace_link(absolute, entry.target)
    else:
        replace_text(absolute, entry.content or "", mode=entry.mode)


def environment(layout: Layout) -> dict[str, str]:
    """Return the environment that Apache's own control script would give it."""
    base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
    if not layout.envvars or not os.path.exists(layout.envvars):
        return base
    script = f"set -a; . {shlex.quote(layout.envvars)}; env -0"
    done = subprocess.run(["/bin/sh", "-c", script], env=base, capture_output=True, text=True, check=False)
    pairs = (item.partition("=") for item in done.stdout.split("\0") if "=" in item)
    return {**base, **{name: value for name, _, value in pairs}}


def ask_apache(layout: Layout, *options: str) -> subprocess.CompletedProcess[str]:
    """Let Apache check a configuration (``-t``); ``options`` say which one."""
    with tempfile.TemporaryDirectory(prefix="grove-run-") as scratch:
        values = environment(layout)
        for name in ("APACHE_RUN_DIR", "APACHE_LOCK_DIR"):
            # The control script makes these folders when it starts the server; a check is not to leave any.
            if name in values and not os.path.isdir(values[name]):
                values[name] = scratch
        return subprocess.run([layout.binary, "-t", *options], env=values, capture_output=True, text=True, check=False)


def check_staged(layout: Layout, entries: dict[str, Entry], *, early: bool = False) -> None:
    """Let Apache read a copy of the whole tree with ``entries`` in it.

    early: accounts, maps and certificates that ``entries`` name may be made later, as in a run that only checks.
    Raises TreeError with Apache's own message when it would not start with that.
    """
    with tempfile.TemporaryDirectory(prefix="grove-httpd-") as temporary:
        staged = os.path.join(temporary, "tree")
        shutil.copytree(layout.root, staged, symlinks=True)
        keep_outside_links(layout.root, staged)
        for path, entry in entries.items():
            put(staged, path, entry)
        _point_to_copy(layout, staged, list(entries))
        if early:
            _replace_later(staged, list(entries))
        done = ask_apache(layout, "-d", staged, "-f", os.path.join(staged, layout.main))
        if done.returncode:
            message = (done.stderr + done.stdout).replace(staged, layout.root).strip()
            raise TreeError(f"Apache refuses the new configuration, nothing was changed: {message}")


def apply(layout: Layout, entries: dict[str, Entry]) -> None:
    """Write ``entries`` into the real tree. After an error, put back the entries that were there, and raise it."""
    before = {path: current(layout.root, path) for path in entries}

    def position(path: str) -> tuple[bool, bool]:
        """Write a file before the link to it, and remove a link before its file."""
        is_link = (before if entries[path] == ABSENT else entries)[path].target is not None
        return entries[path] == ABSENT, is_link != (entries[path] == ABSENT)

    order = sorted(entries, key=position)
    try:
        for path in order:
            put(layout.root, path, entries[path])
    except BaseException:
        for path in reversed(order):
            with contextlib.suppress(OSError):
                put(layout.root, path, before[path])
        raise


def keep_outside_links(root: str, staged: str) -> None:
    """Make relative links that leave the tree absolute, as ``modules`` and ``run`` are on Red Hat."""
    for folder, subfolders, files in os.walk(staged):
        for name in [*subfolders, *files]:
            copy = os.path.join(folder, name)
            if not os.path.islink(copy) or os.path.isabs(os.readlink(copy)):
                continue
            original = os.path.join(root, os.path.relpath(folder, staged), os.readlink(copy))
            resolved = os.path.normpath(original)
            if not resolved.startswith(root.rstrip("/") + "/"):
                os.unlink(copy)
                os.symlink(resolved, copy)


def _point_to_copy(layout: Layout, staged: str, written: list[str]) -> None:
    """Let the copy refer to itself: in its ServerRoot, and in the files that were written into it."""
    main = Path(staged, layout.main)
    text = main.read_text(errors="replace")
    main.write_text(re.sub(r"(?m)^(\s*ServerRoot\s+).*$", rf'\g<1>"{staged}"', text))
    for path in written:
        absolute = Path(staged, path)
        if absolute.is_file() and not absolute.is_symlink():
            content = absolute.read_text(errors="replace")
            if layout.root + "/" in content:
                absolute.write_text(content.replace(layout.root + "/", staged + "/"))


def _replace_later(staged: str, written: list[str]) -> None:
    """Replace what the files of a copy name and the host does not have yet, by what every host has."""
    for path in written:
        absolute = Path(staged, path)
        if absolute.is_symlink() or not absolute.is_file():
            continue
        content = absolute.read_text(errors="replace")
        if any(not os.path.exists(file) for file in CERTIFICATE.findall(content)):
            content = re.sub(r"(?m)^\s*SSL(Engine|CertificateFile|CertificateKeyFile)\s.*$", "", content)
        content = MAP.sub(lambda match: match[0] if os.path.exists(match[2]) else f'{match[1]}"txt:/dev/null"', content)
        absolute.write_text(ACCOUNT.sub(_account, content))


def _account(match: re.Match[str]) -> str:
    """Return ``user=`` or ``group=`` with a name that the host has: its own, or else that of nobody."""
    try:
        if match[1] == "user":
            pwd.getpwnam(match[2])
        else:
            grp.getgrnam(match[2])
    except KeyError:
        return f"{match[1]}={pwd.getpwuid(NOBODY).pw_name if match[1] == 'user' else grp.getgrgid(NOBODY).gr_name}"
    return match[0]
