"""Files that a release makes of its own source before it is published, such as collected or compiled assets."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.release import hooks, launching
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import BuildError

HOOK = "build"


def make(release: Path, account: pwd.struct_passwd) -> None:
    """Run the commands of the key ``build`` as the account, which may write to ``src`` alone until they have ended.

    Afterwards root owns all that they have made. Raises BuildError for a command that fails, and for what root must not
    follow or cannot serve: links that lead out of ``src``, and files that are neither files nor folders.
    """
    lines = launching.commands_of(release).get(HOOK) or []
    lines = [lines] if isinstance(lines, str) else lines
    source = release / "src"
    if not lines:
        return
    _give(source, account.pw_uid, account.pw_gid)
    try:
        described = launching.read(release)
        for number, line in enumerate(lines):
            key = HOOK if len(lines) == 1 else f"{HOOK}[{number}]"
            hooks.run_line(described, release, key, shlex.split(line), account)
    except (hooks.HookError, ValueError, KeyError) as error:
        raise BuildError(f"{explain(error)}\nNothing that serves was changed") from error
    finally:
        _give(source, 0, 0)
    source.chmod(0o750)
    os.chown(source, 0, account.pw_gid)
    _check(source)


def _give(top: Path, user: int, group: int) -> None:
    """Let the user own a folder with all in it. A folder comes before its entries, which cannot be replaced then."""
    for path in _entries(top):
        os.chown(path, user, group, follow_symlinks=False)
        if not path.is_symlink():
            mode = stat.S_IMODE(path.lstat().st_mode)
            # The first time, the account has to write; then, nobody but root may.
            path.chmod(mode | 0o200 if user else (mode | 0o444 | (0o111 if path.is_dir() else 0)) & 0o755)


def _entries(top: Path) -> Iterator[Path]:
    yield top
    for parent, folders, files in os.walk(top):
        for name in (*folders, *files):
            yield Path(parent, name)


def _check(source: Path) -> None:
    top = source.resolve()
    for path in _entries(source):
        name = path.relative_to(source)
        if path.is_symlink():
            if not path.resolve().is_relative_to(top):
                raise BuildError(
                    f"key {HOOK}: the commands made src/{name}, a link to {os.readlink(path)}, which is not in src;"
                    " let them copy what it leads to"
                )
        elif not path.is_file() and not path.is_dir():
            raise BuildError(f"key {HOOK}: the commands made src/{name}, which is neither a file nor a folder")
