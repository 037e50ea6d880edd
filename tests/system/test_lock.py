"""./grove lock, with the real Ansible and uv, and an index on the loopback address."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from local_index import Index, serving

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
PYPROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["counter"]\n'


def wheel(name: str, version: str, needs: str = "") -> bytes:
    """Return a wheel without modules."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {needs}\n" if needs else ""))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return content.getvalue()


class Inventory:
    """An inventory of one host, which is this machine, and an index of packages."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder, self.index = folder, index
        self.files = folder / "files"
        (self.files / "shop").mkdir(parents=True)
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"wsgi": {"hosts": {"web1": host}}}))
        (folder / "group_vars").mkdir()
        self.offered: dict[str, list[str]] = {}

    def offer(self, name: str, *versions: str, needs: str = "") -> None:
        """Offer versions of a package, besides those that are offered already."""
        links = []
        for version in versions:
            file = f"{name}-{version}-py3-none-any.whl"
            self.index.offer(name, file, wheel(name, version, needs))
            links.append((self.index.folder / "simple" / name / "index.html").read_text())
        self.offered[name] = [*self.offered.get(name, []), *links]
        (self.index.folder / "simple" / name / "index.html").write_text("\n".join(self.offered[name]))

    def write(self, **record: Any) -> None:
        """Write the record."""
        content = {"name": "shop", "source": "./shop", "entry": {"module": "shop:application"}, "listen": 18280}
        variables = {"wsgi_apps": [{**content, **record}], "uv_environment": {"UV_DEFAULT_INDEX": self.index.simple}}
        (self.folder / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables))

    def lock(self, *options: str, app: str = "shop", status: int = 0, **shell: str) -> str:
        """Run ./grove lock; return what it shows."""
        playbook = REPOSITORY / "playbooks" / "lock.yml"
        command = [f"{sys.prefix}/bin/ansible-playbook", "-i", str(self.folder), str(playbook), "-e", f"app={app}"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_", "SSL_"))}
        environment |= {
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "UV_CACHE_DIR": f"{self.folder}.cache",
            **shell,
        }
        done = subprocess.run(
            [*command, *options], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def versions(self, file: str = "shop.lock") -> list[str]:
        """Return the packages of a lock, each of which has a hash."""
        text = (self.files / file).read_text()
        assert text.count("--hash=sha256:") >= len(re.findall(r"(?m)^\w", text)) > 0
        return re.findall(r"(?m)^[\w.-]+==\S+", text)


@pytest.fixture
def inventory(tmp_path: Path) -> Iterator[Inventory]:
    with serving(tmp_path / "index") as index:
        found = Inventory(tmp_path / "mine", index)
        found.offer("counter", "1", "2", needs="abacus")
        found.offer("abacus", "1")
        found.offer("setuptools", "80")
        yield found


def test_a_lock_of_a_project_keeps_its_versions_until_they_are_upgraded(inventory: Inventory) -> None:
    (inventory.files / "shop" / "pyproject.toml").write_text(PYPROJECT.replace("counter", "counter<2"))
    inventory.write(lock="locks/shop.lock")
    checked = inventory.lock("--check", "--diff")
    assert "  added counter 1" in checked
    assert "+counter==1" in checked
    assert "nothing was written" in checked
    assert not (inventory.files / "locks").exists()
    version = ".".join(map(str, sys.version_info[:2]))
    assert f"files/locks/shop.lock: 3 packages for Python {version}" in inventory.lock()
    lock = "locks/shop.lock"
    assert inventory.versions(lock) == ["abacus==1", "counter==1", "setuptools==80"]
    (inventory.files / "shop" / "pyproject.toml").write_text(PYPROJECT)
    inventory.offer("abacus", "3")
    before = (inventory.files / lock).read_bytes()
    assert "nothing to change" in inventory.lock()
    assert (inventory.files / lock).read_bytes() == before
    assert "  changed abacus 1 to 3\n" in inventory.lock("-e", "upgrade=abacus")
    assert inventory.versions(lock) == ["abacus==3", "counter==1", "setuptools==80"]
    inventory.lock("-e", "upgrade=true")
    assert inventory.versions(lock) == ["abacus==3", "counter==2", "setuptools==80"]
    assert sorted(path.name for path in (inventory.files / "shop").iterdir()) == ["pyproject.toml"]


def test_a_record_without_a_lock_is_told_where_it_is(inventory: Inventory) -> None:
    (inventory.files / "shop" / "requirements.txt").write_text("counter\n-c limits.txt\n")
    (inventory.files / "shop" / "limits.txt").write_text("counter==1\n")
    inventory.offer("psycopg", "3")
    inventory.write(requirements=["psycopg"])
    shown = inventory.lock()
    assert "add this line to the record shop:  lock: shop.lock" in shown
    assert inventory.versions() == ["abacus==1", "counter==1", "psycopg==3"]
    inventory.write(requirements=["psycopg"], lock="shop.lock")
    shown = inventory.lock()
    assert "nothing to change" in shown
    assert "add this line" not in shown


def test_a_requirement_is_in_its_own_lock(inventory: Inventory) -> None:
    inventory.write(source="counter==2")
    inventory.lock()
    assert inventory.versions() == ["abacus==1", "counter==2"]


def test_a_wheel_is_not_in_its_lock(inventory: Inventory) -> None:
    (inventory.files / "shop-1-py3-none-any.whl").write_bytes(wheel("shop", "1", needs="counter"))
    inventory.write(source="./shop-1-py3-none-any.whl")
    inventory.lock()
    assert inventory.versions() == ["abacus==1", "counter==2"]


def test_a_commit_is_not_in_its_lock(inventory: Inventory) -> None:
    project = inventory.files / "shop"
    (project / "pyproject.toml").write_text(PYPROJECT)
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "."], ["commit", "--quiet", "--message=first"]):
        subprocess.run([*git, *words], check=True)
    inventory.write(source=f"git+file://{project}@main")
    inventory.lock()
    assert inventory.versions() == ["abacus==1", "counter==2"]


@pytest.mark.parametrize(
    ("files", "record", "message"),
    [
        ({"shop.py": ""}, {}, "record shop, key source: found no requirement to lock"),
        ({}, {}, "record shop, key source: "),
        ({"requirements.txt": "nowhere\n"}, {}, "Because nowhere was not found in the package registry"),
        ({"requirements.txt": "--x\n"}, {}, "record shop, key source: found in its file requirements.txt the option"),
        (
            {"requirements.txt": "counter==1 --hash=sha256:" + "a" * 64},
            {},
            "key source: found requirements.txt, which has the versions and hashes already",
        ),
        (
            {"requirements.txt": "counter\n"},
            {"lock": "shop/requirements.txt"},
            "key lock: found shop/requirements.txt, from which the lock would be made",
        ),
        ({"requirements.txt": "counter\n"}, {"python": "/usr/bin/no"}, "key python: found '/usr/bin/no', which cannot"),
        ({"requirements.txt": "counter\n"}, {"procesess": 3}, "record shop, key procesess: "),
    ],
)
def test_what_cannot_be_locked(
    inventory: Inventory, files: dict[str, str], record: dict[str, Any], message: str
) -> None:
    for name, content in files.items():
        (inventory.files / "shop" / name).write_text(content)
    inventory.write(**record)
    shown = " ".join(inventory.lock(status=2).split())
    assert message in shown
    assert not list(inventory.files.glob("**/*.lock"))
    assert (inventory.files / "shop" / "requirements.txt").is_file() == ("requirements.txt" in files)


def test_an_app_that_no_record_has(inventory: Inventory) -> None:
    inventory.write()
    assert "app: found 'no', and no record is called that; there are shop" in inventory.lock(app="no", status=2)


def test_an_index_that_cannot_be_reached(inventory: Inventory) -> None:
    (inventory.files / "shop.lock").write_text("counter==1 --hash=sha256:" + "a" * 64 + "\n")
    (inventory.files / "shop" / "requirements.txt").write_text("counter\n")
    inventory.write(lock="shop.lock")
    unreachable = {"UV_DEFAULT_INDEX": "http://alice:secret@127.0.0.1:9/", "UV_HTTP_RETRIES": "0"}
    shown = inventory.lock("-e", "upgrade=true", status=2, **unreachable)
    assert "uv cannot make the lock, and nothing was written:" in shown
    assert "The lock is made on this machine, which has to reach the index." in shown
    assert "secret" not in shown
    assert (inventory.files / "shop.lock").read_text().startswith("counter==1 --hash=sha256:aaa")
