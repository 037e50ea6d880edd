"""Programs of a release, as root starts them on the host: each by the release's own launcher.

The launcher is ``wsgi/grove_runtime/launch.py``. It builds the environment and becomes the application's account.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grove_runtime.launch import Release

LAUNCHER = Path("runtime", "grove_runtime", "launch.py")
COMMANDS = "commands.json"


def launcher_of(release: Path) -> Path:
    """Return the path of the launcher of the release in a folder: its own, or the host's where it has none.

    Releases that were built before November 2026 have none. Delete the host's, in the folder of the application,
    when no host keeps such a release any more. ``wsgi/run`` and ``wsgi/slot.wsgi`` have code for them, too.
    """
    own = release / LAUNCHER
    return own if own.exists() else release.parent.parent / LAUNCHER.name


def module_of(release: Path) -> Any:
    """Return the module of a release's launcher. Raises OSError when there is none."""
    path = launcher_of(release)
    spec = importlib.util.spec_from_file_location("grove_launch", path)
    if spec is None or spec.loader is None:
        raise OSError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look up the module that defines them.
    sys.modules[spec.name] = module
    # A release never changes, and check mode writes nothing: the import must not leave bytecode.
    writes_no_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
    return module


def commands_of(release: Path) -> dict[str, Any]:
    """Return the content of ``commands.json`` of the release in a folder; empty if it has none.

    This needs no launcher, which a host lacks until Grove of November 2026 or later deploys there. Raises OSError and
    ValueError for a file that cannot be read.
    """
    try:
        content: dict[str, Any] = json.loads((release / COMMANDS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content


def read(release: Path) -> Release:
    """Read the release in a folder, to start its programs. Raises OSError and ValueError."""
    described: Release = module_of(release).Release.read(str(release))
    return described


def run(
    release: Path, account: pwd.struct_passwd, command: Sequence[str], *, timeout: float | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in a release as its account; ``stdout`` of the result holds both outputs.

    Placeholders in ``command`` are expanded. ``text`` is what the command can read from its standard input. ``timeout``
    is in seconds; with it, the processes that the command has started end with it. Raises OSError, and
    subprocess.TimeoutExpired with the output so far.
    """
    launcher = [sys.executable, "-I", str(launcher_of(release)), account.pw_name, str(release), "--"]
    # With a pipe for the output, this would wait for every process that the command leaves behind.
    with tempfile.TemporaryFile() as output:

        def written() -> str:
            output.seek(0)
            return output.read().decode(errors="replace")

        process = subprocess.Popen(
            [*launcher, *command],
            env={},
            cwd="/",
            stdin=subprocess.PIPE if text else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=timeout is not None,
        )
        try:
            process.communicate(text.encode() if text else None, timeout)
        except subprocess.TimeoutExpired as error:
            raise subprocess.TimeoutExpired(error.cmd, error.timeout, written()) from None
        finally:
            if timeout is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            elif process.returncode is None:
                process.kill()
            process.wait()
        return subprocess.CompletedProcess(process.args, process.returncode, written())
