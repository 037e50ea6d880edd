"""What on a host still runs with files that an upgrade of packages has replaced, and whether the host has to reboot."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

REBOOT_REQUIRED = Path("/run/reboot-required")
"""Packages write this file, and the names of theirs beside it, when only a reboot completes their upgrade."""
KERNELS = Path("/boot")
KERNEL = re.compile(r"(?P<version>\d.*?)-(?P<flavour>[a-z].*)")
"""The release of a kernel of Debian, such as 6.1.0-30-amd64."""
DISTRIBUTION = ("/usr/", "/bin/", "/sbin/", "/lib")
OWN = "/usr/local/"
"""The distribution's packages have no file here."""
INIT = "init"


def outdated() -> dict[str, Any]:
    """Return ``reboot``, the reasons for a reboot, and ``units``: the replaced files that each unit's processes run.

    Process 1 is the unit ``init``. A process without a unit has its program's name.
    """
    units: dict[str, set[str]] = {}
    for pid in list(processes.pids()):
        # The kernel's table has the processes of containers, too.
        if processes.is_local(pid) and (files := of_distribution(processes.replaced_files(pid))):
            name = INIT if pid == 1 else processes.unit_of(pid) or processes.program(pid)
            units.setdefault(name, set()).update(files)
    return {
        "reboot": [*asked_for(), *newer_kernel(platform.release(), (path.name for path in KERNELS.glob("vmlinuz-*")))],
        "units": {name: sorted(files) for name, files in sorted(units.items())},
    }


def of_distribution(paths: Iterable[str]) -> set[str]:
    """Return those paths that belong to packages of the distribution. Virtualenvs have libraries of their own."""
    return {path for path in paths if path.startswith(DISTRIBUTION) and not path.startswith(OWN)}


def asked_for(file: Path = REBOOT_REQUIRED) -> list[str]:
    """Return which packages ask for a reboot, as a sentence; none where no package does."""
    if not file.exists():
        return []
    try:
        names = sorted(set(file.with_name(f"{file.name}.pkgs").read_text().split()))
    except OSError:
        names = []
    return [f"{', '.join(names) or 'a package'} asks for a reboot ({file})"]


def newer_kernel(running: str, files: Iterable[str]) -> list[str]:
    """Return that a newer kernel of the running one's flavour is installed, as a sentence; none where none is."""
    own = KERNEL.fullmatch(running)
    names = [KERNEL.fullmatch(name.removeprefix("vmlinuz-")) for name in files]
    versions = [name["version"] for name in names if name and own and name["flavour"] == own["flavour"]]
    newest = max(versions, key=_order, default="")
    if not own or not newest or _order(newest) <= _order(own["version"]):
        return []
    return [f"the kernel {newest}-{own['flavour']} is installed, and {running} runs"]


def _order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
