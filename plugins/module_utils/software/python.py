"""The Python packages of a host: those of the applications' releases, and those of Grove's own tools."""

from __future__ import annotations

from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.release import sbom
from ansible_collections.grove.wsgi.plugins.module_utils.release.packages import Package, installed
from ansible_collections.grove.wsgi.plugins.module_utils.release.virtualenvs import LOCK

Part = dict[str, Any]
PROGRAMS = ("uv",)
"""Tools that are one program. Where the host is the controller, the program is copied without a package's metadata."""


def release_parts(folder: AppFolder) -> list[Part]:
    """Return the releases of an application: those that serve come first.

    A part has ``part``, ``release``, ``serves``, ``locked`` (whether the record had a lock), ``packages`` (versions of
    the packages of an index, by name), ``own`` (the same of all others) and ``changed``: how the virtualenv differs
    from the release's bill of materials.
    """
    if not folder.releases.is_dir():
        return []
    serving = _serving(folder)
    parts = []
    for path in sorted(folder.releases.iterdir()):
        if folder.describe(path.name) is None:
            continue
        packages = sbom.installed_packages(path)
        parts.append(
            {
                **_part(folder.name, path.name, packages, serves=path.name in serving),
                "locked": (path / LOCK).exists(),
                "changed": _changes(sbom.listed_packages(path), packages),
            }
        )
    return sorted(parts, key=lambda part: not part["serves"])


def tool_parts(folders: Iterable[Path], mapped: Set[str]) -> list[Part]:
    """Return Grove's own tools on the host. A folder holds one virtualenv, or one for each version of a tool.

    Of several versions, the one serves that a process has mapped (``mapped`` names files), or else the newest.
    """
    parts = []
    for folder in folders:
        versions = [folder] if (folder / "pyvenv.cfg").exists() else _versions(folder)
        in_use = {path for path in versions if any(file.startswith(f"{path}/") for file in mapped)}
        in_use = in_use or set(versions[-1:])
        for path in versions:
            packages = installed(path)
            known = {package.name for package in packages}
            programs = [name for name in PROGRAMS if name not in known and (path / "bin" / name).exists()]
            packages += [Package(name, path.name) for name in programs]
            parts.append({**_part(folder.name, None, packages, serves=path in in_use), "locked": True, "changed": []})
    return parts


def _versions(folder: Path) -> list[Path]:
    """Return the folders of a tool's versions, the newest last."""
    folders = [path for path in folder.iterdir() if (path / "bin").is_dir()] if folder.is_dir() else []
    return sorted(folders, key=lambda path: path.stat().st_mtime)


def _part(name: str, release: str | None, packages: list[Package], *, serves: bool) -> Part:
    return {
        "part": name,
        "release": release,
        "serves": serves,
        "packages": {package.name: package.version for package in packages if package.from_index},
        "own": {package.name: package.version for package in packages if not package.from_index},
    }


def _serving(folder: AppFolder) -> set[str | None]:
    """Return the releases that answer requests, or that an agent runs. With a broken slot map, those of both slots."""
    try:
        colours: Iterable[str] = folder.shares()
    except FolderError:
        colours = COLOURS
    return {*(folder.release_of(colour) for colour in colours), *folder.agent_releases().values()}


def _changes(listed: dict[str, str] | None, packages: list[Package]) -> list[str]:
    if listed is None:
        return []
    actual = {package.name: package.version for package in packages}
    return [
        f"{name}: {listed.get(name, 'not there')} when built, {actual.get(name, 'not there')} now"
        for name in sorted({*listed, *actual})
        if listed.get(name) != actual.get(name)
    ]
