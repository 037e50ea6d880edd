"""The configuration tree of a generation: a copy of Apache's tree in which the generation has places of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.generation import limits, state
from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import Generation, GenerationError, Settings
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import loaded, tree

NAME = "zz-grove-generation"
"""The snippet with the directives of one generation. Apache's tree has none."""
DAEMONS = re.compile(r"(?m)^WSGIDaemonProcess (\S+)-(?:blue|green) .*?\bprocesses=(\d+)")
KEEPALIVE = re.compile(r"(?mi)^\s*KeepAliveTimeout\s+(\d+)(ms)?\s*$")
FOLDER_MODE = 0o711
"""Of the folder of the trees. Apache's account reads files of a tree by their names, as those of Apache's own tree."""
TEXT = f"""\
# {tree.MARK}: what this generation has of its own.
# More than the host has cores: one socket an address, which a second Apache may share.
ListenCoresBucketsRatio 100000
PidFile "{{pid_file}}"
Listen {{door}}
# As long as the file is there, every answer closes its connection.
SetEnvIfExpr "-f '{{leaving}}'" nokeepalive
"""


def make(settings: Settings) -> Generation:
    """Copy Apache's tree for a new generation, which does not run yet. Raises GenerationError if Apache refuses it."""
    known = [one.number for one in state.every(settings)]
    generation = Generation(settings, max(known, default=0) + 1)
    temporary = generation.tree.with_name(f".{generation.number}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    settings.folder.mkdir(parents=True, exist_ok=True)
    settings.folder.chmod(FOLDER_MODE)
    shutil.copytree(settings.layout.root, temporary, symlinks=True)
    _keep_owners(Path(settings.layout.root), temporary)
    tree.keep_outside_links(settings.layout.root, str(temporary))
    _adapt(generation, temporary)
    # What is written from now on is not in the copy.
    if loaded.APPLIED.exists():
        shutil.copy(loaded.APPLIED, generation.applied)
    temporary.rename(generation.tree)
    try:
        check(generation)
    except GenerationError:
        remove(generation)
        raise
    return generation


def check(generation: Generation) -> None:
    """Let Apache read the tree of a generation. Raises GenerationError with Apache's message if it refuses the tree."""
    settings = generation.settings
    done = tree.ask_apache(settings.layout, *options(generation))
    if done.returncode:
        raise GenerationError(f"Apache refuses the configuration: {shown(generation, done.stderr + done.stdout)}")


def options(generation: Generation) -> list[str]:
    """Return the options with which Apache reads the tree of the generation."""
    return ["-d", str(generation.tree), "-f", str(generation.tree / generation.settings.layout.main)]


def shown(generation: Generation, text: str) -> str:
    """Return a message of Apache in which the files are those that an operator changes."""
    return text.replace(str(generation.tree), generation.settings.layout.root).strip()


def remove(generation: Generation) -> None:
    """Remove the tree of a generation that does not run."""
    shutil.rmtree(generation.tree, ignore_errors=True)
    generation.applied.unlink(missing_ok=True)


def prune(settings: Settings) -> None:
    """Remove the trees that nothing needs: all but those of the live generation, the former one and running ones."""
    live = state.live(settings)
    if live is None:
        return
    kept = {live.number} | {one.number for one in state.running(settings)}
    older = [one.number for one in state.every(settings) if one.number < live.number]
    kept |= set(older[-(limits.KEPT_TREES - 1) :])
    for one in state.every(settings):
        if one.number not in kept:
            remove(one)
            one.pid_file.unlink(missing_ok=True)
        if one.parent() is None:
            one.leaving.unlink(missing_ok=True)


def processes_of(generation: Generation) -> dict[str, int]:
    """Return the applications that the generation has, each with the number of processes of a slot."""
    return {name: int(count) for text in _texts(generation) for name, count in DAEMONS.findall(text)}


def keepalive_seconds(generation: Generation) -> float:
    """Return for how long the generation keeps an idle connection, at most."""
    values = [
        int(number) / (1000 if unit else 1) for text in _texts(generation) for number, unit in KEEPALIVE.findall(text)
    ]
    return max(values, default=limits.KEEPALIVE_SECONDS)


def _texts(generation: Generation) -> list[str]:
    """Return the configuration files that Apache reads: on Debian, those that a link enables."""
    layout = generation.settings.layout
    patterns = [layout.main, layout.conf_enabled or layout.conf, layout.site_enabled or layout.site]
    paths = {path for pattern in patterns for path in generation.tree.glob(pattern.format("*")) if path.is_file()}
    return [path.read_text(errors="replace") for path in sorted(paths)]


def _keep_owners(original: Path, copy: Path) -> None:
    """Give the files and folders of a copy the owners of the original: Apache's account may read some by its group."""
    for folder, subfolders, names in os.walk(copy):
        for path in (Path(folder, name) for name in (".", *subfolders, *names)):
            # Somebody may remove a file meanwhile.
            with contextlib.suppress(FileNotFoundError):
                status = (original / path.relative_to(copy)).lstat()
                os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)


def _adapt(generation: Generation, copy: Path) -> None:
    """Let a copy of Apache's tree be that of the generation."""
    settings = generation.settings
    layout = settings.layout
    main = copy / layout.main
    text = main.read_text(errors="replace")
    main.write_text(re.sub(r"(?m)^(\s*ServerRoot\s+).*$", rf'\g<1>"{generation.tree}"', text))
    own_door = settings.own_doors[generation.number % 2]
    certificates = f"{layout.root}/grove-tls/"
    for folder, _, names in os.walk(copy):
        for path in (Path(folder, name) for name in names):
            if path.is_symlink() or not tree.is_ours(path):
                continue
            before = path.read_text(errors="surrogateescape")
            after = before.replace(f"<VirtualHost {settings.door}>", f"<VirtualHost {settings.door} {own_door}>")
            # The live generation starts at boot although a run has removed, or replaced, what it names.
            after = after.replace(certificates, f"{generation.tree}/grove-tls/")
            if after != before:
                path.write_text(after, errors="surrogateescape")
    snippet = TEXT.format(pid_file=generation.pid_file, door=own_door, leaving=generation.leaving)
    entry = tree.Entry(content=snippet)
    tree.put(str(copy), layout.conf.format(NAME), entry)
    if layout.conf_enabled:
        link = layout.conf_enabled.format(NAME)
        target = os.path.relpath(layout.conf.format(NAME), os.path.dirname(link))
        tree.put(str(copy), link, tree.Entry(target=target))
