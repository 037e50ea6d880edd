"""Where the logs of an application lie, as Apache's configuration and the live release say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder

SITES = {"apache2": Path("/etc/apache2/sites-available"), "httpd": Path("/etc/httpd/conf.d")}
"""By Apache's name: the folder with the files of sites."""
LOGS = Path("/var/log")
OUTPUT = "output.log"
PIPED = re.compile(r"^\s*(ErrorLog|CustomLog) .* -L (\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class Places:
    """The current files of an application's logs, and its units. ``is_own`` says whether nobody shares ``access``.

    ``server`` is the error log of the whole server.
    """

    access: Path
    error: Path
    output: Path
    units: tuple[str, ...]
    is_own: bool
    server: Path


def places(folder: AppFolder, program: str, sites: Path | None = None) -> Places:
    """Return where the logs of the application in ``folder`` lie. ``program`` is Apache's name in the process table."""
    name = folder.name
    logs = LOGS / program
    access, error = logs / f"{name}-access.log", logs / f"{name}-error.log"
    for text in _texts((sites or SITES.get(program, SITES["apache2"])).glob("*wsgi-*.conf")):
        piped = PIPED.findall(text)
        if _mounts(text, name):
            access = next((Path(path) for kind, path in piped if kind == "CustomLog"), access)
        if re.search(rf"^WSGIDaemonProcess {re.escape(name)}-blue ", text, re.MULTILINE):
            error = next((Path(path) for kind, path in piped if kind == "ErrorLog"), error)
    commands = live_commands(folder)
    output = Path(str(commands.get("logs") or LOGS / name)) / OUTPUT
    programs = sorted({*commands.get("agents", {}), *commands.get("timers", {})})
    units = tuple(f"grove-{name}-{program}.service" for program in programs)
    return Places(access, error, output, units, access.name == f"{name}-access.log", server_log(program))


def server_log(program: str) -> Path:
    """Return the error log of the whole server."""
    return LOGS / program / "error.log"


def is_mounted(name: str, program: str, sites: Path | None = None) -> bool:
    """Return whether a site of Apache has the application ``name``."""
    texts = _texts((sites or SITES.get(program, SITES["apache2"])).glob("*wsgi-*.conf"))
    return any(_mounts(text, name) for text in texts)


def _mounts(text: str, name: str) -> bool:
    return re.search(rf"^\s*RewriteMap {re.escape(name)} ", text, re.MULTILINE) is not None


def live_commands(folder: AppFolder) -> Mapping[str, Any]:
    """Return the file ``commands.json`` of the live release; empty where there is none."""
    colour = folder.live()
    if colour is None:
        return {}
    try:
        commands = json.loads((folder.slot(colour) / "commands.json").read_text())
    except (OSError, ValueError):
        return {}
    return commands if isinstance(commands, dict) else {}


def _texts(paths: Iterable[Path]) -> list[str]:
    texts = []
    for path in sorted(paths):
        try:
            texts.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return texts
