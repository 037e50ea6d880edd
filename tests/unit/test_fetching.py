"""Locks have hashes, and no file of the project turns the checks of a fetched file off."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("roles", "playbooks", "plugins", "molecule", "wsgi", "inventory", "bench", "httpd", ".config")
FILES = ("grove", "site.yml", "ansible.cfg")
UNCHECKED = re.compile(
    r"allow.?unauthenticated|allow.?insecure|\[trusted=yes|disable_gpg_check|no-gpg-check|validate_certs: *(false|no)"
    r"|trusted-host|verify *= *False|--insecure|curl -k|no-check-certificate|no-verify-hashes|ssl-no-revoke",
    re.IGNORECASE,
)
INSTALL = re.compile(r"pip (?:install|sync)\b.*?(?=\n *(?:\w|$)|\Z)", re.DOTALL)

UPDATES = REPOSITORY / "molecule" / "shared" / "updates.py"
"""Makes newer packages for test hosts."""


def sources() -> Iterator[Path]:
    """Yield the project's files, without tests and UPDATES: they make archives and indexes of their own."""
    for folder in FOLDERS:
        for parent, below, names in os.walk(REPOSITORY / folder):
            below[:] = [name for name in below if name not in ("__pycache__", ".venv")]
            paths = (Path(parent, name) for name in names if not name.startswith("test_"))
            yield from (path for path in paths if path != UPDATES)
    yield from (REPOSITORY / name for name in FILES)


def test_no_check_is_turned_off() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}: {match[0]}"
        for path in sources()
        if (match := UNCHECKED.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


@pytest.mark.parametrize("line", ["allow_unauthenticated: true", "deb [trusted=yes] a b c", "pip --trusted-host a"])
def test_the_pattern_knows_such_lines(line: str) -> None:
    assert UNCHECKED.search(line)


LOCKS = [path for path in REPOSITORY.rglob("*.lock") if not {".venv", ".cache", ".git"} & set(path.parts)]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_each_requirement_of_a_lock_has_a_version_and_a_hash(path: Path) -> None:
    requirements = [line for line in path.read_text().replace("\\\n", "").splitlines() if line and line[0] not in "# "]
    assert requirements
    assert [line for line in requirements if not re.search(r"^\S+==\S+ .*--hash=sha256:[0-9a-f]{64}\b", line)] == []


def test_the_roles_install_with_hashes() -> None:
    tasks = {path: path.read_text() for path in REPOSITORY.glob("roles/*/tasks/*.yml")}
    commands = [(path.parts[-3], match) for path, text in tasks.items() for match in INSTALL.findall(text)]
    assert {role for role, _ in commands} == {"metrics", "mod_wsgi", "openstack_client"}
    assert [role for role, command in commands if "--require-hashes" not in command] == []
