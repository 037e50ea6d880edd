"""Building a release: an immutable folder that holds all that an application needs to run.

A release is made in a hidden folder beside the others and renamed when it is complete and has been tried. Whatever goes
wrong on the way, that folder goes and nothing is left.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import run_as
from ansible_collections.grove.wsgi.plugins.module_utils.release import paste_file
from ansible_collections.grove.wsgi.plugins.module_utils.release import trial as release_trial

PAYLOAD_LOCK = "lock.txt"
PAYLOAD_PASTE = "paste.json"
DEPENDENCIES = "dependencies"
# Bytes.
ROOM = 512 * 1024
TRY_FACTORY = """
import importlib, operator, sys
sys.path.append(sys.argv[1])
module, _, attribute = sys.argv[2].partition(":")
operator.attrgetter(attribute)(importlib.import_module(module))
"""


class BuildError(OperatorError):
    """The release cannot be built; the message says which step failed and with what."""


@dataclass(frozen=True)
class Tools:
    """How virtualenvs are made: the path of uv, and a folder of wheels where there is no index.

    uv gets the environment of this process, which is how proxies, indexes and certificates are set.
    """

    uv: str
    wheelhouse: str = ""

    def run(self, *arguments: str, step: str, cwd: Path | None = None) -> str:
        """Run uv and return what it printed.

        Raises BuildError with the last lines of its output when it fails.
        """
        environment = {**os.environ, "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
        done = subprocess.run(
            [self.uv, *arguments],
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BuildError(f"{step} failed: {last_lines(done.stdout)}")
        return done.stdout

    def where(self) -> list[str]:
        """Return the options that say where packages come from."""
        return ["--no-index", "--find-links", self.wheelhouse] if self.wheelhouse else []


@dataclass(frozen=True)
class Plan:
    """What is to be built; ``payload`` is the archive that the controller made of it.

    In the files of ``etc`` that ``expanded`` names, the placeholders ``{etc}``, ``{release}`` and those of ``places``
    stand for folders.
    """

    identifier: str
    account: str
    python: str
    source_kind: str
    requirement: str
    static: dict[str, str]
    script_name: str
    health: str
    start_timeout: int
    payload: Path
    migrates: bool = False
    expanded: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)


def the_error(text: str) -> str:
    """Return the line of a traceback that names the error; in other output, the last one."""
    lines = text.strip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    after = [line for line in lines[frames[-1] :] if not line.startswith(" ")] if frames else []
    return [*after, *lines[-1:]][0] if lines else ""


def last_lines(text: str, count: int = 15) -> str:
    """Return the end of a program's output."""
    return "\n".join(text.strip().splitlines()[-count:])


def build(folder: AppFolder, plan: Plan, tools: Tools) -> dict[str, float]:
    """Build, try and publish the release; return the seconds that each step took.

    Raises BuildError. Nothing is left behind then.
    """
    seconds: dict[str, float] = {}
    try:
        account = pwd.getpwnam(plan.account)
    except KeyError:
        raise BuildError(f"there is no account {plan.account} on the host") from None
    shared: set[Path] = set(folder.virtualenvs.glob("*"))
    _make_folders(folder, account.pw_gid)
    _remove_leftovers(folder)
    temporary = Path(tempfile.mkdtemp(prefix=f".{plan.identifier}.", dir=folder.releases))
    dependencies: Path | None = None
    published = False
    try:
        with _timed(seconds, "unpack"):
            _unpack(plan.payload, temporary)
        lock = temporary / PAYLOAD_LOCK
        if lock.exists():
            with _timed(seconds, "dependencies"):
                dependencies = _dependencies(folder, lock, plan, tools, account.pw_gid)
                (temporary / DEPENDENCIES).symlink_to(os.path.relpath(dependencies, temporary))
        with _timed(seconds, "application"):
            _install(temporary, dependencies, plan, tools)
        _lay_out(temporary, plan)
        templates = _templates(temporary, plan)
        _expand(templates, temporary, temporary, plan)
        _restrict(temporary, account.pw_gid)
        with _timed(seconds, "trial"):
            _check_factories(temporary, account)
            _try_out(temporary, plan, account)
        _expand(templates, temporary, folder.release(plan.identifier), plan)
        os.replace(temporary, folder.release(plan.identifier))
        published = True
    except (BuildError, OSError, tarfile.TarError, EOFError, zlib.error) as error:
        if _is_full(folder.path) or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            raise BuildError(f"the disk that holds {folder.path} is full; nothing was left behind") from error
        if isinstance(error, BuildError):
            raise
        if isinstance(error, OSError):
            raise BuildError(f"building the release failed: {error}") from error
        raise BuildError(f"the archive of the release cannot be read: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not published and dependencies is not None and dependencies not in shared:
            shutil.rmtree(dependencies, ignore_errors=True)
    return seconds


def _is_full(path: Path) -> bool:
    """Return whether there is less space than the smallest release takes; programs say that in many ways."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize < ROOM or (found.f_files > 0 and found.f_favail == 0)


def _make_folders(folder: AppFolder, group: int) -> None:
    for path, mode in ((folder.path, 0o751), (folder.releases, 0o751), (folder.virtualenvs, 0o750)):
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        os.chown(path, 0, group)
        path.chmod(mode)


def _remove_leftovers(folder: AppFolder) -> None:
    """Remove what a run that was killed has left; the application's lock says that no other is at work."""
    for parent in (folder.releases, folder.virtualenvs):
        for path in parent.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - begun, 3)


def _unpack(payload: Path, target: Path) -> None:
    with tarfile.open(payload) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(target, filter="data")
        else:
            archive.extractall(target)  # the archive was made by the action plugin, not by a stranger


def _dependencies(folder: AppFolder, lock: Path, plan: Plan, tools: Tools, group: int) -> Path:
    """Return the virtualenv of a lock; releases with the same lock share it."""
    key = hashlib.sha256(lock.read_bytes() + _abi(plan.python).encode()).hexdigest()[:12]
    target = folder.virtualenvs / key
    if target.is_dir():
        return target
    temporary = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=folder.virtualenvs))
    try:
        _virtualenv(temporary, plan, tools)
        tools.run(
            *("pip", "sync", "--python", f"{temporary}/bin/python", "--require-hashes", "--compile-bytecode"),
            *("--strict", *tools.where()),
            str(lock),
            step="installing the locked requirements",
        )
        _remove_lock(temporary)
        os.chown(temporary, 0, group)
        temporary.chmod(0o750)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _abi(python: str) -> str:
    command = [python, "-I", "-c", "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_config_var('SOABI'))"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"key python: {python} cannot be run: {last_lines(done.stderr)}")
    return done.stdout


def _virtualenv(target: Path, plan: Plan, tools: Tools) -> None:
    # Relocatable, because it is built under another name than it gets when it is complete.
    tools.run(
        *("venv", "--quiet", "--allow-existing", "--relocatable", "--python", plan.python, str(target)),
        step="making the virtualenv",
    )


def _remove_lock(virtualenv: Path) -> None:
    """Remove the file by which uv guards a virtualenv while it installs, since everybody may write to that."""
    (virtualenv / ".lock").unlink(missing_ok=True)


def _site_packages(virtualenv: Path) -> Path:
    found: Path = next(virtualenv.glob("lib/python3*/site-packages"))
    return found


def _install(release: Path, dependencies: Path | None, plan: Plan, tools: Tools) -> None:
    """Give the release its virtualenv: the lock's own where that holds everything, one on top of it otherwise."""
    virtualenv = release / "venv"
    if plan.source_kind == "requirement" and dependencies is not None:
        virtualenv.symlink_to(os.path.relpath(dependencies, release))
        return
    _virtualenv(virtualenv, plan, tools)
    if dependencies is not None:
        line = f"import site; site.addsitedir({str(_site_packages(dependencies))!r})\n"
        (_site_packages(virtualenv) / "_grove_dependencies.pth").write_text(line)
    source = release / "src"
    if plan.source_kind == "folder" and not any((source / name).exists() for name in ("pyproject.toml", "setup.py")):
        (_site_packages(virtualenv) / "_grove_source.pth").write_text("../../../../src\n")
        return
    what = {
        "folder": [f"{source}"],
        "wheel": [str(path) for path in release.glob("*.whl")],
    }.get(plan.source_kind, [plan.requirement])
    if plan.source_kind == "folder":
        what = [_build_wheel(source, dependencies, plan, tools, release)]
    only_it = ["--no-deps"] if dependencies is not None else []
    # A project's own wheel is of use once; in the cache it would only grow.
    once = ["--no-cache", "--link-mode", "copy"] if plan.source_kind == "folder" and dependencies is not None else []
    tools.run(
        *("pip", "install", "--python", f"{virtualenv}/bin/python", "--compile-bytecode", *only_it, *once),
        *tools.where(),
        *what,
        step="installing the application",
    )
    for wheel in release.glob("*.whl"):
        wheel.unlink()
    shutil.rmtree(release / "wheel", ignore_errors=True)


def _build_wheel(source: Path, dependencies: Path | None, plan: Plan, tools: Tools, release: Path) -> str:
    """Build the project's wheel; with the build backend of the lock where the lock has one, which pins it too."""
    backend = dependencies is not None and any(_site_packages(dependencies).glob("setuptools/build_meta.py"))
    python = f"{dependencies}/bin/python" if backend else plan.python
    isolation = ["--no-build-isolation"] if backend else []
    tools.run(
        *("build", "--wheel", "--python", python, *isolation, *tools.where()),
        *("--out-dir", str(release / "wheel"), str(source)),
        step="building the application's wheel",
    )
    return str(next((release / "wheel").glob("*.whl")))


def _lay_out(release: Path, plan: Plan) -> None:
    """Complete ``etc`` and ``static`` from the source."""
    etc = release / "etc"
    etc.mkdir(exist_ok=True)
    source = release / "src"
    if source.is_dir():
        # %(confdir)s of Pecan and %(here)s of PasteDeploy are etc: what lies beside the file in the source is there.
        for entry in source.iterdir():
            if not (etc / entry.name).exists():
                (etc / entry.name).symlink_to(f"../src/{entry.name}")
    static = release / "static"
    static.mkdir()
    for number, folder in enumerate(plan.static.values()):
        origin = (source if source.is_dir() else _site_packages(release / "venv")) / folder
        if not origin.is_dir():
            raise BuildError(f"static: the application has no folder {folder}")
        # With times of their own, since the archive has none and browsers ask whether a file is newer than their copy.
        shutil.copytree(origin, static / str(number), copy_function=shutil.copyfile)


def _templates(release: Path, plan: Plan) -> dict[str, str]:
    """Return the texts with placeholders by the names of their files in ``etc``."""
    texts = {name: (release / "etc" / name).read_text(encoding="utf-8") for name in plan.expanded}
    for target, wanted in _paste(release).items():
        source = _installed(release / "venv", wanted["from"], f"paste.{target}.from")
        try:
            made = paste_file.PasteFile(source.read_text(encoding="utf-8"))
            if wanted["oslo_config_file"]:
                made.set_oslo_config_file(wanted["oslo_config_file"])
            made.lay_over(wanted["overlay"])
        except paste_file.PasteError as error:
            raise BuildError(f"key paste.{target}.overlay: {error}. Nothing that serves was changed") from error
        texts[target] = made.text(f"Written by Grove from the installed {wanted['from']} and the record's overlay.")
    return texts


def _paste(release: Path) -> dict[str, Any]:
    path = release / PAYLOAD_PASTE
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _installed(virtualenv: Path, path: str, key: str) -> Path:
    places = [virtualenv, *virtualenv.glob("lib/python3*/site-packages")]
    found = next((place / path for place in places if (place / path).is_file()), None)
    if found is None:
        raise BuildError(f"key {key}: found no file {path} in the virtualenv or its site-packages")
    return found


def _expand(templates: Mapping[str, str], release: Path, final: Path, plan: Plan) -> None:
    """Write the files of ``etc`` for a release that is, or is going to be, at ``final``."""
    for name, text in templates.items():
        for place, path in {"etc": f"{final}/etc", "release": str(final), **plan.places}.items():
            text = text.replace("{" + place + "}", path)
        target = release / "etc" / name
        # What the source has by that name stays as it is.
        if target.is_symlink():
            target.unlink()
        target.write_text(text, encoding="utf-8")


def _check_factories(release: Path, account: pwd.struct_passwd) -> None:
    """Import the factories of the sections that overlays bring. Raises BuildError for the first that fails."""
    for target, wanted in _paste(release).items():
        made = paste_file.PasteFile((release / "etc" / target).read_text(encoding="utf-8"))
        for section, factory in made.factories(list(wanted["overlay"].get("sections") or {})):
            command = [f"{release}/venv/bin/python", "-I", "-c", TRY_FACTORY, f"{release}/extras", factory]
            done = run_as(account, command, environment={"LANG": "C.UTF-8", "HOME": "/"}, folder=Path("/"))
            if done.returncode:
                why = last_lines(done.stdout, 1)
                raise BuildError(
                    f"key paste.{target}.overlay.sections.{section}: found the factory {factory!r}, which cannot be"
                    f" imported ({why}); it has to be module:attribute of a package in the virtualenv or in extras."
                    " Nothing that serves was changed"
                )


def _restrict(release: Path, group: int) -> None:
    """Let the application's group read the release, and nobody else but for the files that Apache serves itself."""
    _remove_lock(release / "venv")
    os.chown(release, 0, group)
    release.chmod(0o751)
    for name in ("src", "etc", "runtime", "extras", "venv"):
        path = release / name
        if path.is_dir() and not path.is_symlink():
            os.chown(path, 0, group)
            path.chmod(0o750)
    for name in ("RELEASE.json", "app.wsgi", "commands.json", PAYLOAD_LOCK, PAYLOAD_PASTE):
        if (release / name).exists():
            os.chown(release / name, 0, group)
            (release / name).chmod(0o640)
    for folder, subfolders, files in os.walk(release / "etc"):
        for name in [*subfolders, *files]:
            path = Path(folder, name)
            if not path.is_symlink():
                os.chown(path, 0, group)
                path.chmod(0o750 if path.is_dir() else 0o640)
    (release / "static").chmod(0o755)
    for folder, subfolders, files in os.walk(release / "static"):
        for name in subfolders:
            Path(folder, name).chmod(0o755)
        for name in files:
            Path(folder, name).chmod(0o644)


def _try_out(release: Path, plan: Plan, account: pwd.struct_passwd) -> None:
    trial = release_trial.Trial(plan.script_name, plan.health, plan.start_timeout)
    verdict = release_trial.try_out(release, trial, account)
    if verdict.well:
        return
    said = verdict.said.replace(str(release), f"releases/{plan.identifier}")
    if verdict.whole and plan.migrates:
        # It may be waiting for its migration, and is tried again after that.
        why = the_error(said) or "it said nothing"
        note(release, warning=f"before the migration, {plan.health} was not well: {why}", trial=asdict(trial))
        return
    raise BuildError(
        "the release does not work: as the application's account, outside Apache, it was loaded and asked for"
        f" {plan.health}, and nothing that serves was changed:\n{said}"
    )


def note(release: Path, **more: Any) -> None:
    """Add keys to a release's RELEASE.json while it is not published yet."""
    path = release / "RELEASE.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}, indent=2) + "\n")
