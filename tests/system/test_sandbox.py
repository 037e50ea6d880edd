"""The units of agents and timers, as the role's templates make them and as systemd reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import record_settings
import unit_figures
from ansible_collections.grove.wsgi.plugins.plugin_utils import sandbox
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import steps
from jinja2 import Environment, FileSystemLoader

pytestmark = pytest.mark.debian_packages("systemd")

TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "wsgi_app" / "templates"
AGENT_LIMIT = 3.0
RELAXED = {
    "ReadWritePaths": ["/mnt/covers"],
    "ProtectSystem": "full",
    "ProtectHome": "tmpfs",
    "PrivateTmp": False,
    "TemporaryFileSystem": False,
    "PrivateIPC": False,
    "PrivateDevices": False,
    "InaccessiblePaths": False,
    "ProtectProc": "noaccess",
    "ProtectKernelTunables": False,
    "ProtectKernelModules": False,
    "ProtectKernelLogs": False,
    "ProtectControlGroups": False,
    "ProtectClock": False,
    "ProtectHostname": False,
    "CapabilityBoundingSet": ["CAP_NET_RAW"],
    "AmbientCapabilities": ["CAP_NET_RAW"],
    "RestrictSUIDSGID": False,
    "RestrictNamespaces": False,
    "RestrictRealtime": False,
    "RestrictAddressFamilies": ["AF_PACKET"],
    "LockPersonality": False,
    "SystemCallArchitectures": False,
    "SystemCallFilter": ["@mount", "ptrace"],
    "MemoryDenyWriteExecute": True,
    "MemoryMax": "1G",
    "TasksMax": "10%",
}


def write_units(folder: Path, record_sandbox: dict[str, Any]) -> list[Path]:
    """Write the units of a record's agent and timer; return their paths."""
    record = {
        "name": "shop",
        "source": "shop==1",
        "entry": {"module": "shop:application"},
        "agents": {"mailer": {"command": "mail"}},
        "timers": {"expire": {"command": "expire", "schedule": "daily"}},
        "sandbox": record_sandbox,
    }
    checked = check_records([record], record_settings.SPEC, record_settings.SETTINGS)
    assert [str(problem) for problem in checked.problems] == []
    work = steps(checked, record_settings.SETTINGS, {"mount_namespaces": True, "call_filters": True})
    environment = Environment(loader=FileSystemLoader(TEMPLATES), trim_blocks=True, autoescape=False)
    environment.filters["comment"] = lambda text: f"# {text}"
    folder.mkdir(exist_ok=True)
    paths = []
    values = {"agent": work["agents"][0]["units"]["mailer"], "timer": work["timers"][0]}
    for kind, item in values.items():
        # systemd looks whether the program and the account are there.
        text = environment.get_template(f"{kind}.service.j2").render(item={**item, "run": "/bin/true", "app": "daemon"})
        path = folder / f"grove-shop-{kind}.service"
        path.write_text(text)
        paths.append(path)
    return paths


def test_systemd_reads_every_directive(tmp_path: Path) -> None:
    assert set(RELAXED) | {"NoNewPrivileges"} == set(sandbox.BY_NAME)
    cases: list[dict[str, Any]] = [{}, RELAXED, {"NoNewPrivileges": False}, {"SystemCallFilter": False}]
    for number, changes in enumerate(cases):
        for unit in write_units(tmp_path / str(number), changes):
            assert unit_figures.complaints(unit) == ""
            assert unit_figures.exposure(unit) > 0


def test_systemd_would_complain(tmp_path: Path) -> None:
    unit = write_units(tmp_path, {})[0]
    unit.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHome=perhaps"))
    assert "perhaps" in unit_figures.complaints(unit)


def test_the_figures_of_agents_and_timers(tmp_path: Path) -> None:
    for unit in write_units(tmp_path / "strict", {}):
        assert unit_figures.exposure(unit) <= AGENT_LIMIT
    for unit in write_units(tmp_path / "lax", {"NoNewPrivileges": False}):
        assert unit_figures.exposure(unit) > AGENT_LIMIT


def test_each_directive_has_its_reason_above_it(tmp_path: Path) -> None:
    for unit in write_units(tmp_path, {}):
        lines = unit.read_text().splitlines()
        for name in sandbox.BY_NAME:
            for number in (number for number, line in enumerate(lines) if line.startswith(f"{name}=")):
                assert re.match(r"# \S.*\.$", lines[number - 1]), name
