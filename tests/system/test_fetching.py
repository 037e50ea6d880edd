"""What Grove fetches for itself, with a file that differs from its hash: uv, mod_wsgi, what builds it, and .venv."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from local_index import Index, serving

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="./grove and the roles run as root")

REPOSITORY = Path(__file__).resolve().parents[2]
UV = Path(sys.prefix, "bin", "uv")
BACKEND = """
import os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "mod_wsgi-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("mod_wsgi_location.py", "def main():\\n    print('/usr/lib/mod_wsgi.so')\\n")
        about = "mod_wsgi-1.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\\nName: mod_wsgi\\nVersion: 1\\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{about}/entry_points.txt", "[console_scripts]\\nmod_wsgi-express = mod_wsgi_location:main\\n")
        wheel.writestr(f"{about}/RECORD", "")
    return name
"""


def wheel(name: str, version: str, modules: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file, text in modules.items():
            archive.writestr(file, text)
        about = f"{name}-{version}.dist-info"
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return content.getvalue()


def sdist() -> bytes:
    """Return the source of a package that a package ``builder`` builds."""
    content = io.BytesIO()
    files = {
        "pyproject.toml": '[build-system]\nrequires = ["builder"]\nbuild-backend = "builder"\n',
        "PKG-INFO": "Metadata-Version: 2.1\nName: mod_wsgi\nVersion: 1\n",
    }
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"mod_wsgi-1/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return content.getvalue()


def lock(name: str, version: str, content: bytes) -> str:
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with serving(tmp_path / "index") as index:
        yield index


def play(tmp_path: Path, tasks: list[dict[str, Any]], variables: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run tasks on this machine."""
    playbook = tmp_path / "play.json"
    host = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    playbook.write_text(json.dumps([{**host, "vars": variables, "tasks": tasks}]))
    return subprocess.run(
        ["ansible-playbook", "--inventory", "localhost,", str(playbook)],
        env=os.environ | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_uv_is_checked(tmp_path: Path, index: Index) -> None:
    genuine = wheel("uv", "9.9", {"uv.py": ""})
    index.offer("uv", "uv-9.9-py3-none-any.whl", genuine + b"more", promised=genuine)
    (tmp_path / "uv.lock").write_text(lock("uv", "9.9", genuine))
    variables = {
        "uv_folder": str(tmp_path / "uv"),
        "uv_version": "9.9",
        "uv_lock": str(tmp_path / "uv.lock"),
        "uv_manage_packages": False,
        "uv_environment": {"PIP_INDEX_URL": index.simple},
    }
    tasks = [{"ansible.builtin.import_role": {"name": "grove.wsgi.uv"}}]
    refused = play(tmp_path, tasks, variables)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stdout + refused.stderr
    assert not (tmp_path / "uv" / "9.9" / "locks-closed").exists()
    index.offer("uv", "uv-9.9-py3-none-any.whl", genuine)
    accepted = play(tmp_path, tasks, variables)
    assert accepted.returncode == 0, accepted.stdout
    assert (tmp_path / "uv" / "9.9" / "locks-closed").exists()


MOD_WSGI = {
    "mod-wsgi": ("mod_wsgi-1.tar.gz", sdist()),
    "builder": ("builder-1-py3-none-any.whl", wheel("builder", "1", {"builder.py": BACKEND})),
}


UV_VARIABLES = yaml.safe_load((REPOSITORY / "roles/uv/vars/main.yml").read_text())


def build_mod_wsgi(tmp_path: Path, index: Index) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run the role's build with locks of MOD_WSGI; return its result, and the place of the module."""
    locks = {"mod-wsgi": tmp_path / "mod_wsgi.lock", "builder": tmp_path / "build.lock"}
    for name, path in locks.items():
        path.write_text(lock(name, "1", MOD_WSGI[name][1]))
    build = tmp_path / "mod_wsgi" / "1-abi"
    variables = {
        "uv_path": str(UV),
        **{name: UV_VARIABLES[name] for name in ("uv_shell_head", "__uv_close_locks")},
        "uv_cache": str(tmp_path / "cache"),
        "uv_wheelhouse": "",
        "uv_full_environment": {"UV_DEFAULT_INDEX": index.simple, "UV_CACHE_DIR": str(tmp_path / "cache")},
        "mod_wsgi_folder": str(tmp_path / "mod_wsgi"),
        "mod_wsgi_python": "/usr/bin/python3",
        "mod_wsgi_lock": str(locks["mod-wsgi"]),
        "mod_wsgi_build_lock": str(locks["builder"]),
        "__mod_wsgi_build": str(build),
        "__mod_wsgi_constraints": str(build / "build.lock"),
        "__mod_wsgi_addresses": str(REPOSITORY / "httpd/numeric_addresses.h"),
    }
    folder = REPOSITORY / "roles" / "mod_wsgi" / "tasks"
    tasks = [{"ansible.builtin.include_tasks": str(folder / file)} for file in ("build.yml", "wait.yml")]
    return play(tmp_path, tasks, variables), build / "mod_wsgi.so"


@pytest.mark.parametrize(
    ("name", "content"),
    [("mod-wsgi", sdist() + b"more"), ("builder", wheel("builder", "1", {"builder.py": BACKEND + "# more"}))],
)
def test_mod_wsgi_and_what_builds_it_are_checked(tmp_path: Path, index: Index, name: str, content: bytes) -> None:
    """The build backend has a lock, too: it runs as root on the host."""
    for own, (file, genuine) in MOD_WSGI.items():
        index.offer(own, file, content if own == name else genuine, promised=genuine)
    refused, module = build_mod_wsgi(tmp_path, index)
    assert refused.returncode != 0
    assert "Hash mismatch" in refused.stdout, refused.stdout
    assert not module.is_symlink()


def test_mod_wsgi_is_built_from_what_its_locks_name(tmp_path: Path, index: Index) -> None:
    for name, (file, content) in MOD_WSGI.items():
        index.offer(name, file, content)
    accepted, module = build_mod_wsgi(tmp_path, index)
    assert accepted.returncode == 0, accepted.stdout
    assert os.readlink(module) == "/usr/lib/mod_wsgi.so"


def test_the_tools_of_the_controller_are_checked(tmp_path: Path, index: Index) -> None:
    """./grove makes .venv: pip installs uv, and uv installs the rest."""
    genuine = wheel("uv", "9.9", {"uv.py": ""})
    index.offer("uv", "uv-9.9-py3-none-any.whl", genuine + b"more", promised=genuine)
    copy = tmp_path / "copy"
    (copy / "playbooks").mkdir(parents=True)
    shutil.copy(REPOSITORY / "grove", copy / "grove")
    (copy / "playbooks" / "status.yml").write_text("[]\n")
    (copy / "requirements.lock").write_text(lock("uv", "9.9", genuine))
    environment = os.environ | {"PIP_INDEX_URL": index.simple, "PIP_NO_CACHE_DIR": "1"}
    done = subprocess.run([copy / "grove", "status"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (copy / ".venv" / "locks-closed").exists()
