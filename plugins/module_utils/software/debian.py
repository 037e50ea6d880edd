"""The security updates of a Debian host, as apt's lists have them. Nothing is downloaded or written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

INFO = Path("/var/lib/dpkg/info")
SUFFIX = "-security"
"""The end of the label (Debian) or the suite (Debian, Ubuntu) of an archive of security updates, in lower case."""

Updates = dict[str, Any]


def updates(mapped: Mapping[str, Set[str]], lists_days: float, info: Path = INFO) -> Updates:
    """Return the pending security updates.

    ``mapped`` gives the files that the processes of each application, and of Apache, have mapped. The result has
    ``security``, a list of ``package``, ``installed``, ``available`` and ``used_by``; ``others``, the number of other
    updates; ``lists_hours``, the age of apt's lists; and ``problems``: why security updates may be missing. They may be
    with lists older than ``lists_days``.
    """
    result: Updates = {"security": [], "others": 0, "lists_hours": None, "problems": []}
    try:
        import apt
        import apt_pkg
    except ImportError:
        problem = "the host's Python cannot read apt's lists; on Debian, install python3-apt"
        return {**result, "problems": [problem]}
    apt_pkg.init_config()
    # The cache is made in memory, not in the files that apt keeps.
    for name in ("pkgcache", "srcpkgcache"):
        apt_pkg.config.set(f"Dir::Cache::{name}", "")
    cache = apt.Cache()
    lists = Path(apt_pkg.config.find_dir("Dir::State::lists"))
    result["problems"] = list(_problems(cache, apt_pkg.SourceList, lists, lists_days))
    result["lists_hours"] = _age_hours(lists)
    for package in cache:
        if not package.is_installed:
            continue
        newer = [version for version in package.versions if version > package.installed]
        secure = [version for version in newer if any(is_security(one.label, one.archive) for one in version.origins)]
        if secure:
            result["security"].append(
                {
                    "package": package.shortname,
                    "installed": package.installed.version,
                    "available": max(secure).version,
                    "used_by": used_by(_files(package.shortname, package.architecture(), info), mapped),
                }
            )
        elif package.is_upgradable:
            result["others"] += 1
    result["security"].sort(key=lambda one: (not one["used_by"], one["package"]))
    return result


def is_security(label: str, suite: str) -> bool:
    """Return whether an archive with that label and suite has security updates."""
    return label.lower().endswith(SUFFIX) or suite.lower().endswith(SUFFIX)


def used_by(files: Set[str], mapped: Mapping[str, Set[str]]) -> list[str]:
    """Return the users that have mapped one of the files."""
    return sorted(user for user, own in mapped.items() if not files.isdisjoint(own))


def _problems(cache: Any, read_sources: Callable[[], Any], lists: Path, lists_days: float) -> Iterator[str]:
    sources = read_sources()
    sources.read_main_list()
    indexes = [(file, sources.find_index(file)) for file in cache._cache.file_list if not file.not_source]
    if not any(is_security(file.label or "", file.archive or "") for file, _ in indexes):
        yield "apt's lists have no archive of security updates; add it to the sources, and run apt-get update"
    unsigned = sorted({str(file.site or file.filename) for file, index in indexes if index and not index.is_trusted})
    if unsigned:
        yield f"apt has no valid signature for {', '.join(unsigned)}"
    age = _age_hours(lists)
    if age is None or age > lists_days * 24:
        actual = "are not there" if age is None else f"are {age} h old"
        yield f"apt's lists {actual}; run again with -e audit_refresh=true, or run apt-get update on the host"


def _age_hours(lists: Path) -> int | None:
    """Return the hours since apt's lists were updated. An update renews ``partial`` where no list has changed, too."""
    if not any(lists.glob("*_Packages*")):
        return None
    times = [path.stat().st_mtime for path in (lists, lists / "partial") if path.exists()]
    return max(0, int((time.time() - max(times)) // 3600))


def _files(package: str, architecture: str, info: Path) -> set[str]:
    """Return the files of an installed package by the names that the kernel gives them: /lib is a link to /usr/lib."""
    for name in (package, f"{package}:{architecture}"):
        path = info / f"{name}.list"
        if path.exists():
            paths = (os.path.split(line) for line in path.read_text().splitlines())
            # A link to another package's file stays a link: the file is not in this package.
            return {os.path.join(os.path.realpath(folder), file) for folder, file in paths}
    return set()
