"""Archives of Python's source with bytecode beside it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.bytecode import with_bytecode

SOURCE = "import sys\n\ndef fail():\n    raise ValueError(__file__)\n"
TEXT = "no source"


MEMBERS = {"shop/__init__.py": "", "shop/till.py": SOURCE, "notes.txt": TEXT}


def archive() -> bytes:
    """Return an archive with the files of MEMBERS."""
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in MEMBERS.items():
            target.writestr(name, text)
    return result.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "modules.zip"
    path.write_bytes(with_bytecode(archive()))
    return path


def run(path: Path, program: str) -> str:
    """Return what a Python with the archive in its path prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_python_loads_the_bytecode(path: Path) -> None:
    assert run(path, "from shop import till; print(till.__file__)").strip() == f"{path}/shop/till.pyc"


def test_a_traceback_names_the_source(path: Path) -> None:
    assert 'File "/shop/till.py", line 4, in fail' in run(path, "from shop import till; till.fail()")


def test_another_version_of_python_loads_the_source(path: Path) -> None:
    content = path.read_bytes()
    # Bytes that no version of Python has at the beginning of its bytecode.
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            data = source.read(member)
            target.writestr(member, b"\0\0\0\0" + data[4:] if member.filename.endswith(".pyc") else data)
    assert run(path, "from shop import till; print(till.__file__)").strip() == f"{path}/shop/till.py"


def test_all_else_stays(path: Path) -> None:
    with zipfile.ZipFile(path) as result:
        assert {name: result.read(name).decode() for name in MEMBERS} == MEMBERS
        assert {one.filename for one in result.infolist()} == {*MEMBERS, "shop/__init__.pyc", "shop/till.pyc"}
        assert {one.compress_type for one in result.infolist()} == {zipfile.ZIP_DEFLATED}
