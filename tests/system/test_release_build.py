"""Building releases with the real uv and the real trial, from wheels that are made here and without an index."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.release import (
    building,
    launching,
    missing,
    output,
    sbom,
    software,
)
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import Plan
from ansible_collections.grove.wsgi.plugins.module_utils.release.virtualenvs import Tools
from ansible_collections.grove.wsgi.plugins.plugin_utils.payload import Member, Payload
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from local_index import Index, serving
from module_calls import call

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a release belongs to root, so building one needs root")

REPOSITORY = Path(__file__).resolve().parents[2]
UV = Path(sys.prefix, "bin", "uv")
PYTHON = "/usr/bin/python3"
ACCOUNT = "nobody"
WHEEL = "shop-1-py3-none-any.whl"
ENTRY = """
import json, os, sys
here = os.path.dirname(os.path.realpath(__file__))
sys.path.append(here + "/runtime")
from shop import application
from grove_runtime import door
application = door.stamp(application, json.load(open(here + "/RELEASE.json"))["id"])
"""
SHOP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shop"]
"""
SHOP_WITH_DEPENDENCY = "import counter\nassert counter.number == 1\n" + SHOP
# A build backend that is part of the source, so that building needs nothing from an index.
BACKEND = """
import os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "shop-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.write("code/shop.py", "shop.py")
        wheel.writestr("shop-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: shop\\nVersion: 1\\n")
        wheel.writestr("shop-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("shop-1.dist-info/RECORD", "")
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "shop"
version = "1"
"""


COMMANDS = {"argv": [], "environment": {"COLOUR": "{etc}"}, "home": "/var/lib/shop", "state": "/s", "logs": "/l"}
ENVIRONMENT = {"PATH", "LANG", "HOME", "USER", "LOGNAME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "GROVE_RELEASE"}
ENVIRONMENT |= {"COLOUR", "TMPDIR"}
REQUEST = {
    "environ": {"SCRIPT_NAME": "", "PATH_INFO": "/", "HTTP_HOST": "shop.test"},
    "multithread": True,
    "locale": "C.UTF-8",
    "statuses": [200],
}


@dataclasses.dataclass(frozen=True)
class Order:
    """An archive as the controller would send it, and the plan in it."""

    plan: Plan
    payload: Path


@dataclasses.dataclass
class Place:
    """A folder that the application's account can reach, unlike pytest's own."""

    base: Path
    folder: AppFolder
    source: Path
    tools: Tools

    def wheel(self, name: str, module: str) -> Path:
        """Make a wheel of one module and return its path in the wheelhouse."""
        path = Path(self.tools.wheelhouse, f"{name}-1-py3-none-any.whl")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}.py", module)
            archive.writestr(f"{name}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            archive.writestr(f"{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
            archive.writestr(f"{name}-1.dist-info/RECORD", "")
        return path

    def lock(self) -> str:
        """Make a wheel of ``counter`` and return a lock of it."""
        digest = hashlib.sha256(self.wheel("counter", "number = 1\n").read_bytes()).hexdigest()
        return f"counter==1 --hash=sha256:{digest}\n"

    def order(self, kind: str = "folder", text: str = "", lock: str | None = None, **changes: Any) -> Order:
        """Return the order for a build, with the archive that the controller would send."""
        payload = Payload()
        path = str(self.source) if kind == "folder" else text
        payload.add_source({"kind": kind, "path": path, "text": text}, changes.pop("exclude", ()))
        if lock:
            payload.add_file("lock.txt", lock, "lock")
        payload.add_file("etc/secret.ini", changes.pop("config", "password = 1\n"), "config secret.ini")
        payload.add_file("commands.json", json.dumps({**COMMANDS, **changes.pop("commands", {})}), "commands")
        for name, content in changes.pop("files", {}).items():
            payload.add_file(name, content, name)
        payload.add_file("app.wsgi", changes.pop("entry", ENTRY), "app.wsgi")
        for module in (REPOSITORY / "wsgi" / "grove_runtime").glob("*.py"):
            payload.add_file(f"runtime/grove_runtime/{module.name}", module.read_text(), f"runtime {module.name}")
        settings: dict[str, Any] = {"account": ACCOUNT, "python": PYTHON, "source_kind": kind, "requirement": text}
        record = {"name": "shop", "left_out": payload.left_out, **changes.pop("record", {})}
        settings |= {"request": REQUEST, "record": record, **changes}
        plan = Plan(payload.identifier(), **settings)
        payload.members.append(Member("plan.json", content=json.dumps(dataclasses.asdict(plan)).encode()))
        archive = self.base / "payload.tar.gz"
        with archive.open("wb") as stream:
            payload.write(stream, {"app": "shop", "made_from": text or "./shop"})
        return Order(plan, archive)

    def contents(self) -> list[str]:
        """Return the names in releases and venvs."""
        folders = (self.folder.releases, self.folder.virtualenvs)
        return sorted(path.name for folder in folders for path in folder.iterdir())

    def build(self, order: Order, account: str = ACCOUNT, built: Path | None = None) -> Path:
        building.build(self.folder, order.plan.release, account, order.payload, self.tools, built)
        return self.folder.release(order.plan.release)

    def refused(self, order: Order, account: str = ACCOUNT) -> str:
        """Return why the build failed; check that the failed build left no file."""
        before = self.contents() if self.folder.releases.exists() else []
        with pytest.raises(OperatorError) as raised:
            self.build(order, account)
        if self.folder.releases.exists():
            assert self.contents() == before
        return str(raised.value)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    assert UV.exists(), f"{UV} is missing: ./grove test makes it"
    base = Path(tempfile.mkdtemp(prefix="grove-test-", dir="/var/tmp"))
    base.chmod(0o755)
    monkeypatch.setenv("UV_CACHE_DIR", str(base / "cache"))
    for name in ("source", "wheels"):
        (base / name).mkdir()
    (base / "source" / "shop.py").write_text(SHOP)
    yield Place(base, AppFolder("shop", base / "wsgi" / "shop"), base / "source", Tools(str(UV), str(base / "wheels")))
    shutil.rmtree(base)


def ask_python(release: Path, code: str) -> str:
    """Return what the release's Python prints, run as the application's account."""
    account = pwd.getpwnam(ACCOUNT)
    completed = subprocess.run(
        [release / "venv/bin/python", "-I", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
    )
    return completed.stdout.strip()


def test_a_folder_without_metadata_is_imported_from_the_release(place: Place) -> None:
    (place.source / "public").mkdir()
    (place.source / "public" / "logo.svg").write_text("<svg/>")
    order = place.order(static={"/public": "public"})
    release = place.build(order)
    assert place.contents() == [order.plan.release]
    assert ask_python(release, "import shop; print(shop.__file__)") == str(release / "src" / "shop.py")
    assert (release / "static/0/logo.svg").read_text() == "<svg/>"
    assert os.readlink(release / "etc" / "shop.py") == "../src/shop.py"
    assert place.folder.describe(order.plan.release) is not None


def test_a_folder_with_metadata_is_installed(place: Place) -> None:
    (place.source / "code").mkdir()
    (place.source / "shop.py").rename(place.source / "code" / "shop.py")
    (place.source / "backend.py").write_text(BACKEND)
    (place.source / "pyproject.toml").write_text(PYPROJECT)
    release = place.build(place.order())
    module_file = ask_python(release, "import shop; print(shop.__file__)")
    assert Path(module_file).parent.name == "site-packages"
    assert module_file.startswith(str(release))
    assert list((release / "venv").glob("lib/python3*/site-packages/__pycache__/shop.*.pyc"))
    assert not (release / "wheel").exists()


def test_a_pyproject_with_the_settings_of_tools_alone(place: Place) -> None:
    """Setuptools would refuse two packages beside each other, and need an index to do so."""
    (place.source / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    for name in ("stock", "orders"):
        (place.source / name).mkdir()
        (place.source / name / "__init__.py").touch()
    (place.source / "shop.py").write_text("import stock, orders\n" + SHOP)
    release = place.build(place.order(builds=False))
    assert ask_python(release, "import shop; print(shop.__file__)") == str(release / "src" / "shop.py")
    (place.source / "shop.py").write_text("import stock.late\n" + SHOP)
    (place.source / "lib").mkdir()
    message = place.refused(place.order(builds=False))
    assert "let the build include it" not in message


def test_several_packages_beside_each_other(place: Place) -> None:
    """The message of setuptools, from a build backend that says the same."""
    backend = 'raise SystemExit("you should not rely on automatic discovery")\n'
    (place.source / "backend.py").write_text(backend)
    (place.source / "pyproject.toml").write_text(PYPROJECT)
    message = place.refused(place.order())
    assert message.startswith("building the application's wheel failed: ")
    assert message.endswith("write into pyproject.toml:\n    [tool.uv]\n    package = false")


def test_releases_of_one_lock_share_their_dependencies(place: Place) -> None:
    (place.source / "shop.py").write_text(SHOP_WITH_DEPENDENCY)
    lock = place.lock()
    first = place.build(place.order(lock=lock))
    virtualenvs = list(place.folder.virtualenvs.iterdir())
    assert len(virtualenvs) == 1
    inode_and_time = virtualenvs[0].stat().st_ino, virtualenvs[0].stat().st_mtime_ns
    second = place.build(place.order(lock=lock, config="password = 2\n"))
    assert first != second
    assert list(place.folder.virtualenvs.iterdir()) == virtualenvs
    assert (virtualenvs[0].stat().st_ino, virtualenvs[0].stat().st_mtime_ns) == inode_and_time
    for release in (first, second):
        assert ask_python(release, "import counter; print(counter.__file__)").startswith(str(virtualenvs[0]))
    assert list(virtualenvs[0].glob("lib/python3*/site-packages/__pycache__/counter.*.pyc"))


def test_a_locked_requirement_is_the_locks_virtualenv(place: Place) -> None:
    digest = hashlib.sha256(place.wheel("shop", SHOP).read_bytes()).hexdigest()
    release = place.build(place.order("requirement", "shop==1", f"shop==1 --hash=sha256:{digest}\n"))
    assert os.path.realpath(release / "venv") == os.path.realpath(release / "dependencies")
    assert ask_python(release, "import shop; print(shop.application)").startswith("<function")


def test_a_wheel_and_a_requirement_without_a_lock(place: Place) -> None:
    wheel = place.wheel("shop", SHOP)
    for kind, text in (("wheel", str(wheel)), ("requirement", "shop==1")):
        release = place.build(place.order(kind, text))
        assert ask_python(release, "import shop; print(shop.__file__)").startswith(str(release))
        assert list(release.glob("*.whl")) == []


@pytest.mark.parametrize("pyproject", ["", PYPROJECT])
def test_requirements_beside_a_source(place: Place, pyproject: str) -> None:
    """A folder with one module and a requirements.txt has no metadata."""
    place.wheel("counter", "number = 2\n")
    place.wheel("clock", "time = 3\n")
    if pyproject:
        (place.source / "pyproject.toml").write_text(pyproject)
        (place.source / "backend.py").write_text(BACKEND)
        (place.source / "code").mkdir()
        (place.source / "shop.py").rename(place.source / "code" / "shop.py")
    order = place.order(requirements=("counter", "clock>=1"), constraints=("clock<2", "other==1"))
    release = place.build(order)
    assert ask_python(release, "import shop, counter, clock; print(counter.number, clock.time)") == "2 3"
    resolved = (release / "resolved.txt").read_text()
    assert all(f"{name}==1 \\\n    --hash=sha256:" in resolved for name in ("counter", "clock"))
    assert not {"wanted.txt", "constraints.txt"} & {path.name for path in release.iterdir()}
    message = place.refused(place.order(requirements=("clock",), constraints=("clock>=2",), config="b = 1\n"))
    assert "installing the application failed" in message
    for requirement, constraint in (("--help", "clock"), ("clock", "-r /etc/passwd")):
        order = place.order(config="c = 1\n", requirements=(requirement,), constraints=(constraint,))
        assert "is an option and no requirement" in place.refused(order)


def order_of(place: Place, kind: str) -> Order:
    """Return an order of a kind."""
    lock, wheel = place.lock(), place.wheel("till", SHOP)
    digest = hashlib.sha256(place.wheel("shop", SHOP).read_bytes()).hexdigest()
    arguments: dict[str, tuple[Any, ...]] = {
        "a locked requirement": ("requirement", "shop==1", f"shop==1 --hash=sha256:{digest}\n"),
        "a requirement": ("requirement", "shop==1"),
        "a wheel": ("wheel", str(wheel)),
    }
    changes: dict[str, dict[str, Any]] = {
        "a folder with a lock": {"lock": lock},
        "a folder and requirements": {"requirements": ("counter",)},
        "a wheel": {"entry": ENTRY.replace("from shop", "from till")},
    }
    return place.order(*arguments.get(kind, ()), **changes.get(kind, {}))


def described(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return what is below a folder: permissions, owners, and the content or the target, by path."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (stat.filemode(status.st_mode), status.st_uid, status.st_gid, content)
    return found


KINDS = (
    *("a folder", "a folder with a lock", "a folder and requirements"),
    *("a locked requirement", "a requirement", "a wheel"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_software_that_another_host_has_built(place: Place, kind: str) -> None:
    """The release is the same, file for file, and is made without uv, wheels and an index."""
    order = order_of(place, kind)
    release = place.build(order)
    software.pack(release, place.base / "software.tar.gz")
    before = described(place.folder.path)
    shutil.rmtree(place.folder.path)
    shutil.rmtree(place.tools.wheelhouse)
    place.tools = Tools("/bin/false")
    assert place.build(order, built=place.base / "software.tar.gz") == release
    after = described(place.folder.path)
    different = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert different == set()
    module = "till" if kind == "a wheel" else "shop"
    assert ask_python(release, f"import {module}; print({module}.application)").startswith("<function")


def test_the_virtualenv_of_a_lock_that_is_there_stays(place: Place) -> None:
    lock = place.lock()
    first = place.build(place.order(lock=lock))
    software.pack(first, place.base / "software.tar.gz")
    shared = (first / "dependencies").resolve()
    inode = shared.stat().st_ino
    second = place.build(place.order(lock=lock, config="a = 2\n"), built=place.base / "software.tar.gz")
    assert (second / "dependencies").resolve() == shared
    assert shared.stat().st_ino == inode
    assert ask_python(second, "import counter; print(counter.number)") == "1"


def test_software_is_found_by_what_it_was_made_of(place: Place) -> None:
    inputs = {"python": "cp311", "lock": "a", "source": "b", "format": 2}
    place.folder.releases.mkdir(parents=True)
    for number, more in enumerate([{"lock": "c"}, {"config x": "1"}, {"config x": "2"}, {"python": ""}]):
        path = place.folder.release(f"release{number}")
        path.mkdir()
        path.joinpath("RELEASE.json").write_text(json.dumps({"id": path.name, "inputs": {**inputs, **more}}))
        os.utime(path, (number, number))
    (place.folder.releases / ".release9").mkdir()
    assert software.inputs_of({**inputs, "config x": "3", "commands": "d"}) == inputs
    assert software.find(place.folder, inputs) == "release2"
    assert software.find(place.folder, {**inputs, "lock": "c"}) == "release0"
    for other in ("lock", "source", "python", "format"):
        assert software.find(place.folder, {**inputs, other: "z"}) is None
    assert software.find(place.folder, {**inputs, "package": False}) is None
    # Where the Python is not known, the software may not fit.
    assert software.inputs_of({**inputs, "python": ""}) == {}
    assert software.find(place.folder, {}) is None


def archive_of(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """Write an archive with members, each a name, a type and the target of a link."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return path


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", tarfile.REGTYPE, "")],
        [("/etc/outside", tarfile.REGTYPE, "")],
        [("venv/../../outside", tarfile.REGTYPE, "")],
        [("src/shop.py", tarfile.REGTYPE, "")],
        [("venv/null", tarfile.CHRTYPE, "")],
        [("venv/pipe", tarfile.FIFOTYPE, "")],
        [("venv/out", tarfile.SYMTYPE, "/var/tmp"), ("venv/out/outside", tarfile.REGTYPE, "")],
        [("venv", tarfile.SYMTYPE, "/var/tmp"), ("venv/outside", tarfile.REGTYPE, "")],
        [("venv/passwd", tarfile.LNKTYPE, "/etc/passwd")],
        [("venv/passwd", tarfile.LNKTYPE, "../../passwd")],
        [],
    ],
)
def test_an_archive_that_is_no_software(place: Place, members: list[tuple[str, bytes, str]]) -> None:
    archive = archive_of(place.base / "software.tar.gz", *members)
    order = place.order()
    with pytest.raises(OperatorError, match="the software of another host"):
        place.build(order, built=archive)
    assert place.contents() == []
    assert not list(Path("/var/tmp").glob("outside"))


def test_a_broken_archive_of_software(place: Place) -> None:
    broken = place.base / "software.tar.gz"
    broken.write_bytes(b"no archive")
    order = place.order()
    with pytest.raises(OperatorError, match="archive"):
        place.build(order, built=broken)
    assert place.contents() == []


COLLECT = """
import os, pathlib, sys
target = pathlib.Path("src", sys.argv[1])
target.mkdir(parents=True)
(target / "site.css").write_text(pwd.getpwuid(os.geteuid()).pw_name + os.environ["COLOUR"])
os.chmod(target / "site.css", 0o6777)
"""


def collected(place: Place, program: str, *more: str, **changes: Any) -> Order:
    """Return the order for a build that runs a program of the source."""
    (place.source / "collect.py").write_text("import pwd" + program)
    (place.source / "shop.py").write_text(SHOP)
    commands = {"build": ["python src/collect.py assets/a", *more]}
    return place.order(commands=commands, static={"/assets": "assets"}, **changes)


def test_files_that_a_release_makes(place: Place) -> None:
    """They are the account's work, and then they are as the rest of the release: root's, and read-only."""
    release = place.build(collected(place, COLLECT, "python -c 'import shop'"))
    made = release / "src" / "assets" / "a" / "site.css"
    assert re.fullmatch(rf"{ACCOUNT}{release.parent}/\.{release.name}\.\w+/etc", made.read_text())
    assert (release / "static" / "0" / "a" / "site.css").read_text() == made.read_text()
    for path in (release / "src").rglob("*"):
        assert (path.lstat().st_uid, path.lstat().st_gid, path.stat().st_mode & 0o6022) == (0, 0, 0)
    source = (release / "src").stat()
    assert (source.st_uid, source.st_gid, source.st_mode & 0o777) == (0, pwd.getpwnam(ACCOUNT).pw_gid, 0o750)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("\nraise SystemExit('no compiler')\n", "no compiler"),
        ("\nimport os; os.mkdir('src/assets'); os.symlink('/etc/shadow', 'src/assets/x')\n", "a link to /etc/shadow"),
        ("\nimport os; os.symlink('../etc', 'src/assets')\n", "a link to ../etc, which is not in src"),
        ("\nimport os; os.mkdir('src/assets'); os.mkfifo('src/assets/x')\n", "neither a file nor a folder"),
        ("\nopen('app.wsgi', 'w')\n", "PermissionError"),
        ("\nopen('etc/secret.ini', 'w')\n", "PermissionError"),
        ("\npass\n", "the application has no folder assets"),
    ],
)
def test_files_that_a_release_must_not_make(place: Place, program: str, message: str) -> None:
    assert message in place.refused(collected(place, program))


def test_a_release_is_readable_by_the_applications_group_alone(place: Place) -> None:
    (place.source / "public").mkdir()
    (place.source / "public" / "logo.svg").write_text("<svg/>")
    (place.source / "public" / "logo.svg").chmod(0o600)
    release = place.build(place.order(lock=place.lock(), static={"/public": "public"}))
    group = pwd.getpwnam(ACCOUNT).pw_gid

    def mode(path: Path) -> tuple[int, int, int]:
        return path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)

    assert mode(release) == (0, group, 0o751)
    for name in ("src", "etc", "runtime", "venv"):
        assert mode(release / name) == (0, group, 0o750)
    for name in ("RELEASE.json", "app.wsgi", "commands.json", "plan.json", "lock.txt", "etc/secret.ini"):
        assert mode(release / name) == (0, group, 0o640)
    assert mode(Path(os.path.realpath(release / "dependencies"))) == (0, group, 0o750)
    assert stat.S_IMODE((release / "static/0/logo.svg").stat().st_mode) == 0o644
    denied = subprocess.run(
        ["cat", release / "etc/secret.ini"], user=33, group=33, extra_groups=[], capture_output=True, check=False
    )
    assert denied.returncode != 0


def test_no_lock_file_of_uv_stays_open_to_everybody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, temporary = place.base / "cache", place.base / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (place.source / "code").mkdir()
    (place.source / "shop.py").rename(place.source / "code" / "shop.py")
    (place.source / "backend.py").write_text(BACKEND)
    (place.source / "pyproject.toml").write_text(PYPROJECT)
    place.build(place.order(lock=place.lock()))
    locks = [path for path in place.base.rglob("*.lock") if path.is_file()]
    assert cache / ".lock" in locks
    assert [path for path in place.base.rglob("*") if path.is_file() and path.stat().st_mode & 0o022] == []
    assert list(temporary.iterdir()) == []


def test_a_failing_import_shows_its_traceback_and_leaves_nothing(place: Place) -> None:
    (place.source / "shop.py").write_text("import counter\nimport no_such_module\n")
    order = place.order(lock=place.lock())
    message = place.refused(order)
    assert message.startswith(
        "the release does not work: as the application's account, outside Apache, it was loaded and asked for /, and"
        " nothing that serves was changed:\n"
    )
    assert "ModuleNotFoundError: No module named 'no_such_module'" in message
    assert f'File "releases/{order.plan.release}/src/shop.py", line 2' in message
    assert place.contents() == []


def last_of(message: str) -> str:
    """Return the part of a message that begins with the last line of a traceback, without that line."""
    return message.rpartition("Error: ")[2].partition("\n")[2]


DOUBT = "If its package has another name than the module, write that name."


@pytest.mark.parametrize(
    ("module", "record", "remedy"),
    [
        ("psycopg2", {}, "psycopg2. Write into the record:\n    requirements: [psycopg2-binary]"),
        ("no_such.part", {}, f"no_such. {DOUBT} Write into the record:\n    requirements: [no-such]"),
        (
            "yaml",
            {"requirements": ["flask>=3", "psycopg[binary]"]},
            'yaml. Write into the record:\n    requirements: [flask>=3, "psycopg[binary]", PyYAML]',
        ),
        (
            "PIL.Image",
            {"lock": "shop.lock"},
            "PIL. Write into the record, and then run ./grove lock -e app=shop:\n    requirements: [pillow]",
        ),
        (
            "MySQLdb",
            {"source_lock": "uv.lock"},
            "MySQLdb. Add mysqlclient to the source's dependencies and make uv.lock anew, or write into the record:\n"
            "    requirements: [mysqlclient]",
        ),
    ],
)
def test_a_missing_module_is_named_with_the_line_that_adds_it(
    place: Place, module: str, record: dict[str, Any], remedy: str
) -> None:
    (place.source / "shop.py").write_text(f"import {module}\n")
    assert last_of(place.refused(place.order(record=record))) == f"The virtualenv has no module {remedy}"


def test_a_missing_package_of_a_paste_file(place: Place) -> None:
    (place.source / "shop.py").write_text("import importlib.metadata\nimportlib.metadata.distribution('kinto')\n")
    remedy = "The virtualenv has no package kinto. Write into the record:\n    requirements: [kinto]"
    assert last_of(place.refused(place.order(record={"entry": "shop"}))) == remedy


def test_the_packages_of_other_modules() -> None:
    names = ("oslo_config.cfg", "google.cloud.storage", "google.protobuf", "ruamel.yaml", "zope.interface", "a_b")
    assert [missing.distribution(name)[0] for name in names] == [
        *("oslo.config", "google-cloud-storage", "protobuf", "ruamel.yaml", "zope.interface", "a-b")
    ]


def test_a_module_of_another_version_of_its_package(place: Place) -> None:
    (place.source / "shop.py").write_text("import counter.views\n")
    place.wheel("counter", "number = 1\n")
    path = Path(place.tools.wheelhouse, "counter-1-py3-none-any.whl")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("counter/__init__.py", "")
    message = place.refused(place.order(requirements=("counter",), record={"requirements": ["counter"]}))
    assert "The virtualenv has counter, but no module counter.views: its package may have that module in" in message


def test_a_module_of_the_source_that_the_release_does_not_have(place: Place) -> None:
    (place.source / "shop.py").write_text("import build\n")
    (place.source / "build").mkdir()
    (place.source / "build" / "__init__.py").touch()
    outside = place.base / "outside.py"
    outside.touch()
    (place.source / "lib").mkdir()
    (place.source / "lib" / "outside.py").symlink_to(outside)
    assert last_of(place.refused(place.order(exclude=["/build", "/dist"]))) == (
        "The source has build, which the key exclude leaves out ('/build'): give the record a list exclude without that"
        " pattern"
    )
    (place.source / "shop.py").write_text("import sys\nsys.path.append(__file__ + '/../lib')\nimport outside\n")
    assert last_of(place.refused(place.order())) == (
        "The source has lib/outside.py, a link that leads out of the source, which is left out: put what it leads to"
        " into the source, or name that folder in the key extras"
    )


def test_a_module_that_the_project_does_not_package(place: Place) -> None:
    (place.source / "code").mkdir()
    (place.source / "shop.py").rename(place.source / "code" / "shop.py")
    (place.source / "code" / "shop.py").write_text("import stock\n")
    (place.source / "stock.py").touch()
    (place.source / "backend.py").write_text(BACKEND)
    (place.source / "pyproject.toml").write_text(PYPROJECT)
    assert last_of(place.refused(place.order())).startswith(
        "The source has stock.py, but the package that pyproject.toml builds lacks it: let the build include it"
    )


def test_a_file_that_the_project_does_not_package(place: Place) -> None:
    (place.source / "code").mkdir()
    (place.source / "shop.py").unlink()
    code = "import pathlib\nPRICES = pathlib.Path(__file__).with_name('prices.txt').read_text()\n"
    (place.source / "code" / "shop.py").write_text(code)
    (place.source / "code" / "prices.txt").touch()
    (place.source / "backend.py").write_text(BACKEND)
    (place.source / "pyproject.toml").write_text(PYPROJECT)
    assert last_of(place.refused(place.order())).startswith(
        "The source has code/prices.txt, but the package that pyproject.toml builds lacks it: let the build include it"
    )


NEITHER = "which neither the source nor the virtualenv has"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("shp", f"The key entry names the module shp, {NEITHER}; did you mean shop?"),
        ("inner", "The source has app/inner.py, which is not at its top: name the folder of inner.py as the source"),
        (
            "yaml",
            f"The key entry names the module yaml, {NEITHER}. Write into the record:\n    requirements: [PyYAML]",
        ),
    ],
)
def test_an_entry_that_names_no_module(place: Place, module: str, message: str) -> None:
    (place.source / "app").mkdir()
    (place.source / "app" / "inner.py").touch()
    order = place.order(entry=ENTRY.replace("from shop", f"from {module}"), record={"entry": module})
    assert last_of(place.refused(order)) == message


def test_commands_of_a_release_tell_of_missing_modules_too(place: Place) -> None:
    commands = {"build": "python -c 'import rest_framework'"}
    assert last_of(place.refused(place.order(commands=commands))) == (
        "The virtualenv has no module rest_framework. Write into the record:\n    requirements: [djangorestframework]\n"
        "Nothing that serves was changed"
    )
    commands = {"build": "python -m alembic"}
    assert "has no module alembic. " in place.refused(place.order(commands=commands))


def test_a_failed_build_leaves_what_others_use(place: Place) -> None:
    (place.source / "shop.py").write_text(SHOP_WITH_DEPENDENCY)
    lock = place.lock()
    complete_release = place.build(place.order(lock=lock))
    (place.source / "shop.py").write_text("raise SystemExit(3)\n")
    assert "SystemExit: 3" in place.refused(place.order(lock=lock))
    assert ask_python(complete_release, "import counter; print(counter.number)") == "1"


def test_a_release_that_answers_badly_or_never(place: Place) -> None:
    (place.source / "shop.py").write_text(SHOP.replace("200 OK", "503 Busy").replace('b"shop"', 'b"no database"'))
    assert place.refused(place.order()).endswith("/ answered 503 Busy\nno database")
    (place.source / "shop.py").write_text("import time\ntime.sleep(280)\n")
    never = "key start_timeout: the release did not answer / within 12 s; if it needs more time, give it a larger"
    message = place.refused(place.order(start_timeout=12))
    assert f" nothing that serves was changed:\n{never} start_timeout\nIt was here:\n" in message
    assert message.endswith('/src/shop.py", line 2, in <module>\n    time.sleep(280)')
    # One with a migration may be waiting for its database, and is tried again after that.
    release = place.build(place.order(start_timeout=12, migrates=True))
    described = json.loads((release / "RELEASE.json").read_text())
    assert described["before_migration"].startswith("/ is asked for again after the migration; before it: ")


def test_an_application_that_starts_a_program(place: Place) -> None:
    """The program holds the standard output open. Nobody waits for its end, and it ends with the trial."""
    mark = f"grove_{place.base.name.replace('-', '_')}"
    program = f"import time; time.sleep(600) # {mark}"
    start = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {program!r}])\n"
    (place.source / "shop.py").write_text(start + SHOP)
    place.build(place.order(start_timeout=120))
    deadline = time.monotonic() + 60
    while subprocess.run(["pgrep", "-f", mark], capture_output=True, check=False).returncode != 1:
        assert time.monotonic() < deadline, "the program runs on"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        ("os.kill(os.getpid(), 11)", "signal SIGSEGV"),
        ("os._exit(0)", "exit status 0"),
        ("os._exit(3)", "exit status 3"),
        # Programs that go on in the background end so.
        ("if os.fork(): os._exit(0)", "exit status 0"),
        ("application = lambda environ, start_response: os._exit(0)", "exit status 0"),
    ],
)
def test_an_application_that_ends_the_process(place: Place, program: str, ending: str) -> None:
    """It did not answer, whatever its exit status says. Nor may its migration help."""
    (place.source / "shop.py").write_text(f"{SHOP}import os\n{program}\n")
    message = place.refused(place.order(migrates=True))
    assert message.endswith(f"the process ended with {ending} while it loaded the application or asked it")


def test_the_cause_of_an_error_is_shown(place: Place) -> None:
    """The frames of imports would leave no room for it."""
    (place.source / "shop.py").write_text(
        "import logging.config\n"
        "handler = {'class': 'logging.FileHandler', 'filename': 'shop.log'}\n"
        "logging.config.dictConfig({'version': 1, 'handlers': {'f': handler}, 'root': {'handlers': ['f']}})\n"
    )
    message = place.refused(place.order())
    assert "PermissionError: [Errno 13] Permission denied:" in message
    assert "ValueError: Unable to configure handler 'f'\nThe application cannot write to its release." in message
    assert "importlib" not in message


def test_a_release_that_waits_for_its_migration(place: Place) -> None:
    (place.source / "shop.py").write_text("raise OSError('no table')\n")
    assert place.refused(place.order()).endswith("OSError: no table")
    release = place.build(place.order(migrates=True))
    described = json.loads((release / "RELEASE.json").read_text())
    assert described["before_migration"].endswith("; before it: OSError: no table")
    where = {"script_name": "/", "health": "/", "seconds": 60, "host": ""}
    assert described["trial"] == {**where, "request": REQUEST, "codes": [91, 92, 93]}
    (place.source / "shop.py").write_text("import no_such_module\n")
    assert "No module named" in place.refused(place.order(migrates=True))


def test_a_release_that_waits_for_its_migration_is_no_warning(place: Place) -> None:
    """Every first release of a service waits. The history keeps what the trial said."""
    (place.source / "shop.py").write_text("raise OSError('no table')\n")
    result = run_module(place, place.order(migrates=True))
    assert (result["changed"], result.get("warnings", [])) == (True, [])
    [event] = history.read(place.folder)
    assert (event["what"], event["why"].partition("before it: ")[2]) == ("built", "OSError: no table")


def run_module(place: Place, order: Order) -> dict[str, Any]:
    """Run the module ``release`` with the archive of an order."""
    return call(
        "release",
        folder=str(place.folder.path),
        name=place.folder.name,
        account=ACCOUNT,
        release=order.plan.release,
        inputs={},
        slot_wsgi="",
        run_script="",
        uv=place.tools.uv,
        wheelhouse=place.tools.wheelhouse,
        payload=str(order.payload),
    )


def test_the_trial_accepts_the_statuses_of_the_record(place: Place) -> None:
    (place.source / "shop.py").write_text(SHOP.replace("200 OK", "401 Unauthorized"))
    assert "/ answered 401 Unauthorized" in place.refused(place.order())
    place.build(place.order(request={**REQUEST, "statuses": [200, 401]}))


def test_a_release_that_redirects_to_https_says_where(place: Place) -> None:
    moved = SHOP.replace("200 OK", "301 Moved").replace(
        '"Content-Type", "text/plain"', '"Location", "https://shop.test/"'
    )
    (place.source / "shop.py").write_text(moved)
    message = place.refused(place.order())
    assert "/ answered 301 Moved with a redirect to https://shop.test/" in message
    assert "httpd_trusted_proxies" in message


def test_the_trial_runs_as_the_account_in_the_environment_of_the_release(place: Place) -> None:
    uid = pwd.getpwnam(ACCOUNT).pw_uid
    release = "os.path.dirname(os.path.dirname(os.path.abspath(__file__)))"
    checks = f"""
import os, sys
assert os.getuid() == {uid}, os.getuid()
assert os.getcwd() == {release}, os.getcwd()
assert os.umask(0) == 0o027
assert sys.argv == ["mod_wsgi"], sys.argv
assert sorted(os.environ) == {sorted(ENVIRONMENT)}, os.environ
assert os.environ["COLOUR"] == {release} + "/etc", os.environ
assert os.environ["GROVE_RELEASE"] in open({release} + "/RELEASE.json").read()
"""
    (place.source / "shop.py").write_text(checks + SHOP)
    place.build(place.order())


def test_programs_of_locked_requirements_can_be_called_and_see_the_application(place: Place) -> None:
    (place.source / "shop.py").write_text(SHOP_WITH_DEPENDENCY)
    wheel = place.wheel("counter", "number = 1\ndef main():\n    import shop\n    print(shop.__file__, end='')\n")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("counter-1.dist-info/entry_points.txt", "[console_scripts]\ncount-shop = counter:main\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    release = place.build(place.order(lock=f"counter==1 --hash=sha256:{digest}\n"))
    completed = launching.run(release, pwd.getpwnam(ACCOUNT), ["count-shop"])
    assert (completed.returncode, completed.stdout) == (0, f"{release}/src/shop.py")
    assert (release / "dependencies" / "bin" / "count-shop").exists()


def test_an_archive_whose_plan_cannot_be_used(place: Place) -> None:
    for content in ("{}", "no JSON", '{"colour": 1}'):
        order = place.order()
        payload = Payload(members=[Member("plan.json", content=content.encode())])
        with order.payload.open("wb") as stream:
            payload.write(stream, {})
        assert place.refused(order).startswith("the archive's plan.json cannot be used: ")


def test_a_release_without_its_description(place: Place) -> None:
    """It may serve, so nothing replaces it; the message has the command, which is enough."""
    order = place.order()
    release = place.build(order)
    for path in (release / "RELEASE.json", place.folder.slot("blue")):
        path.unlink(missing_ok=True)
    assert place.refused(order).endswith(f"No slot has this release: rm -r {release} removes it. Then run again")
    place.folder.point("blue", release.name)
    place.order()
    message = place.refused(order)
    assert f"{release}/RELEASE.json is not there or cannot be read" in message
    command = message.splitlines()[-1].replace(f"-g {ACCOUNT}", f"-g {pwd.getpwnam(ACCOUNT).pw_gid}")
    subprocess.run(command, shell=True, check=True)
    assert place.folder.describe(release.name) == {"id": release.name}


def test_leftovers_of_a_killed_build_go(place: Place) -> None:
    for folder in (place.folder.releases, place.folder.virtualenvs):
        (folder / ".0123.half").mkdir(parents=True)
        (folder / ".0123.half" / "file").write_text("x")
    order = place.order()
    place.build(order)
    assert place.contents() == [order.plan.release]


def test_a_wrong_hash_is_refused(place: Place) -> None:
    message = place.refused(place.order(lock=place.lock().replace("sha256:", "sha256:0")[:-2] + "\n"))
    assert message.startswith("installing the locked requirements failed: ")
    assert place.contents() == []


def test_the_address_of_a_requirement_shows_no_account(place: Place) -> None:
    address = "shop @ http://ann:s3cret@127.0.0.1:9/shop-1-py3-none-any.whl"
    message = place.refused(place.order("requirement", address))
    assert "127.0.0.1:9/shop-1-py3-none-any.whl" in message
    assert "s3cret" not in message


def test_a_requirement_that_is_nowhere(place: Place) -> None:
    message = place.refused(place.order("requirement", "no-such-package==1"))
    assert message.startswith("installing the application failed: ")
    assert "no-such-package" in message


@pytest.mark.parametrize("text", ["--help", "--version", "--index-url=http://127.0.0.1:9", "-h"])
def test_a_requirement_is_no_option_of_uv(place: Place, text: str) -> None:
    """The check of records refuses such a source. As an option, each of these would let uv install nothing."""
    message = place.refused(place.order("requirement", text))
    assert message.startswith("installing the application failed: ")
    assert text in message


def test_a_static_folder_that_is_not_there(place: Place) -> None:
    message = place.refused(place.order(static={"/public": "public"}))
    assert message == "static: the application has no folder public"


def test_what_the_host_lacks(place: Place) -> None:
    order = place.order(lock=place.lock())
    assert place.refused(order, "no-such-account") == "there is no account no-such-account on the host"
    other_python = place.order(lock=place.lock(), python="/bin/false")
    assert place.refused(other_python).startswith("key python: /bin/false cannot be run")
    order = place.order(lock=place.lock())
    tools, place.tools = place.tools, Tools("/nonexistent/uv", place.tools.wheelhouse)
    assert place.refused(order) == "building the release failed: /nonexistent/uv is not there"
    place.tools = tools
    order.payload.write_bytes(order.payload.read_bytes()[:300])
    assert place.refused(order).startswith("the archive of the release cannot be read: ")
    assert place.contents() == []


def test_a_full_disk_is_reported_and_no_file_remains(place: Place) -> None:
    place.folder.path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place.folder.path)]
    completed = subprocess.run(mount, capture_output=True, text=True, check=False)
    if completed.returncode:
        pytest.skip(f"a file system of one megabyte cannot be mounted here: {completed.stderr.strip()}")
    try:
        (place.source / "large").write_bytes(os.urandom(2 << 20))
        message = f"the disk that holds {place.folder.path} is full; nothing was left behind"
        assert place.refused(place.order()) == message
        (place.source / "large").write_bytes(os.urandom(990 << 10))
        assert place.refused(place.order()) == message
        assert place.contents() == []
    finally:
        subprocess.run(["umount", str(place.folder.path)], check=True)


PASTE = """
[pipeline:main]
pipeline = shop
[app:shop]
paste.app_factory = shop:factory
oslo_config_project = shop
"""
PASTE_ENTRY = ENTRY.replace(
    "from shop import application",
    """
sys.path.append(here + "/extras")
from counting import Counting
text = open(here + "/etc/api.ini").read()
assert f"oslo_config_file = {here}/etc/shop.conf" in text, text
assert "pipeline = count shop" in text, text
assert open(here + "/etc/shop.conf").read() == f"state = /var/lib/shop\\n{here}/etc {{other}}\\n"
from shop import application
application = Counting(application)
""",
)
COUNTING = """
class Counting:
    def __init__(self, application):
        self.application = application
    def __call__(self, *request):
        return self.application(*request)
def factory(global_conf):
    return Counting
"""


def paste_files(factory: str = "counting:factory", **changes: Any) -> dict[str, str]:
    overlay = {
        "sections": {"filter:count": {"paste.filter_factory": factory}},
        "pipelines": {"main": {"add": [{"filter": "count"}]}},
        **changes,
    }
    paste_options = {"from": "shop_etc/api.ini", "oslo_config_file": "{etc}/shop.conf", "overlay": overlay}
    return {
        "paste.json": json.dumps({"api.ini": paste_options}),
        "etc/shop.conf": "state = {state}\n{etc} {other}\n",
        "extras/counting/__init__.py": COUNTING,
    }


def paste_order(place: Place, files: dict[str, str]) -> Order:
    (place.source / "shop_etc").mkdir(exist_ok=True)
    wheel = place.wheel("shop", SHOP)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("shop_etc/api.ini", PASTE)
    where = {"state": "/var/lib/shop", "logs": "/var/log/shop"}
    return place.order("requirement", "shop==1", files=files, entry=PASTE_ENTRY, expanded=("shop.conf",), places=where)


def test_a_packages_paste_file_gets_its_overlay_and_placeholders_their_folders(place: Place) -> None:
    release = place.build(paste_order(place, paste_files()))
    final = f"{place.folder.path}/releases/{release.name}"
    assert (release / "etc" / "shop.conf").read_text() == f"state = /var/lib/shop\n{final}/etc {{other}}\n"
    text = (release / "etc" / "api.ini").read_text()
    assert f"oslo_config_file = {final}/etc/shop.conf" in text
    for path in (release / "etc" / "shop.conf", release / "etc" / "api.ini", release / "paste.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            paste_files("counting:gone"),
            "key paste.api.ini.overlay.sections.filter:count: found the factory 'counting:gone', which cannot be"
            " imported (AttributeError: module 'counting' has no attribute 'gone')",
        ),
        (
            {**paste_files(), "extras/counting/__init__.py": "import os\nos._exit(0)\n"},
            "key paste.api.ini.overlay.sections.filter:count: found the factory 'counting:factory', which cannot be"
            " imported (the process ended with exit status 0 while it imported the module)",
        ),
        (
            paste_files(pipelines={"other": {"remove": ["count"]}}),
            "key paste.api.ini.overlay: pipelines.other: no such pipeline; the file has main",
        ),
        (
            paste_files() | {"paste.json": json.dumps({"api.ini": {"from": "etc/gone.ini"}})},
            "key paste.api.ini.from: found no file etc/gone.ini in the virtualenv or its site-packages",
        ),
    ],
)
def test_an_overlay_that_does_not_fit_the_package_is_refused(
    place: Place, files: dict[str, str], expected: str
) -> None:
    assert place.refused(paste_order(place, files)).startswith(expected)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        (
            "Traceback (most recent call last):\n"
            '  File "a.py", line 1, in <module>\n    load()\n    ~~~~^^\n'
            "sqlalchemy.exc.OperationalError: no such table: users\n[SQL: select 1]\n(Background on this error)\n",
            "sqlalchemy.exc.OperationalError: no such table: users",
        ),
        ('Traceback (most recent call last):\n  File "a.py", line 1\n    x\n', "    x"),
    ],
)
def test_the_line_that_names_an_error(text: str, line: str) -> None:
    assert output.error_line(text) == line


def bill(release: Path) -> dict[str, Any]:
    """Return a release's bill of materials, which the official schema of CycloneDX accepts."""
    text = (release / sbom.FILE).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    return document


def component(release: Path, name: str) -> dict[str, Any]:
    return next(one for one in bill(release)["components"] if one["name"] == name)


def is_locked(one: dict[str, Any]) -> bool:
    return {"name": "grove:locked", "value": "true"} in one["properties"]


@pytest.fixture
def index(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index from which uv takes packages."""
    place.tools = Tools(str(UV))
    with serving(place.base / "index") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.simple)
        yield index


def wheel_of(place: Place, module: str = SHOP) -> bytes:
    """Return a wheel of the application. Making it again gives other bytes, since a wheel has times in it."""
    place.tools = dataclasses.replace(place.tools, wheelhouse=str(place.base / "wheels"))
    wheel = place.wheel("shop", module).read_bytes()
    place.tools = Tools(str(UV))
    return wheel


def test_a_release_lists_what_it_is_made_of(place: Place) -> None:
    (place.source / "shop.py").write_text(SHOP_WITH_DEPENDENCY)
    lock = place.lock()
    release = place.build(place.order(lock=lock, files={"extras/counting/__init__.py": COUNTING}))
    document = bill(release)
    about = document["metadata"]["component"]
    assert (about["name"], about["version"]) == ("shop", release.name)
    properties = {one["name"]: one["value"] for one in about["properties"]}
    inputs = json.loads((release / "RELEASE.json").read_text())["inputs"]
    assert properties["grove:input source"] == inputs["source"]
    assert properties["grove:input lock"] == inputs["lock"]
    assert not [name for name in properties if "config" in name]
    counter = component(release, "counter")
    assert (counter["version"], counter["purl"], is_locked(counter)) == ("1", "pkg:pypi/counter@1", True)
    assert counter["hashes"] == [{"alg": "SHA-256", "content": lock.split("sha256:")[1].strip()}]
    assert document["dependencies"] == [{"ref": "release", "dependsOn": [counter["purl"]]}]
    assert stat.S_IMODE((release / sbom.FILE).stat().st_mode) == 0o640
    assert sbom.listed_packages(release) == {"counter": "1"}


def test_the_same_release_has_the_same_bill(place: Place) -> None:
    lock = place.lock()
    release = place.build(place.order(lock=lock))
    before = (release / sbom.FILE).read_bytes()
    shutil.rmtree(release)
    shutil.rmtree(place.folder.virtualenvs)
    assert place.build(place.order(lock=lock)) == release
    assert (release / sbom.FILE).read_bytes() == before
    other = place.build(place.order())
    assert bill(other)["serialNumber"] != json.loads(before)["serialNumber"]


def test_licences_are_those_of_the_metadata(place: Place) -> None:
    texts = {
        "one": "License-Expression: MIT OR Apache-2.0\n",
        "two": "License: BSD\n",
        "three": "License: Permission is hereby granted\n  to any person\n"
        "Classifier: License :: OSI Approved :: MIT License\nClassifier: Topic :: Shops\n",
        "four": "",
    }
    lock = ""
    for name, text in texts.items():
        wheel = place.wheel(name, "")
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1\n{text}"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{name}.py", "")
            archive.writestr(f"{name}-1.dist-info/METADATA", metadata)
            archive.writestr(f"{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
            archive.writestr(f"{name}-1.dist-info/RECORD", "")
        lock += f"{name}==1 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    release = place.build(place.order(lock=lock))
    assert {name: component(release, name).get("licenses") for name in texts} == {
        "one": [{"expression": "MIT OR Apache-2.0"}],
        "two": [{"license": {"name": "BSD"}}],
        "three": [{"license": {"name": "License :: OSI Approved :: MIT License"}}],
        "four": None,
    }


def test_a_wheel_of_the_controller_has_its_hash(place: Place) -> None:
    wheel = place.wheel("shop", SHOP)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    release = place.build(place.order("wheel", str(wheel)))
    shop = component(release, "shop")
    assert (shop["hashes"], is_locked(shop)) == ([{"alg": "SHA-256", "content": digest}], True)
    assert (release / "resolved.txt").read_text() == ""
    assert "externalReferences" not in shop


def test_a_release_without_a_lock_records_what_was_fetched(place: Place, index: Index) -> None:
    """The record of it can be the lock of the next release."""
    digest = index.offer("shop", WHEEL, wheel_of(place))
    release = place.build(place.order("requirement", "shop"))
    assert (release / "resolved.txt").read_text() == f"shop==1 \\\n    --hash=sha256:{digest}\n"
    shop = component(release, "shop")
    assert (shop["version"], is_locked(shop)) == ("1", False)
    assert shop["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert not (release / "wanted.txt").exists()
    locked = place.build(place.order("requirement", "shop", (release / "resolved.txt").read_text()))
    assert is_locked(component(locked, "shop"))
    assert not (locked / "resolved.txt").exists()


@pytest.mark.parametrize("kind", ["lock", "index", "address"])
def test_a_file_that_was_tampered_with_is_refused(place: Place, index: Index, kind: str) -> None:
    """The hash stands in the record's lock, in the index, or in the record's source."""
    genuine = wheel_of(place)
    digest = index.offer("shop", WHEEL, wheel_of(place, SHOP + "# changed\n"), promised=genuine)
    text, lock = {
        "lock": ("shop", f"shop==1 --hash=sha256:{digest}\n"),
        "index": ("shop", None),
        "address": (f"shop @ {index.simple}/shop/{WHEEL}#sha256={digest}", None),
    }[kind]
    message = place.refused(place.order("requirement", text, lock))
    assert "Hash mismatch" in message
    assert digest in message
    index.offer("shop", WHEEL, genuine)
    place.build(place.order("requirement", text, lock))


def test_source_archives_of_a_lock_are_built_by_what_the_lock_names(place: Place, index: Index) -> None:
    """The index has a newer backend, which nothing has checked."""
    place.tools = dataclasses.replace(place.tools, wheelhouse=str(place.base / "wheels"))
    backend = BACKEND.replace('wheel.write("code/shop.py", "shop.py")', 'wheel.writestr("shop.py", SHOP)')
    genuine = place.wheel("backend", f"SHOP = {SHOP!r}\n{backend}").read_bytes()
    place.tools = Tools(str(UV))
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        text = b'[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n'
        info = tarfile.TarInfo("shop-1/pyproject.toml")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    digest = index.offer("shop", "shop-1.tar.gz", content.getvalue())
    newer = io.BytesIO()
    with zipfile.ZipFile(newer, "w") as wheel:
        wheel.writestr("backend.py", "raise SystemExit('the newer backend')\n")
        wheel.writestr("backend-2.dist-info/METADATA", "Metadata-Version: 2.1\nName: backend\nVersion: 2\n")
        wheel.writestr("backend-2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("backend-2.dist-info/RECORD", "")
    index.offer("backend", "backend-2-py3-none-any.whl", newer.getvalue())
    page = index.folder / "simple" / "backend" / "index.html"
    of_newer = page.read_text()
    index.offer("backend", "backend-1-py3-none-any.whl", genuine)
    page.write_text(page.read_text() + of_newer)
    lock = f"shop==1 --hash=sha256:{digest}\nbackend==1 --hash=sha256:{hashlib.sha256(genuine).hexdigest()}\n"
    release = place.build(place.order("requirement", "shop", lock))
    assert ask_python(release, "import shop; print(shop.application)").startswith("<function")


def test_a_build_backend_can_be_locked_on_the_host(place: Place, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    place.tools = dataclasses.replace(place.tools, wheelhouse=str(place.base / "wheels"))
    genuine, other = (place.wheel("backend", text).read_bytes() for text in (BACKEND, BACKEND + "# more"))
    place.tools = Tools(str(UV))
    (place.source / "code").mkdir()
    (place.source / "shop.py").rename(place.source / "code" / "shop.py")
    pyproject = PYPROJECT.replace("requires = []", 'requires = ["backend"]').replace('backend-path = ["."]', "")
    (place.source / "pyproject.toml").write_text(pyproject)
    constraints = place.base / "build.lock"
    constraints.write_text(f"backend==1 --hash=sha256:{hashlib.sha256(genuine).hexdigest()}\n")
    monkeypatch.setenv("UV_BUILD_CONSTRAINT", str(constraints))
    index.offer("backend", "backend-1-py3-none-any.whl", other)
    assert "Hash mismatch" in place.refused(place.order())
    index.offer("backend", "backend-1-py3-none-any.whl", genuine)
    place.build(place.order())


@pytest.mark.debian_packages("git")
def test_a_tag_is_recorded_as_its_commit(place: Place) -> None:
    repository = place.base / "repository"
    (repository / "code").mkdir(parents=True)
    (repository / "code" / "shop.py").write_text(SHOP)
    (repository / "backend.py").write_text(BACKEND)
    (repository / "pyproject.toml").write_text(PYPROJECT)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    release = place.build(place.order("vcs", f"git+file://{repository}@v1"))
    assert head in (release / "resolved.txt").read_text()
    assert head in component(release, "shop")["purl"]
    wrong = head[:-4] + ("0000" if head[-4:] != "0000" else "1111")
    assert "installing the application failed" in place.refused(place.order("vcs", f"git+file://{repository}@{wrong}"))


def test_accounts_of_addresses_stay_out_of_the_bill(place: Place, index: Index) -> None:
    index.offer("shop", WHEEL, wheel_of(place))
    address = index.simple.replace("//", "//user:secret@")
    release = place.build(place.order("requirement", f"shop @ {address}/shop/{WHEEL}"))
    bill(release)
    assert "secret" not in (release / sbom.FILE).read_text()
    assert "download_url=http" in component(release, "shop")["purl"]


def test_a_release_of_an_older_grove_has_no_bill(tmp_path: Path) -> None:
    assert sbom.listed_packages(tmp_path) is None
