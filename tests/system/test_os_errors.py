"""File systems on which nothing can be written or started, each mounted for one module of Grove."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CALL = """
import json, sys
from ansible_collections.grove.wsgi.plugins.module_utils.host import info
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module

class Module:
    def fail_json(self, **result):
        sys.exit(json.dumps({**result, "options": info.mount_options(sys.argv[1] + "/not/there")}))
    def exit_json(self, **result):
        sys.exit(json.dumps(result))

def work():
    exec(sys.argv[2], {"path": sys.argv[1]})
    return {}

run_module(Module(), work)
"""
WRITE = "open(path + '/file', 'w').write('x' * 5_000_000)"
START = "import subprocess; subprocess.run([path + '/program'])"


def run(folder: Path, options: str, work: str) -> dict[str, Any]:
    """Return the result of a module that works in a folder with a file system of these options."""
    inside = [sys.executable, "-c", CALL, str(folder), work]
    script = (
        f"mount -t tmpfs tmpfs {folder} && printf '#!/bin/sh\\n' >{folder}/program && chmod 755 {folder}/program"
        f" && mount -o remount,{options} {folder} && exec {shlex.join(inside)}"
    )
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False)
    result: dict[str, Any] = json.loads(done.stderr)
    return result


@pytest.mark.parametrize(
    ("options", "work", "words", "flags"),
    [
        ("ro", WRITE, "mounted read-only", ["read-only"]),
        ("size=1m", WRITE, "is full", []),
        ("noexec", START, "mounted with noexec", ["noexec"]),
    ],
)
def test_a_module_says_what_is_wrong_with_the_file_system(
    tmp_path: Path, options: str, work: str, words: str, flags: list[str]
) -> None:
    result = run(tmp_path, options, work)
    assert words in result["msg"]
    assert "Errno" not in result["msg"]
    assert result["options"] == flags


def call(folder: Path, before: str, work: str) -> dict[str, Any]:
    """Return the result of a module that works in ``folder``, in a process that has run ``before``."""
    program = CALL.replace("run_module(Module(), work)", f"import os\n{before}\nrun_module(Module(), work)")
    command = [sys.executable, "-c", program, str(folder), work]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result: dict[str, Any] = json.loads(done.stderr)
    return result


@pytest.mark.parametrize("umask", ["0o077", "0o027", "0o022", "0"])
def test_the_umask_of_roots_shell_does_not_count(tmp_path: Path, umask: str) -> None:
    assert call(tmp_path, f"os.umask({umask})", "import os; os.mkdir(path + '/made')") == {}
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o755


def test_a_module_that_does_not_run_as_root_changes_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    message = call(tmp_path, "os.seteuid(65534)", "import os; os.mkdir(path + '/made')")["msg"]
    assert "Ansible runs as nobody there; nothing was changed. Add -b" in message
    assert "ansible_become: true" in message
    assert list(tmp_path.iterdir()) == []
