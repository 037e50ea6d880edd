"""The Python that daemon processes start with: a virtualenv without packages of any application.

A daemon process runs what is in the virtualenv that it starts with before anything else, as by ``.pth`` files. So it
starts with this one, whose only package is ``wsgi/grove_daemon``, and ``slot.wsgi`` adds the release's own virtualenv.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_link, replace_text

FILE_MODE = 0o644


@dataclass(frozen=True)
class DaemonPython:
    """The virtualenv in ``folder``, for the interpreter ``python`` of ``version`` below ``prefix``.

    ``packages`` are the files in its folder of packages, by their paths there.
    """

    folder: Path
    python: str
    version: str
    prefix: str
    packages: Mapping[str, str]

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> DaemonPython:
        """Take it out of a module's arguments."""
        python, version, prefix = (str(params[name]) for name in ("python", "version", "prefix"))
        return cls(Path(params["folder"]), python, version, prefix, params["packages"])

    @property
    def link(self) -> Path:
        """The symbolic link to the interpreter."""
        return self.folder / "bin" / "python"

    def files(self) -> dict[Path, str]:
        """Return the contents of the files by path."""
        packages = self.folder / "lib" / f"python{'.'.join(self.version.split('.')[:2])}" / "site-packages"
        configuration = f"home = {self.prefix}/bin\ninclude-system-site-packages = false\nversion = {self.version}\n"
        return {
            self.folder / "pyvenv.cfg": configuration,
            **{packages / name: text for name, text in self.packages.items()},
        }

    def ensure(self, *, dry: bool) -> dict[str, Any]:
        """Write what is missing or differs; return the module's result. Raises OSError."""
        files, link = self.files(), self.link
        changed = sorted(str(path) for path, text in files.items() if _text(path) != text)
        is_linked = link.is_symlink() and os.readlink(link) == self.python
        if not dry:
            if not is_linked:
                _make_folder(link.parent)
                replace_link(link, self.python)
            for name in changed:
                _make_folder(Path(name).parent)
                replace_text(Path(name), files[Path(name)], mode=FILE_MODE)
        return {"changed": bool(changed) or not is_linked, "changed_files": changed}


def _make_folder(path: Path) -> None:
    """Make a folder that every account may read, whatever the umask of this process is."""
    before = os.umask(0o022)
    try:
        path.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(before)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
