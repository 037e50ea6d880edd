"""What a source folder says about the packages that it needs."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.action.release import build_plan, needs_of_record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.project import (
    NAMES,
    Needs,
    ProjectError,
    is_package,
    needs_of,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view
from packaging.requirements import Requirement
from record_settings import SETTINGS, SPEC

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PYPROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["flask", "tz; sys_platform == \'win32\'"]\n'
UV = f"""
version = 1
[[package]]
name = "shop"
version = "1"
source = {{ editable = "." }}
dependencies = [
  {{ name = "flask" }},
  {{ name = "psycopg", extra = ["binary"] }},
  {{ name = "tz", marker = "sys_platform == 'win32'" }},
  {{ name = "numpy", version = "1.0", marker = "python_version < '3.12'" }},
  {{ name = "numpy", version = "2.0", marker = "python_version >= '3.12'" }},
]
[package.dev-dependencies]
dev = [{{ name = "pytest" }}]
[[package]]
name = "flask"
version = "3.0"
source = {{ registry = "https://example.org/simple" }}
dependencies = [{{ name = "click" }}, {{ name = "tz", marker = "python_version < '3.9'" }}]
sdist = {{ url = "https://example.org/flask.tar.gz", hash = "{A}" }}
wheels = [{{ url = "https://example.org/flask.whl", hash = "{B}" }}]
[[package]]
name = "click"
version = "8.0"
source = {{ registry = "https://example.org/simple" }}
dependencies = [{{ name = "flask" }}]
wheels = [{{ url = "u", hash = "{A}" }}]
[[package]]
name = "tz"
version = "2026"
source = {{ registry = "r" }}
wheels = [{{ url = "u", hash = "{A}" }}]
[[package]]
name = "psycopg"
version = "3.3"
source = {{ registry = "r" }}
wheels = [{{ url = "u", hash = "{A}" }}]
[package.optional-dependencies]
binary = [{{ name = "psycopg-binary", marker = "implementation_name != 'pypy'" }}]
[[package]]
name = "psycopg-binary"
version = "3.3"
source = {{ registry = "r" }}
wheels = [{{ url = "u", hash = "{A}" }}]
[[package]]
name = "numpy"
version = "1.0"
source = {{ registry = "r" }}
wheels = [{{ url = "u", hash = "{A}" }}]
[[package]]
name = "numpy"
version = "2.0"
source = {{ registry = "r" }}
wheels = [{{ url = "u", hash = "{B}" }}]
[[package]]
name = "pytest"
version = "8"
source = {{ registry = "r" }}
wheels = [{{ url = "u", hash = "{A}" }}]
"""
POETRY = f"""
[[package]]
name = "Flask"
version = "3.0"
optional = false
files = [{{file = "flask.whl", hash = "{A}"}}, {{file = "flask.tar.gz", hash = "{B}"}}]
[package.dependencies]
click = ">=8"
colorama = {{version = "*", markers = "platform_system == 'Windows'"}}
async = {{version = "*", optional = true}}
[[package]]
name = "click"
version = "8.0"
files = [{{file = "click.whl", hash = "{A}"}}]
[[package]]
name = "colorama"
version = "0.4"
files = [{{file = "colorama.whl", hash = "{A}"}}]
[[package]]
name = "async"
version = "1"
files = [{{file = "async.whl", hash = "{A}"}}]
[[package]]
name = "pytest"
version = "8"
files = [{{file = "pytest.whl", hash = "{A}"}}]
[metadata]
lock-version = "2.0"
"""
POETRY_21 = f"""
[[package]]
name = "flask"
version = "3.0"
groups = ["main"]
files = [{{file = "flask.whl", hash = "{A}"}}]
[package.dependencies]
tz = "*"
[[package]]
name = "tz"
version = "2026"
groups = ["main", "dev"]
markers = "python_version < '3.9'"
files = [{{file = "tz.whl", hash = "{A}"}}]
[[package]]
name = "pytest"
version = "8"
groups = ["dev"]
files = [{{file = "pytest.whl", hash = "{A}"}}]
"""
PDM = f"""
[[package]]
name = "flask"
version = "3.0"
groups = ["default"]
marker = "python_version >= '3.9'"
files = [{{file = "flask.whl", hash = "{A}"}}]
[[package]]
name = "pytest"
version = "8"
groups = ["test"]
files = [{{file = "pytest.whl", hash = "{A}"}}]
"""
PIPENV = json.dumps(
    {
        "default": {"flask": {"version": "==3.0", "hashes": [A, B], "markers": "python_version >= '3.9'"}},
        "develop": {"pytest": {"version": "==8", "hashes": [A]}},
    }
)
PYLOCK = f"""
lock-version = "1.0"
default-groups = ["web"]
[[packages]]
name = "flask"
version = "3.0"
[[packages.wheels]]
url = "u"
hashes = {{sha256 = "{"a" * 64}"}}
[[packages]]
name = "pytest"
version = "8"
marker = "'dev' in dependency_groups"
[[packages.wheels]]
url = "u"
hashes = {{sha256 = "{"a" * 64}"}}
[[packages]]
name = "gevent"
version = "1"
marker = "'web' in dependency_groups"
[packages.sdist]
url = "u"
hashes = {{sha256 = "{"b" * 64}"}}
[[packages]]
name = "shop"
directory = {{path = "."}}
"""


def needs(folder: Path, **files: str) -> Needs:
    """Return what the source needs; the names of files have _ for a dot."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return needs_of(folder)


def locked(text: str | None) -> dict[str, tuple[str, set[str]]]:
    """Return the marker and the hashes of each requirement of a lock, by name and version."""
    assert text is not None
    result = {}
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=")
        one = Requirement(requirement.strip())
        result[f"{one.name}{one.specifier}"] = (str(one.marker or ""), {value.strip() for value in hashes})
    return result


def test_the_lock_of_uv(tmp_path: Path) -> None:
    found = needs(tmp_path, uv_lock=UV)
    assert found.file == "uv.lock"
    assert locked(found.lock) == {
        "click==8.0": ("", {A}),
        "flask==3.0": ("", {A, B}),
        "numpy==1.0": ('python_version < "3.12"', {A}),
        "numpy==2.0": ('python_version >= "3.12"', {B}),
        "psycopg==3.3": ("", {A}),
        "psycopg-binary==3.3": ('implementation_name != "pypy"', {A}),
        "tz==2026": ('python_version < "3.9" or sys_platform == "win32"', {A}),
    }


@pytest.mark.parametrize("text", [POETRY, POETRY.replace("files = [", "fils = [")])
def test_the_lock_of_poetry(tmp_path: Path, text: str) -> None:
    """A lock before 2.1 does not say what a package is for. The project's own dependencies do."""
    files = {"pyproject_toml": PYPROJECT, "poetry_lock": text}
    if "fils" in text:
        with pytest.raises(ProjectError, match=r"^poetry.lock: found \w+ without a version or without hashes"):
            needs(tmp_path, **files)
        return
    assert locked(needs(tmp_path, **files).lock) == {
        "click==8.0": ("", {A}),
        "colorama==0.4": ('platform_system == "Windows"', {A}),
        "flask==3.0": ("", {A, B}),
    }


@pytest.mark.parametrize(
    "project",
    [
        PYPROJECT,
        '[tool.poetry.dependencies]\npython = "^3.11"\nflask = "^3"\npytest = {version = "*", optional = true}\n',
        '[tool.poetry.dependencies]\nFlask = [{version = "^3"}]\n',
    ],
)
def test_a_newer_lock_of_poetry(tmp_path: Path, project: str) -> None:
    found = needs(tmp_path, pyproject_toml=project, poetry_lock=POETRY_21)
    assert locked(found.lock) == {"flask==3.0": ("", {A}), "tz==2026": ('python_version < "3.9"', {A})}


def test_the_locks_of_other_tools(tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text(PIPENV)
    assert locked(needs_of(tmp_path).lock) == {"flask==3.0": ('python_version >= "3.9"', {A, B})}
    assert locked(needs(tmp_path, pdm_lock=PDM).lock) == {"flask==3.0": ('python_version >= "3.9"', {A})}
    found = needs(tmp_path, pylock_toml=PYLOCK)
    assert (found.file, locked(found.lock)) == ("pylock.toml", {"flask==3.0": ("", {A}), "gevent==1": ("", {B})})


def test_requirements(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("-r requirements.txt\nalembic>=1.13\n-c limits.txt\n")
    (tmp_path / "limits.txt").write_text("sqlalchemy<2.1\n")
    text = "\ufeff# what is needed\nFlask == 3.0  # web\n-r more.txt\n-e .\n.\n"
    text += "psycopg[binary] ; python_version > '3' \\\n\n"
    found = needs(tmp_path, requirements_txt=text)
    assert found.lock is None
    assert found.requirements == ("Flask==3.0", 'psycopg[binary]; python_version > "3"', "alembic>=1.13")
    assert found.constraints == ("sqlalchemy<2.1",)


def test_requirements_with_hashes_are_a_lock(tmp_path: Path) -> None:
    text = f"flask==3.0 \\\n    --hash={A}\nclick==8.0 --hash={B}\n"
    assert needs(tmp_path, requirements_txt=text) == Needs("requirements.txt", lock=text)
    assert needs(tmp_path, requirements_txt=text + "tz\n").requirements == ("flask==3.0", "click==8.0", "tz")


def test_requirements_as_windows_writes_them(tmp_path: Path) -> None:
    text = f"flask==3.0 \\\r\n    --hash={A}\r\n"
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "requirements.txt").write_bytes(text.encode(encoding))
        assert needs_of(tmp_path).lock == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("git+https://h/x.git@v1#egg=x", "x @ git+https://h/x.git@v1"),
        ("-e git+https://h/x.git#egg=x[a]&subdirectory=b", "x[a] @ git+https://h/x.git#subdirectory=b"),
        ("--editable=git+https://h/x.git#subdirectory=b&egg=x", "x @ git+https://h/x.git#subdirectory=b"),
        ("https://h/a/some_thing-1.0-py3-none-any.whl", "some-thing @ https://h/a/some_thing-1.0-py3-none-any.whl"),
        ("x @ git+https://h/x.git@v1", "x @ git+https://h/x.git@v1"),
    ],
)
def test_addresses_as_pip_writes_them(tmp_path: Path, line: str, requirement: str) -> None:
    assert needs(tmp_path, requirements_txt=f"{line}\n").requirements == (requirement,)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("-i https://ann:sesame@h/simple", "set the index for the host with uv_environment"),
        ("--find-links=wheels", "set the index for the host with uv_environment"),
        ("git+https://ann:sesame@h/x.git", "write the package's name before the address: NAME @ ADDRESS"),
        ("https://h/x-1.tar.gz", "write the package's name before the address: NAME @ ADDRESS"),
        ("-e ./libs/x", "name the folder of that Python package with the key extras"),
        ("../x", "name the folder of that Python package with the key extras"),
        ("--no-binary :all:", "it has to have requirements such as flask==3.0"),
    ],
)
def test_lines_that_cannot_be_used_get_a_remedy(tmp_path: Path, line: str, remedy: str) -> None:
    with pytest.raises(ProjectError) as raised:
        needs(tmp_path, requirements_txt=f"{line}\n")
    assert remedy in raised.value.remedy
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "is_one", "requirements"),
    [
        ("[tool.ruff]\nline-length = 100\n", False, ()),
        ("[project]\nname = 'shop'\n", True, ()),
        ("[build-system]\nrequires = []\n", True, ()),
        ("[tool.poetry]\nname = 'shop'\n", True, ()),
        ("[tool.uv]\npackage = false\n[project]\ndependencies = ['flask>=3']\n", False, ("flask>=3",)),
        ("[tool.pdm]\ndistribution = false\n[project]\nname = 'shop'\n", False, ()),
        ("[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = '^3.11'\n", False, ()),
    ],
)
def test_a_pyproject_that_describes_no_package(
    tmp_path: Path, text: str, *, is_one: bool, requirements: tuple[str, ...]
) -> None:
    """Many a pyproject.toml has the settings of tools alone, and modules that no build finds lie beside it."""
    found = needs(tmp_path, pyproject_toml=text)
    assert (is_package(tmp_path), found.requirements) == (is_one, requirements)
    assert not is_package(tmp_path, ["/pyproject.toml"])
    (tmp_path / "setup.py").touch()
    assert is_package(tmp_path)
    assert is_package(tmp_path, ["/setup.py"]) == is_one


def test_a_folder_of_modules_is_not_built(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[tool.uv]\npackage = false\n[project]\ndependencies = ['flask>=3']\n")
    plan = planned(folder)
    assert (plan["builds"], plan["requirements"]) == (False, ["flask>=3"])
    (folder / "pyproject.toml").write_text(PYPROJECT)
    plan = planned(folder)
    assert (plan["builds"], plan["requirements"]) == (True, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project\n", "a file that cannot be read"),
        ("[tool.poetry]\npackage-mode = false\ndependencies = {flask = '*'}\n", "and no poetry.lock"),
        ("[tool.uv]\npackage = false\n[project]\ndependencies = ['a b']\n", "the line 'a b'"),
    ],
)
def test_a_pyproject_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080}
    [problem] = check_records([record], SPEC, SETTINGS).problems
    assert (problem.key, message in problem.actual) == ("source", True)


def test_a_source_of_which_a_release_gets_nothing(tmp_path: Path) -> None:
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080}
    [problem] = check_records([record], SPEC, SETTINGS).problems
    assert (problem.key, "which holds no file" in problem.actual) == ("source", True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "shop.py").touch()
    [problem] = check_records([record], SPEC, SETTINGS).problems
    assert "of which exclude leaves out every file" in problem.actual
    assert not check_records([{**record, "exclude": []}], SPEC, SETTINGS).problems


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "shop.py").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).touch()
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080}
    [problem] = check_records([record], SPEC, SETTINGS).problems
    assert (problem.key, "a file called caf\\xe9.txt" in problem.actual) == ("source", True)
    assert not check_records([{**record, "exclude": ["*.txt"]}], SPEC, SETTINGS).problems


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in NAMES if name != "requirements.txt" for text in ("{", "a = 1\n", "[]", "\0")),
        ("uv.lock", UV.replace('editable = "."', 'editable = "libs/x"')),
        ("uv.lock", UV.replace(f'hash = "{A}"', 'path = "x"').replace(f'hash = "{B}"', 'path = "x"')),
        ("requirements.txt", "--index-url https://example.org\n"),
        ("requirements.txt", "flask==\n"),
        ("requirements.txt", "-r ../other.txt\n"),
        ("requirements.txt", "-r /etc/passwd\n"),
        ("requirements.txt", "-r missing.txt\n"),
        ("requirements.txt", "-e libs/x\n"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    with pytest.raises(ProjectError) as raised:
        needs_of(tmp_path)
    assert raised.value.file == name
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080}
    [problem] = check_records([record], SPEC, SETTINGS).problems
    assert (problem.record, problem.key) == ("shop", "source")
    assert name in problem.actual


def planned(folder: Path, **more: Any) -> dict[str, Any]:
    record = {"name": "shop", "source": str(folder), "entry": {"module": "shop:app"}, "listen": 8080, **more}
    checked = check_records([record], SPEC, dataclasses.replace(SETTINGS, folders=(str(folder),)))
    assert [str(problem) for problem in checked.problems] == []
    view = build_view(checked.records[0])
    found = needs_of_record(view)
    plan: dict[str, Any] = json.loads(build_plan(view, found, "one"))
    return {**plan, "lock": found.lock, "summary": found.summary()}


def test_requirements_of_the_record(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").touch()
    plan = planned(folder)
    assert (plan["requirements"], plan["lock"], plan["summary"]) == ([], None, "")
    plan = planned(folder, requirements=["psycopg2-binary", "alembic>=1.13"])
    assert plan["requirements"] == ["psycopg2-binary", "alembic>=1.13"]
    assert plan["summary"] == "installs psycopg2-binary, alembic>=1.13"
    (folder / "uv.lock").write_text(UV)
    plan = planned(folder)
    assert (plan["requirements"], len(locked(plan["lock"]))) == ([], 7)
    assert plan["summary"] == "installs the 7 packages that uv.lock names, with hashes"
    plan = planned(folder, requirements=["alembic"])
    assert (plan["lock"], plan["requirements"][-1], plan["requirements"][0]) == (None, "alembic", "click==8.0")
    (folder / "own.lock").write_text("flask==2.0\n")
    plan = planned(folder, lock="own.lock")
    assert plan["lock"] == "flask==2.0\n"
    assert plan["summary"] == "installs the 1 package that own.lock names, with hashes"


@pytest.mark.parametrize("text", ["-r x", "--index-url=x", "a b", "", "./x", "/etc", "a;b;c", "a\n"])
def test_requirements_that_are_none(tmp_path: Path, text: str) -> None:
    record = {"name": "shop", "source": "shop", "entry": {"module": "shop:app"}, "listen": 8080, "requirements": [text]}
    keys = {problem.key for problem in check_records([record], SPEC, SETTINGS).problems}
    assert keys in ({"requirements"}, {"requirements[0]"})


@pytest.mark.parametrize("pattern", ["", "/", "../x", "a/../b"])
def test_patterns_that_match_nothing_of_a_source(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "shop.py").touch()
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080}
    problems = check_records([{**record, "exclude": [pattern]}], SPEC, SETTINGS).problems
    assert [problem.key for problem in problems] == ["exclude"]


@pytest.mark.parametrize(("exclude", "refused"), [(None, True), (["/build"], False), (["assets"], True), ([], False)])
def test_a_static_folder_that_is_left_out(tmp_path: Path, exclude: list[str] | None, *, refused: bool) -> None:
    (tmp_path / "shop.py").touch()
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080}
    more = {} if exclude is None else {"exclude": exclude}
    problems = check_records([{**record, **more, "static": {"/assets": "dist/assets"}}], SPEC, SETTINGS).problems
    assert [problem.key for problem in problems] == (["static./assets"] if refused else [])


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"build": "python src/manage.py collectstatic"}, []),
        ({"build": ["make a", "make b"], "static": {"/assets": "assets"}}, []),
        ({"static": {"/assets": "assets"}}, ["static./assets"]),
        ({"build": []}, ["build"]),
        ({"build": "a 'b"}, ["build"]),
        ({"build": {"a": "b"}}, ["build"]),
        ({"build": ["a", 3]}, ["build"]),
        ({"build": "make {house}"}, ["build"]),
        ({"build": "make", "source": "shop==1"}, ["build"]),
    ],
)
def test_commands_that_make_files(tmp_path: Path, changes: dict[str, Any], keys: list[str]) -> None:
    (tmp_path / "shop.py").touch()
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080, **changes}
    assert [problem.key for problem in check_records([record], SPEC, SETTINGS).problems] == keys


def test_requirements_go_without_a_lock(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("")
    record = {"name": "shop", "source": "shop", "entry": {"module": "shop:app"}, "listen": 8080, "lock": "a.lock"}
    settings = dataclasses.replace(SETTINGS, folders=(str(tmp_path),))
    problems = check_records([{**record, "requirements": ["flask"]}], SPEC, settings).problems
    assert [problem.key for problem in problems] == ["requirements"]


def test_a_lock_of_the_source_satisfies_those_who_require_hashes(tmp_path: Path) -> None:
    (tmp_path / "shop.py").touch()
    settings = dataclasses.replace(SETTINGS, require_hashes=True)
    record = {"name": "shop", "source": str(tmp_path), "entry": {"module": "shop:app"}, "listen": 8080}
    assert [problem.key for problem in check_records([record], SPEC, settings).problems] == ["lock"]
    (tmp_path / "uv.lock").write_text(UV)
    assert not check_records([record], SPEC, settings).problems
    more = {**record, "requirements": ["flask"]}
    assert [problem.key for problem in check_records([more], SPEC, settings).problems] == ["lock"]


def test_the_plan_says_for_messages_what_the_record_names(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "uv.lock").write_text(UV)
    (tmp_path / "shop.lock").write_text("flask==3.0\n")

    def told(**keys: Any) -> dict[str, Any]:
        call = "shop:make('sesame')"
        written = {"name": "shop", "source": "./shop", "entry": {"module": call}, "listen": 8080, **keys}
        settings = dataclasses.replace(SETTINGS, folders=(str(tmp_path),))
        view = build_view(check_records([written], SPEC, settings).records[0])
        plan = build_plan(view, needs_of_record(view), "0123456789ab", left_out={"build": "/build", "link": ""})
        result: dict[str, Any] = json.loads(plan)["record"]
        return result

    left_out = {"build": "/build", "link": ""}
    common = {"name": "shop", "entry": "shop", "left_out": left_out, "requirements": []}
    assert told() == {**common, "lock": "", "source_lock": "uv.lock"}
    assert told(lock="shop.lock") == {**common, "lock": "shop.lock", "source_lock": ""}
    asked = ["a", "b @ https://alice:sesame@example.org/b.whl"]
    shown = [asked[0], "b @ https://example.org/b.whl"]
    assert told(requirements=asked) == {**common, "requirements": shown, "lock": "", "source_lock": ""}
