"""The project's files against its linters."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
HIDDEN_WITH_SOURCES = {".ci", ".config"}
NOT_SOURCES = {"build", "dist", "__pycache__"}


def sources(*suffixes: str) -> list[str]:
    """Return the paths, relative to the repository, of the project's own files with these suffixes."""
    files: list[str] = []
    for folder, below, names in os.walk(REPOSITORY):
        below[:] = [name for name in below if name in HIDDEN_WITH_SOURCES or not name.startswith(".")]
        below[:] = sorted(set(below) - NOT_SOURCES)
        paths = [Path(folder, name).relative_to(REPOSITORY) for name in sorted(names)]
        files += [str(path) for path in paths if path.suffix in suffixes]
    assert files, f"no {suffixes} file in {REPOSITORY}"
    return files


def run(*command: str, **environment: str) -> str:
    """Run the tool in the repository; return its output, or fail with it."""
    completed = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if completed.returncode:
        pytest.fail(f"{command[0]}: exit status {completed.returncode}\n{completed.stdout}", pytrace=False)
    return completed.stdout


def test_ruff() -> None:
    run("ruff", "check", *sources(".py"))


def test_ruff_format() -> None:
    run("ruff", "format", "--check", *sources(".py"))


def test_mypy() -> None:
    modules = [path for path in sources(".py") if not path.startswith("plugins/")]
    assert re.search(r"no issues found in [1-9]", run("mypy", "--strict", *modules))


def test_mypy_plugins(tmp_path: Path) -> None:
    """mypy uses the names by which Ansible imports the files, because an action and its module have the same name."""
    collection = tmp_path / "ansible_collections" / "grove" / "wsgi"
    collection.parent.mkdir(parents=True)
    collection.symlink_to(REPOSITORY)
    output = run("mypy", "--strict", "--package", "ansible_collections.grove.wsgi.plugins", MYPYPATH=str(tmp_path))
    assert re.search(r"no issues found in [1-9]", output)


def test_yamllint() -> None:
    run("yamllint", "--strict", *sources(".yml", ".yaml"), ".ansible-lint", ".yamllint")


def test_ansible_lint() -> None:
    output = run("ansible-lint", "--strict", "--nocolor", "--profile", "production")
    assert re.search(r"in [1-9]\d* files processed", output), output
