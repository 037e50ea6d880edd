"""The units of systemd by which agents are started.

An agent is a program of an application that runs beside it as a service, in a release of its own: ``agents/NAME`` in
the application's folder points to the release that the agent runs from its next start on. Some agents can therefore be
replaced before the traffic moves, and others after it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text

UNITS = Path("/etc/systemd/system")
MODE = 0o640
"""Other applications are not to read what runs beside this one; systemd reads as root."""


class AgentError(OperatorError):
    """An agent does not run; the message names it and shows the last lines that it wrote."""


def unit(app: str, agent: str) -> str:
    """Return the name of an agent's unit."""
    return f"grove-{app}-{agent}.service"


def write_units(app: str, units: Mapping[str, str], *, dry: bool = False) -> list[str]:
    """Write the units that differ from those on the host; return the agents whose units these are."""
    changed = [name for name, text in units.items() if not _is_written(UNITS / unit(app, name), text)]
    for name in changed if not dry else []:
        replace_text(UNITS / unit(app, name), units[name], mode=MODE)
    return changed


def installed(app: str) -> list[str]:
    """Return the agents of an application that have a unit on this host."""
    prefix, suffix = f"grove-{app}-", ".service"
    units = UNITS.glob(f"{prefix}*{suffix}")
    names = [path.name.removeprefix(prefix).removesuffix(suffix) for path in units]
    # A unit of another application may begin with this one's name: of nova-api, as seen from nova.
    return sorted(name for name in names if _starts_agent(_text(UNITS / unit(app, name)), name))


def systemctl(*arguments: str) -> None:
    """Call systemctl. Raises AgentError when it fails."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    # A unit that systemd has not loaded yet has no failures to reset.
    if done.returncode and arguments[0] != "reset-failed":
        raise AgentError(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")


def _starts_agent(unit_text: str, name: str) -> bool:
    return re.search(rf" --agent {re.escape(name)}$", unit_text, re.MULTILINE) is not None


def _is_written(path: Path, text: str) -> bool:
    return _text(path) == text and path.stat().st_mode & 0o7777 == MODE


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
