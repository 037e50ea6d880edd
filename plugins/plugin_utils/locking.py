"""Making the lock of an application with uv, on the controller, for the Python and the platform of its hosts."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.release.output import last_lines, without_account
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from . import lock_text
from .records.project import is_package, needs_of
from .source_files import SourceFiles

PROJECT_FILES = ("pyproject.toml", "setup.py")
BACKEND = "setuptools"
"""A source is built by the lock's own setuptools where the lock has them, without other packages from an index."""
SHOWN_LINES = 12
UNREACHABLE = re.compile(r"Failed to fetch|error sending request|dns error|Request failed", re.IGNORECASE)
INDEX_HINT = (
    "\nThe lock is made on this machine, which has to reach the index. For a proxy or an index of your own see"
    " docs/runbook.md, section Work without internet"
)
# What uv is told on a host, and what names files of the host.
OF_THE_HOST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "REQUESTS_CA_BUNDLE", "UV_CACHE_DIR", "UV_FIND_LINKS")
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
ABI = re.compile(r"cpython-\d+\w*-(?P<machine>\w+)-linux-gnu")
# The C libraries that uv knows as the platforms manylinux_2_N.
GLIBC = (17, 28, *range(31, 41))
MACHINES = ("x86_64", "aarch64")


class LockError(OperatorError):
    """The lock cannot be made."""


@dataclass(frozen=True)
class Target:
    """What a lock is for: the version of a Python (3.11), the machine, and the minor version of glibc; 0 if unknown."""

    python: str
    machine: str = ""
    glibc: int = 0

    @classmethod
    def of(cls, python: Mapping[str, Any]) -> Target:
        """Return the target of a Python as ``host_info`` describes it."""
        match = ABI.fullmatch(python["abi"] or "")
        libc = re.fullmatch(r"2\.(\d+)", python.get("glibc", ""))
        version = ".".join(python["version"].split(".")[:2])
        return cls(version, match["machine"] if match else "", int(libc[1]) if libc else 0)

    def __str__(self) -> str:
        """Return the target in words."""
        machine = f" on {self.machine}" if self.machine else ""
        return f"Python {self.python}{machine}{f' with glibc 2.{self.glibc}' if self.machine and self.glibc else ''}"


def platform(targets: Collection[Target]) -> tuple[list[str], str]:
    """Return uv's options for all targets, and in words for what the lock is."""
    oldest = min(targets, key=lambda one: [int(part) for part in one.python.split(".")])
    first = next(iter(targets))
    versions = ["--python-version", oldest.python]
    known = [number for number in GLIBC if number <= min(one.glibc for one in targets)]
    if any((one.python, one.machine) != (first.python, first.machine) for one in targets):
        return [*versions, "--universal"], f"Python {oldest.python} and later, on every platform"
    if first.machine not in MACHINES or not known:
        return [*versions, "--universal"], f"Python {first.python}, on every platform"
    options = [*versions, "--python-platform", f"{first.machine}-manylinux_2_{known[-1]}"]
    return options, str(replace(first, glibc=min(one.glibc for one in targets)))


@dataclass(frozen=True)
class Wanted:
    """What a lock has to have, as one record says it.

    source: kind, text and path, as in a record. requirements: those of the record.
    lock: what the record names; None for nothing. path: that file where it exists.
    """

    name: str
    source: Mapping[str, Any]
    exclude: Sequence[str] = ()
    requirements: Sequence[str] = ()
    lock: str | None = None
    path: str | None = None

    def place(self, folders: Iterable[str]) -> Path:
        """Return where the lock is, or is going to be."""
        if self.path:
            return Path(os.path.realpath(self.path))
        text = self.lock or f"{self.name}.lock"
        if os.path.isabs(text):
            return Path(text)
        candidates = [Path(folder, text) for folder in folders if os.path.isdir(folder)]
        if not candidates:
            raise LockError(
                f"record {self.name}, key lock: no folder of wsgi_app_search_path exists to put {text} into"
            )
        return next((one for one in candidates if one.parent.is_dir()), candidates[0])


@dataclass
class Workspace:
    """A folder in which uv works. ``arguments`` are the files that say what is wanted."""

    folder: Path
    wanted: Wanted
    inventories: Collection[str] = ()
    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)

    def fill(self, lock: Path) -> None:
        """Write what the record names. ``lock`` is where it belongs. Raises LockError, ProjectError and OSError."""
        source = self.wanted.source
        if source["kind"] == "folder":
            self._add_folder(Path(source["path"]), lock)
        elif source["kind"] == "wheel":
            copied = shutil.copy(source["path"], self.folder)
            self.lines.append(str(copied))
        else:
            self.lines.append(source["text"])
        self.lines += self.wanted.requirements
        for name, lines in (("wanted.txt", self.lines), ("constraints.txt", self.constraints)):
            Path(self.folder, name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self.arguments.insert(0, "wanted.txt")

    def _add_folder(self, folder: Path, lock: Path) -> None:
        needs = needs_of(folder, self.wanted.exclude)
        if needs.file and lock == (folder / needs.file).resolve():
            raise LockError(
                f"record {self.wanted.name}, key lock: found {self.wanted.lock}, from which the lock would be made;"
                f" name another file, such as {self.wanted.name}.lock"
            )
        if needs.lock is not None and not self.wanted.lock and not self.wanted.requirements:
            raise LockError(
                f"record {self.wanted.name}, key source: found {needs.file}, which has the versions and hashes already;"
                " to use another lock, name its file with the key lock"
            )
        own = needs.with_requirements(()) if needs.lock is not None else needs
        self.lines += own.requirements
        self.constraints += own.constraints
        # Without the project's own files, which would get those of the build, and with what a release gets of them.
        for file in SourceFiles(folder, self.wanted.exclude, self.inventories).read():
            target = self.folder / "src" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.origin, target)
        project = next((name for name in PROJECT_FILES if (self.folder / "src" / name).is_file()), None)
        if project and is_package(folder, self.wanted.exclude):
            self.arguments.append(f"src/{project}")
            self.lines += build_requirements(self.folder / "src")

    def compile(self, former: str, options: Sequence[str], environment: Mapping[str, str]) -> str:
        """Return the new lock. Versions of the former one stay where nothing speaks against them. Raises LockError."""
        result = self.folder / "result.txt"
        result.write_text(former, encoding="utf-8")
        command = [uv(), "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate"]
        command += [*options, "--constraints", "constraints.txt", "--output-file", result.name, "--", *self.arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**environment, "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "TMPDIR": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            output = without_account(last_lines(done.stdout, SHOWN_LINES)).replace(f"{self.folder}/", "")
            hint = INDEX_HINT if UNREACHABLE.search(output) else ""
            raise LockError(
                f"record {self.wanted.name}: uv cannot make the lock, and nothing was written:\n{output}{hint}"
            )
        return self._without_application(result.read_text(encoding="utf-8"))

    def _without_application(self, text: str) -> str:
        """Return a lock without the application itself where that has no hash: a wheel beside it, or a commit."""
        source = self.wanted.source
        address = repository(source["text"]) if source["kind"] == "vcs" else ""
        kept = []
        for entry in re.split(r"\n(?=\S)", text.strip()):
            packages = lock_text.packages(entry)
            if not packages or f"{self.folder}/" in entry:
                continue
            [package] = packages
            if address and repository(package.version) == address:
                continue
            if not package.is_hashed:
                raise LockError(
                    f"record {self.wanted.name}: found {without_account(package.version)} for {package.name}, which has"
                    " no hash, so that no lock can name it; use a version from an index, or the address of a file"
                )
            kept.append(entry)
        return "".join(f"{entry}\n" for entry in kept)


def uv() -> str:
    """Return the path of the controller's uv."""
    beside = Path(sys.executable).with_name("uv")
    path = str(beside) if beside.is_file() else shutil.which("uv")
    if not path:
        raise LockError("this machine has no uv; ./grove installs it into .venv")
    return path


def repository(address: str) -> str:
    """Return an address of a repository without account, commit and fragment."""
    scheme, _, rest = without_account(address).partition("#")[0].partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/{path.partition('@')[0].removesuffix('.git')}"


def build_requirements(folder: Path) -> list[str]:
    """Return what a project needs to be built, where setuptools build it; empty for another backend."""
    file = folder / "pyproject.toml"
    content: dict[str, Any] = {}
    if file.is_file():
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise LockError(f"pyproject.toml of the source cannot be read ({error})") from error
    requires = content.get("build-system", {}).get("requires", [BACKEND])
    return [str(text) for text in requires] if any(_name(str(text)) == BACKEND for text in requires) else []


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return ""


def environment_of_uv(shell: Mapping[str, str], of_host: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of uv on this machine: the shell's, and the host's index and proxy where it has none."""
    found = {key: str(value) for key, value in of_host.items() if key not in OF_THE_HOST} | dict(shell)
    if found.get("PIP_INDEX_URL"):
        found.setdefault("UV_DEFAULT_INDEX", found["PIP_INDEX_URL"])
    ours = (found.get("PIP_CERT"), found.get("REQUESTS_CA_BUNDLE"), *filter(os.path.isfile, BUNDLES))
    if bundle := next(filter(None, ours), None):
        found.setdefault("SSL_CERT_FILE", bundle)
    return found


def upgrade_options(upgrade: object, former: str) -> list[str]:
    """Return uv's options for the variable ``upgrade``: true, a package, or several. Raises LockError."""
    names = upgrade if isinstance(upgrade, (list, tuple)) else re.split(r"[\s,]+", str(upgrade).strip())
    words = [str(name) for name in names if str(name)]
    if len(words) == 1 and words[0].lower() in ("true", "yes", "false", "no"):
        return ["--upgrade"] if words[0].lower() in ("true", "yes") else []
    known = {one.name for one in lock_text.packages(former)}
    for word in words:
        if canonicalize_name(word) not in known:
            there = f"it has {', '.join(sorted(known))}" if known else "there is no lock yet"
            raise LockError(f"upgrade: found {word!r}, which is no package of the lock; {there}")
    return [option for word in words for option in ("--upgrade-package", canonicalize_name(word))]


@dataclass(frozen=True)
class Made:
    """A lock that was made: where it belongs, its text before and after, and in words what it is for."""

    path: Path
    before: str
    after: str
    purpose: str

    @property
    def differences(self) -> list[str]:
        """How the two texts differ, in words."""
        return lock_text.differences(self.before, self.after)

    def write(self) -> None:
        """Write the lock, as a whole or not at all. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".lock-", dir=self.path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(self.after)
            mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o666 & ~_umask()
            os.chmod(temporary, mode)
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


def make(
    wanted: Wanted,
    targets: Collection[Target],
    *,
    folders: Iterable[str],
    upgrade: object = False,
    wheelhouse: str = "",
    environment: Mapping[str, str],
    inventories: Collection[str] = (),
) -> Made:
    """Return the lock of a record for the Pythons of its hosts, which is not written yet.

    ``wheelhouse`` is a folder of wheels that is used where this machine has it. Raises LockError, ProjectError and
    OSError.
    """
    path = wanted.place(folders)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    options, purpose = platform(targets)
    options += upgrade_options(upgrade, before)
    if wheelhouse and os.path.isdir(wheelhouse):
        options += ["--no-index", "--find-links", wheelhouse]
    with tempfile.TemporaryDirectory(prefix="grove-lock-") as temporary:
        workspace = Workspace(Path(temporary).resolve(), wanted, inventories)
        workspace.fill(path)
        lines = workspace.compile(before, options, environment)
    if not lines:
        raise LockError(
            f"record {wanted.name}, key source: found no requirement to lock; name packages in the source's"
            " pyproject.toml or requirements.txt, or in the record's key requirements; without packages no lock is"
            " needed"
        )
    head = f"# ./grove lock -e app={wanted.name} wrote this file for {purpose}.\n"
    return Made(path, before, head + lines, purpose)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
