"""``./grove`` as a person types it, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

DOWNLOADS = {"uv_ca_bundle": "/usr/local/share/grove-ca.crt", "uv_environment": {"UV_HTTP_RETRIES": "8"}}
"""What an inventory says of the downloads of a test host. On a busy machine, uv's three attempts may all fail."""


def grove(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run shell commands in which ``./grove`` stands for the program of this clone; return their output.

    Molecule's own settings are not the person's.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    environment = own | {"ANSIBLE_CONNECTION_PLUGINS": f"{REPOSITORY}/molecule/shared/connection"}
    words = ["bash", "-euc", command.replace("./grove", str(REPOSITORY / "grove"))]
    return subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
