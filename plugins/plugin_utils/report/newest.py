"""The newest versions of packages, as uv finds them in the index, on the controller."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Collection, Mapping

from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account
from ansible_collections.grove.wsgi.plugins.plugin_utils import lock_text, locking

from . import limits


def newest(names: Collection[str], python: str, environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Return the newest version of each package that the Python can use, and why they are not known.

    ``python`` is a version such as 3.11. Without an answer of the index, the first value is empty.
    """
    if not names:
        return {}, ""
    command = [locking.uv(), "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate"]
    with tempfile.TemporaryDirectory(prefix="grove-report-") as folder:
        try:
            done = subprocess.run(
                [*command, "--python-version", python, "-"],
                input="".join(f"{name}\n" for name in sorted(names)),
                cwd=folder,
                env={**environment, "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"},
                capture_output=True,
                text=True,
                check=False,
                timeout=limits.INDEX_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return {}, f"the index gave no answer in {limits.INDEX_SECONDS} s"
    if done.returncode:
        return {}, " ".join(without_account(done.stderr).split())[: limits.PROBLEM_CHARACTERS]
    return {one.name: one.version for one in lock_text.packages(done.stdout)}, ""
