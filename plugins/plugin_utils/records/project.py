"""What a source folder says itself about the packages that it needs: the lock of another tool, or requirements.txt.

The locks of uv, Poetry, PDM and pipenv, and pylock.toml (PEP 751), become requirements with hashes, as a record's own
``lock`` has them. A requirements.txt in which each requirement has a hash is such a lock already. Another
requirements.txt says what to resolve when the release is built, and so does a pyproject.toml that describes no package.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ..source_files import excluding
from .limits import REQUIREMENTS_FILES

LOCK_REMEDY = "name a file of requirements with hashes with the key lock"
# More alternatives than this make a condition that nobody reads; the package is installed without one.
MOST_ALTERNATIVES = 16
UNCONDITIONAL: frozenset[str] = frozenset()
REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"
INCLUDE = re.compile(r"(?:-r|--requirement|(?P<constraint>-c|--constraint))[ =]?\s*(?P<file>\S+)$")
EDITABLE = re.compile(r"(?:-e|--editable)[ =]?\s*")
THE_PROJECT = re.compile(r"\./?(?:\[[^\]]*\])?$")
# pip's older form of NAME @ ADDRESS, which it still writes.
EGG = re.compile(r"(?P<address>\S+?)#(?P<before>\S*&)?egg=(?P<name>[\w.-]+(?:\[[^\]]*\])?)(?P<after>&\S+)?$")
ADDRESS = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?[a-z]+://\S+")
WHEEL_ADDRESS = re.compile(r"https?://\S+/(?P<file>[^/#?\s]+\.whl)(?:#\S*)?")
INDEX_OPTION = re.compile(r"(?:-i|--index-url|--extra-index-url|--no-index|-f|--find-links|--trusted-\w+)\b")
# What pip takes for the encoding of such a file. Windows writes the latter two.
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class ProjectError(ValueError):
    """A file of the source cannot be used; ``file`` holds ``actual``, and ``remedy`` says what would be right."""

    def __init__(self, file: str, actual: str, remedy: str = LOCK_REMEDY) -> None:
        super().__init__(f"{file}: found {actual}; {remedy}")
        self.file, self.actual, self.remedy = file, actual, remedy


@dataclass(frozen=True)
class Needs:
    """What a source needs, as ``file`` says: the text of a lock, or else requirements and constraints."""

    file: str = ""
    lock: str | None = None
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    def with_requirements(self, more: Iterable[str]) -> Needs:
        """Return these needs and more requirements. The versions of a lock stay, but it is resolved once more."""
        if self.lock is None:
            return replace(self, requirements=(*self.requirements, *more))
        pinned = tuple(re.sub(r"\s*\\\n.*", "", one) for one in re.split(r"\n(?=\S)", self.lock.strip()))
        return Needs(self.file, requirements=(*pinned, *more))

    def summary(self) -> str:
        """Return in words what is installed beside the application; empty for what its own metadata names."""
        if self.lock is not None:
            number = len(re.findall(r"^[^\s#-]", self.lock, re.MULTILINE))
            packages = "1 package" if number == 1 else f"{number} packages"
            return f"installs the {packages} that {self.file} names, with hashes"
        return f"installs {', '.join(self.requirements)}" if self.requirements else ""


@dataclass
class Package:
    """A locked package. ``needs`` has the keys of other packages, each with the marker under which it is needed."""

    name: str
    version: str
    hashes: tuple[str, ...]
    needs: list[tuple[str, str]] = field(default_factory=list)


def is_package(folder: Path, exclude: Collection[str] = ()) -> bool:
    """Return whether the source in ``folder`` is a package that a build makes, and not a folder of modules.

    ``exclude`` has the patterns of what the release does not get. Many a pyproject.toml has settings of tools alone.
    Others say that there is no package, with a key of uv, Poetry or PDM. Raises ProjectError.
    """
    if (folder / "setup.py").is_file() and not excluding("setup.py", exclude):
        return True
    content = _pyproject(folder, exclude)
    tools = content.get("tool", {})
    switches = (("uv", "package"), ("poetry", "package-mode"), ("pdm", "distribution"))
    if any(tools.get(tool, {}).get(key) is False for tool, key in switches):
        return False
    if "project" in content or "build-system" in content or tools.get("poetry", {}).get("name"):
        return True
    return bool(content) and (folder / "setup.cfg").is_file() and "[metadata]" in _decoded(folder / "setup.cfg")


def _pyproject(folder: Path, exclude: Collection[str]) -> dict[str, Any]:
    """Return the content of pyproject.toml; empty where the release has no such file. Raises ProjectError."""
    path = folder / PYPROJECT
    if not path.is_file() or excluding(PYPROJECT, exclude):
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProjectError(PYPROJECT, f"a file that cannot be read ({error})", "correct it, or remove it") from error


def needs_of(folder: Path, exclude: Collection[str] = ()) -> Needs:
    """Return what the source in ``folder`` needs, from the first of its files that says so. Raises ProjectError.

    ``exclude`` has the patterns of what the release does not get.
    """
    content = _pyproject(folder, exclude)
    for name, read in READERS.items():
        if (path := folder / name).is_file():
            try:
                return Needs(name, lock=_text(read(path)))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                if isinstance(error, ProjectError):
                    raise
                raise ProjectError(name, f"a file that cannot be read ({type(error).__name__}: {error})") from error
    if (folder / REQUIREMENTS).is_file():
        return _requirements(folder)
    # The build of a package reads the package's own dependencies.
    return Needs() if not content or is_package(folder, exclude) else _own_dependencies(content)


def _own_dependencies(content: Mapping[str, Any]) -> Needs:
    """Return what the pyproject.toml of no package names. Raises ProjectError."""
    if set(content.get("tool", {}).get("poetry", {}).get("dependencies", {})) - {"python"}:
        remedy = "poetry lock writes poetry.lock, which Grove reads; or name the packages in requirements.txt"
        raise ProjectError(PYPROJECT, "package-mode = false, and no poetry.lock", remedy)
    names = content.get("project", {}).get("dependencies", [])
    requirements = tuple(_requirement(str(text), PYPROJECT) for text in names)
    return Needs(PYPROJECT, requirements=requirements) if requirements else Needs()


def _text(packages: Iterable[tuple[Package, str]]) -> str:
    lines = []
    for package, marker in sorted(packages, key=lambda pair: (pair[0].name, pair[0].version)):
        condition = f" ; {marker}" if marker else ""
        hashes = "".join(f" \\\n    --hash={value}" for value in sorted(set(package.hashes)))
        lines.append(f"{package.name}=={package.version}{condition}{hashes}\n")
    return "".join(lines)


def _hashed(file: str, name: str, version: object, hashes: Iterable[object]) -> Package:
    values = tuple(str(value) for value in hashes if value)
    if not version or not values:
        raise ProjectError(file, f"{name} without a version or without hashes, which does not come from an index")
    return Package(canonicalize_name(name), str(version), values)


def _reachable(packages: Mapping[str, Package], roots: Iterable[tuple[str, str]]) -> Iterator[tuple[Package, str]]:
    """Yield the packages that the roots need, each with the marker under which it is needed."""
    conditions: dict[str, set[frozenset[str]]] = {}
    waiting = [(key, frozenset({marker} - {""})) for key, marker in roots]
    while waiting:
        key, condition = waiting.pop()
        known = conditions.setdefault(key, set())
        if any(other <= condition for other in known):
            continue
        known -= {other for other in known if condition < other}
        known.add(UNCONDITIONAL if len(known) >= MOST_ALTERNATIVES else condition)
        if UNCONDITIONAL in known:
            conditions[key] = {UNCONDITIONAL}
            condition = UNCONDITIONAL
        waiting += [(other, condition | ({marker} - {""})) for other, marker in packages[key].needs]
    for key, alternatives in conditions.items():
        marker = _joined("or", [_joined("and", one) for one in alternatives])
        yield packages[key], "" if UNCONDITIONAL in alternatives else marker


def _joined(word: str, markers: Iterable[str]) -> str:
    texts = sorted(markers)
    return texts[0] if len(texts) == 1 else f" {word} ".join(f"({text})" for text in texts)


def _uv(path: Path) -> Iterator[tuple[Package, str]]:
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        by_name.setdefault(entry["name"], []).append(entry)
    roots = [one for one in entries if "." in (one["source"].get("virtual"), one["source"].get("editable"))]
    if len(roots) != 1:
        raise ProjectError(path.name, f"{len(roots)} projects in this folder", "it has to be the lock of one project")

    def key(entry: Mapping[str, Any], extra: str = "") -> str:
        return f"{entry['name']} {entry.get('version', '')} {extra}"

    def targets(needs: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        for need in needs:
            candidates = [
                one for one in by_name[need["name"]] if need.get("version", one.get("version")) == one.get("version")
            ]
            for one in candidates:
                for extra in ("", *need.get("extra", ())):
                    yield key(one, extra), need.get("marker", "")

    packages: dict[str, Package] = {}
    for entry in entries:
        if entry is roots[0]:
            continue
        for extra, needs in (("", entry.get("dependencies", [])), *entry.get("optional-dependencies", {}).items()):
            files = [entry.get("sdist") or {}, *entry.get("wheels", [])]
            package = Package(canonicalize_name(entry["name"]), str(entry.get("version", "")), ())
            package.hashes = tuple(file["hash"] for file in files if file.get("hash"))
            package.needs = list(targets(needs))
            packages[key(entry, extra)] = package
    found: dict[tuple[str, str], tuple[Package, set[str]]] = {}
    for package, marker in _reachable(packages, targets(roots[0].get("dependencies", []))):
        checked = _hashed(path.name, package.name, package.version, package.hashes)
        found.setdefault((package.name, package.version), (checked, set()))[1].add(marker)
    for package, markers in found.values():
        yield package, "" if "" in markers else _joined("or", markers)


def _poetry(path: Path) -> Iterator[tuple[Package, str]]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    former_files = content.get("metadata", {}).get("files", {})
    packages: dict[str, Package] = {}
    markers: dict[str, str] = {}
    for entry in content["package"]:
        name = canonicalize_name(entry["name"])
        if "groups" in entry and "main" not in entry["groups"]:
            continue
        if name in packages:
            raise ProjectError(
                path.name, f"{name} in several versions", "export it (poetry export) to requirements.txt"
            )
        files = entry.get("files") or former_files.get(entry["name"], [])
        packages[name] = Package(name, str(entry["version"]), tuple(file["hash"] for file in files))
        marker = entry.get("markers", "")
        markers[name] = marker if isinstance(marker, str) else marker.get("main", "")
        packages[name].needs = [
            (canonicalize_name(other), str(one.get("markers", "")) if isinstance(one, Mapping) else "")
            for other, needs in entry.get("dependencies", {}).items()
            for one in (needs if isinstance(needs, list) else [needs])
            if not (isinstance(one, Mapping) and one.get("optional"))
        ]
    roots = [root for root in _roots_of_poetry(path) if root[0] in packages]
    for package in packages.values():
        package.needs = [need for need in package.needs if need[0] in packages]
    for package, marker in _reachable(packages, roots):
        yield _hashed(path.name, package.name, package.version, package.hashes), markers[package.name] or marker


def _roots_of_poetry(path: Path) -> Iterator[tuple[str, str]]:
    project = tomllib.loads((path.parent / "pyproject.toml").read_text(encoding="utf-8"))
    for text in project.get("project", {}).get("dependencies", []):
        requirement = Requirement(text)
        yield canonicalize_name(requirement.name), str(requirement.marker or "")
    for name, needs in project.get("tool", {}).get("poetry", {}).get("dependencies", {}).items():
        for one in needs if isinstance(needs, list) else [needs]:
            if name != "python" and not (isinstance(one, Mapping) and one.get("optional")):
                yield canonicalize_name(name), str(one.get("markers", "")) if isinstance(one, Mapping) else ""


def _pdm(path: Path) -> Iterator[tuple[Package, str]]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    # A lock without packages has its metadata alone.
    for entry in content["package"] if "metadata" not in content else content.get("package", []):
        if "default" in entry.get("groups", ["default"]):
            hashes = [file.get("hash") for file in entry.get("files", [])]
            yield _hashed(path.name, entry["name"], entry.get("version"), hashes), str(entry.get("marker", ""))


def _pipenv(path: Path) -> Iterator[tuple[Package, str]]:
    for name, entry in json.loads(path.read_text(encoding="utf-8"))["default"].items():
        version = str(entry.get("version", "")).removeprefix("==")
        yield _hashed(path.name, name, version, entry.get("hashes", [])), str(entry.get("markers", ""))


def _pylock(path: Path) -> Iterator[tuple[Package, str]]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    groups = set(content.get("default-groups", []))
    for entry in content["packages"]:
        marker = str(entry.get("marker", ""))
        if re.search(r"\b(extras|dependency_groups)\b", marker):
            environment: dict[str, Any] = {"extras": set(), "dependency_groups": groups}
            if not Marker(marker).evaluate(environment, context="lock_file"):
                continue
            marker = ""
        if entry.get("directory", {}).get("path") in (".", "./"):
            continue
        files = [entry.get("sdist") or {}, *entry.get("wheels", [])]
        hashes = [f"{kind}:{value}" for file in files for kind, value in file.get("hashes", {}).items()]
        yield _hashed(path.name, entry["name"], entry.get("version"), hashes), marker


READERS: dict[str, Callable[[Path], Iterable[tuple[Package, str]]]] = {
    "pylock.toml": _pylock,
    "uv.lock": _uv,
    "poetry.lock": _poetry,
    "pdm.lock": _pdm,
    "Pipfile.lock": _pipenv,
}
NAMES = (*READERS, REQUIREMENTS)


def _requirements(folder: Path) -> Needs:
    requirements: list[str] = []
    constraints: list[str] = []
    is_lock = True
    waiting = [(folder / REQUIREMENTS, requirements)]
    seen: set[Path] = set()
    while waiting:
        path, target = waiting.pop(0)
        name = os.path.relpath(path, folder)
        if path in seen:
            continue
        seen.add(path)
        if len(seen) > REQUIREMENTS_FILES:
            raise ProjectError(REQUIREMENTS, f"more than {REQUIREMENTS_FILES} files that include each other")
        for line in _lines(path, name, folder):
            if include := INCLUDE.match(line):
                is_lock = False
                inner = constraints if include["constraint"] or target is constraints else requirements
                waiting.append((path.parent / include["file"], inner))
            elif THE_PROJECT.match(line := EDITABLE.sub("", line, count=1)):
                is_lock = False
            else:
                text, *hashes = re.split(r"\s+--hash[= ]", line)
                is_lock = is_lock and bool(hashes)
                target.append(_requirement(text.strip(), name))
    if is_lock and requirements:
        return Needs(REQUIREMENTS, lock=_decoded(folder / REQUIREMENTS))
    return Needs(REQUIREMENTS, requirements=tuple(requirements), constraints=tuple(constraints))


def _lines(path: Path, name: str, folder: Path) -> Iterator[str]:
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise ProjectError(REQUIREMENTS, f"the file {name}, which is not in the source")
    try:
        text = _decoded(path)
    except (OSError, UnicodeError) as error:
        raise ProjectError(name, f"a file that cannot be read ({error})", "save it as UTF-8") from error
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if stripped := re.sub(r"(^|\s+)#.*$", "", line).strip():
            yield stripped


def _decoded(path: Path) -> str:
    """Return the text of a file with the line ends of Unix, whatever mark of an encoding it begins with."""
    content = path.read_bytes()
    encoding = next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), "utf-8")
    return content.decode(encoding).replace("\r\n", "\n").removeprefix("\ufeff")


def _requirement(text: str, file: str) -> str:
    """Return a requirement as PEP 508 has it, also where a line names it in a way of pip's. Raises ProjectError."""
    try:
        return str(Requirement(_named(text)))
    except (InvalidRequirement, InvalidMarker) as error:
        kind = "the option" if text.startswith("-") else "the line"
        raise ProjectError(file, f"{kind} {without_account(text)[:60]!r}", _remedy(text)) from error


def _named(text: str) -> str:
    """Return an address with its package's name before it, where the address says the name."""
    if egg := EGG.fullmatch(text):
        fragment = ((egg["before"] or "") + (egg["after"] or "").removeprefix("&")).removesuffix("&")
        return f"{egg['name']} @ {egg['address']}{f'#{fragment}' if fragment else ''}"
    if wheel := WHEEL_ADDRESS.fullmatch(text):
        try:
            return f"{parse_wheel_filename(wheel['file'])[0]} @ {text}"
        except InvalidWheelFilename:
            return text
    return text


def _remedy(text: str) -> str:
    if INDEX_OPTION.match(text):
        return "remove it, and set the index for the host with uv_environment (UV_DEFAULT_INDEX); or " + LOCK_REMEDY
    if ADDRESS.fullmatch(text):
        return "write the package's name before the address: NAME @ ADDRESS"
    if text.startswith(("./", "../", "/", "file:")):
        return "remove it, and name the folder of that Python package with the key extras; or " + LOCK_REMEDY
    return "it has to have requirements such as flask==3.0, -r FILE or -c FILE in each line; or " + LOCK_REMEDY
