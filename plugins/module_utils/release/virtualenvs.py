"""The virtualenvs of a release, made by uv: a lock's, which releases share, and the release's own on top of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.release import limits, remedies
from ansible_collections.grove.wsgi.plugins.module_utils.release.output import last_lines, without_account
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import BuildError, Plan

LOCK = "lock.txt"
PROJECT_FILES = ("pyproject.toml", "setup.py")
# Setuptools' message for a project with several packages at its top, which it does not choose from.
DISCOVERY = re.compile("rely on automatic discovery|Multiple top-level")
NO_PACKAGE_HINT = (
    "\nIf the source is a folder of modules and no package, write into pyproject.toml:"
    "\n    [tool.uv]\n    package = false"
)
DEPENDENCIES = "dependencies"
RESOLVED = "resolved.txt"
"""What a release without a lock was made of: versions, commits, and the hashes that the index gave for each file."""


@dataclass(frozen=True)
class Tools:
    """How virtualenvs are made: the path of uv, and a folder of wheels where there is no index.

    uv gets the environment of this process, which is how proxies, indexes and certificates are set.
    """

    uv: str
    wheelhouse: str = ""

    def run(self, *arguments: str, step: str) -> None:
        """Run uv. Raises BuildError, with the step's name and the last lines of uv's output, when uv fails.

        uv lets everybody write to its lock files. Temporary ones go with their folder; those of the cache are closed.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="grove-uv-") as temporary:
                done = subprocess.run(
                    [self.uv, *arguments],
                    env={**os.environ, "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "TMPDIR": temporary},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
        finally:
            close_uv_locks(os.environ.get("UV_CACHE_DIR", ""))
        if done.returncode:
            output = without_account(last_lines(done.stdout, limits.OUTPUT_LINES))
            raise BuildError(f"{step} failed: {output}{remedies.of_build(done.stdout)}")

    @property
    def sources(self) -> list[str]:
        """The options that tell uv where packages come from."""
        return ["--no-index", "--find-links", self.wheelhouse] if self.wheelhouse else []


def shared_path(virtualenvs: Path, lock: Path, python: str) -> Path:
    """Return the path of the virtualenv of a lock in the folder ``virtualenvs``. Raises BuildError."""
    return virtualenvs / hashlib.sha256(lock.read_bytes() + _abi(python).encode()).hexdigest()[: limits.KEY_DIGITS]


def make_shared(target: Path, lock: Path, python: str, tools: Tools, group: int) -> None:
    """Make the virtualenv of a lock at ``target`` unless it is there.

    ``group`` is the number of the group that may read it. Raises BuildError.
    """
    if target.is_dir():
        return
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _make_empty(temporary, python, tools)
        tools.run(
            *("pip", "sync", "--python", f"{temporary}/bin/python", "--require-hashes", "--compile-bytecode"),
            *("--strict", *tools.sources, *_build_constraints(lock)),
            *("--", str(lock)),
            step="installing the locked requirements",
        )
        remove_uv_lock(temporary)
        os.chown(temporary, 0, group)
        temporary.chmod(0o750)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def install(release: Path, shared: Path | None, plan: Plan, tools: Tools) -> None:
    """Make the release's ``venv``: the lock's virtualenv where that holds all, else one on top of it.

    Raises BuildError.
    """
    virtualenv = release / "venv"
    if plan.source_kind == "requirement" and shared is not None:
        virtualenv.symlink_to(os.path.relpath(shared, release))
        return
    source = release / "src"
    is_package = plan.builds and any((source / name).exists() for name in PROJECT_FILES)
    # Building a wheel takes longer, and keeps one processor busy. A signal interrupts that, in this thread.
    with ThreadPoolExecutor(1) as beside:
        made = beside.submit(_make_empty, virtualenv, plan.python, tools)
        building = plan.source_kind == "folder" and is_package
        wheel = _build_wheel(release, shared, plan.python, tools) if building else ""
    made.result()
    if shared is not None:
        line = f"import site; site.addsitedir({str(site_packages(shared))!r})\n"
        (site_packages(virtualenv) / "_grove_dependencies.pth").write_text(line)
    if plan.source_kind == "folder" and not wheel:
        (site_packages(virtualenv) / "_grove_source.pth").write_text("../../../../src\n")
        if shared is None and plan.requirements:
            _install_resolved(release, virtualenv, [], plan, tools)
    else:
        packages = [wheel] if wheel else _packages(release, plan)
        _install_application(release, virtualenv, packages, shared, plan, tools)
    if shared is not None:
        _copy_programs(shared, virtualenv)


def forget_wheels(release: Path) -> None:
    """Remove the wheels that are installed now."""
    for wheel in release.glob("*.whl"):
        wheel.unlink()
    shutil.rmtree(release / "wheel", ignore_errors=True)


def site_packages(virtualenv: Path) -> Path:
    """Return the folder that holds a virtualenv's packages."""
    return next(iter(virtualenv.glob("lib/python3*/site-packages")))


def remove_uv_lock(virtualenv: Path) -> None:
    """Remove the file by which uv guards a virtualenv while it installs, since everybody may write to that file."""
    (virtualenv / ".lock").unlink(missing_ok=True)


def _build_constraints(lock: Path) -> list[str]:
    """Return the options that make a source archive of a lock be built by what the lock names, with its hashes.

    A file that the operator has named in the environment comes in the lock's place.
    """
    return [] if os.environ.get("UV_BUILD_CONSTRAINT") else ["--build-constraints", str(lock)]


def close_uv_locks(cache: str) -> None:
    """Let only root write to the lock files of uv's cache in the folder ``cache``; nothing if that is empty."""
    for parent, folders, files in os.walk(cache) if cache else ():
        # The unpacked packages: tens of thousands of files, and none is a lock.
        folders[:] = [name for name in folders if not name.startswith("archive-v")]
        for name in files:
            path = Path(parent, name)
            with contextlib.suppress(FileNotFoundError):
                if name.endswith(".lock") and (mode := path.lstat().st_mode) & 0o022 and not path.is_symlink():
                    path.chmod(mode & 0o7755)


def _abi(python: str) -> str:
    command = [python, "-I", "-c", "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_config_var('SOABI'))"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"key python: {python} cannot be run: {last_lines(done.stderr, limits.OUTPUT_LINES)}")
    return done.stdout


def _make_empty(target: Path, python: str, tools: Tools) -> None:
    # Relocatable: the virtualenv is built under a temporary name and then renamed.
    tools.run(
        *("venv", "--quiet", "--allow-existing", "--relocatable", "--python", python, "--", str(target)),
        step="making the virtualenv",
    )


def _packages(release: Path, plan: Plan) -> list[str]:
    """Return what uv is told to install of a source that is no folder."""
    if plan.source_kind == "wheel":
        return [str(path) for path in release.glob("*.whl")]
    return [plan.requirement]


def _install_application(
    release: Path, virtualenv: Path, packages: list[str], shared: Path | None, plan: Plan, tools: Tools
) -> None:
    if shared is None:
        _install_resolved(release, virtualenv, packages, plan, tools)
    else:
        # Do not cache the project's own wheel: each is used once, and the cache would grow.
        no_cache = ["--no-cache", "--link-mode", "copy"] if plan.source_kind == "folder" else []
        tools.run(
            *(*_into(virtualenv, tools), "--no-deps", *no_cache, "--", *packages), step="installing the application"
        )


def _into(virtualenv: Path, tools: Tools) -> tuple[str, ...]:
    return ("pip", "install", "--python", f"{virtualenv}/bin/python", "--compile-bytecode", *tools.sources)


def _install_resolved(release: Path, virtualenv: Path, packages: list[str], plan: Plan, tools: Tools) -> None:
    resolved = _resolve(release, virtualenv, [*packages, *plan.requirements], plan.constraints, tools)
    tools.run(*_into(virtualenv, tools), "--requirements", str(resolved), step="installing the application")
    _forget_files(resolved, release)


def _resolve(release: Path, virtualenv: Path, packages: list[str], constraints: Iterable[str], tools: Tools) -> Path:
    """Return a lock that is made now, for an application that has none: what is fetched then has to have its hashes."""
    for package in (*packages, *constraints):
        # In a file, uv would read it as an option.
        if package.startswith("-"):
            raise BuildError(f"installing the application failed: {package} is an option and no requirement")
    wanted, limited, resolved = release / "wanted.txt", release / "constraints.txt", release / RESOLVED
    wanted.write_text("".join(f"{package}\n" for package in packages), encoding="utf-8")
    limited.write_text("".join(f"{constraint}\n" for constraint in constraints), encoding="utf-8")
    tools.run(
        *("pip", "compile", "--quiet", "--python", f"{virtualenv}/bin/python", "--generate-hashes"),
        *("--no-header", "--no-annotate", *tools.sources, "--output-file", str(resolved)),
        *("--constraints", str(limited), "--", str(wanted)),
        step="installing the application",
    )
    wanted.unlink()
    limited.unlink()
    return resolved


def _forget_files(resolved: Path, release: Path) -> None:
    """Remove from a lock the files of the release itself, which are gone when it is complete."""
    requirements = re.split(r"\n(?=\S)", resolved.read_text(encoding="utf-8").strip())
    kept = [one for one in requirements if one and f"{release}/" not in one]
    resolved.write_text("".join(f"{one}\n" for one in kept), encoding="utf-8")


def _build_wheel(release: Path, shared: Path | None, python: str, tools: Tools) -> str:
    """Build the project's wheel; with the build backend of the lock where the lock has one, which pins that too."""
    has_backend = shared is not None and any(site_packages(shared).glob("setuptools/build_meta.py"))
    try:
        tools.run(
            *("build", "--wheel", "--python", f"{shared}/bin/python" if has_backend else python),
            *(["--no-build-isolation"] if has_backend else []),
            *(*tools.sources, "--out-dir", str(release / "wheel"), "--", str(release / "src")),
            step="building the application's wheel",
        )
    except BuildError as error:
        if DISCOVERY.search(str(error)):
            raise BuildError(f"{error}{NO_PACKAGE_HINT}") from error
        raise
    return str(next(iter((release / "wheel").glob("*.whl"))))


def _copy_programs(shared: Path, virtualenv: Path) -> None:
    """Copy the scripts of locked requirements into the release's virtualenv, so that they see the application, too.

    uv's scripts of a relocatable virtualenv start the Python beside them.
    """
    for program in (shared / "bin").iterdir():
        target = virtualenv / "bin" / program.name
        is_script = program.is_file() and not program.is_symlink() and os.access(program, os.X_OK)
        if is_script and not target.exists() and program.read_bytes().startswith(b"#!/bin/sh"):
            shutil.copy(program, target)
