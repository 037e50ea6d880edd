"""The parts of a handover that need no Apache: the files of a host, its settings, and the command's modules."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.generation import connections, kernel, limits, memory, state
from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import Generation, GenerationError, Settings
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import drop_in
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

REPOSITORY = Path(__file__).parents[2]
MODULES = REPOSITORY / "plugins" / "module_utils"
COLLECTION = "ansible_collections.grove.wsgi.plugins.module_utils."
VARIABLES = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())
LAYOUT = VARIABLES["__httpd_families"]["Debian"]["layout"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of a host with folders of its own."""
    layout = Layout.of({**LAYOUT, "pid_file": str(tmp_path / "run" / "apache2.pid")})
    (tmp_path / "trees").mkdir()
    doors = ("127.0.0.1:9078", "127.0.0.1:9079")
    return Settings(layout, tmp_path, "127.0.0.1:9080", doors, folder=tmp_path / "trees")


def imported(name: str, known: set[str]) -> set[str]:
    """Add the files that a module of the collection imports, with its own, by their paths below module_utils."""
    path = MODULES / f"{name.replace('.', '/')}.py"
    relative = str(path.relative_to(MODULES))
    if relative in known or not path.exists():
        return known
    known.add(relative)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ansible"):
            # The command runs without Ansible.
            assert f"{node.module}.".startswith(COLLECTION), f"{relative} imports {node.module}"
            package = f"{node.module}.".removeprefix(COLLECTION).rstrip(".")
            for each in (package, *(f"{package}.{alias.name}" for alias in node.names)):
                imported(each, known)
    return known


def test_the_command_is_installed_with_all_that_it_imports() -> None:
    assert sorted(VARIABLES["__httpd_handover_modules"]) == sorted(imported("generation.command", set()))


def test_the_live_generation_is_that_of_the_link(settings: Settings) -> None:
    assert state.live(settings) is None
    assert state.every(settings) == []
    for number in (1, 2):
        (settings.folder / str(number)).mkdir()
    state.make_live(Generation(settings, 2))
    assert state.live(settings) == Generation(settings, 2)
    assert [one.number for one in state.every(settings)] == [1, 2]
    assert state.running(settings) == []
    assert Path(settings.layout.pid_file).readlink() == Path("generation-2.pid")
    # Two generations that follow each other have different doors.
    assert Generation(settings, 2).door == ("127.0.0.1", 9078)
    assert Generation(settings, 3).door == ("127.0.0.1", 9079)


def test_settings_are_read_as_the_role_writes_them(tmp_path: Path) -> None:
    assert Settings.read(tmp_path) is None
    written = {"layout": LAYOUT, "base": "/srv/wsgi", "door": "127.0.0.1:9080", "drain_timeout": "90"}
    assert {*written, "own_doors"} == set(VARIABLES["__httpd_handover_settings"])
    path = tmp_path / state.SETTINGS
    path.write_text(json.dumps({**written, "own_doors": ["127.0.0.1:1", "127.0.0.1:2"]}))
    settings = Settings.read(tmp_path)
    assert settings is not None
    assert settings.drain_timeout == 90
    path.write_text(json.dumps({**written, "own_doors": ["127.0.0.1:1"]}))
    with pytest.raises(GenerationError, match=r"settings.json cannot be read .* ./grove site writes it again"):
        Settings.read(tmp_path)


def test_a_kernel_that_cannot_hand_over_is_named(tmp_path: Path) -> None:
    switch = tmp_path / "tcp_migrate_req"
    assert "5.14 or later" in kernel.obstacle(switch)
    switch.write_text("0\n")
    assert kernel.obstacle(switch, dry=True) == ""
    assert switch.read_text() == "0\n"
    assert kernel.obstacle(switch) == ""
    assert switch.read_text() == "1\n"


def test_the_memory_of_a_host_and_of_its_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With version 2 of control groups in one tree, with version 1 in that of the controller."""
    monkeypatch.setattr(processes, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "groups")
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    groups = tmp_path / "proc" / "7" / "cgroup"
    groups.write_text("0::/system.slice/apache2.service\n")
    assert memory.available(7) == 4000 * 1024
    second = tmp_path / "groups" / "system.slice" / "apache2.service"
    first = tmp_path / "groups" / "memory"
    for folder, names in (
        (second, ("memory.max", "memory.current", "inactive_file")),
        (first, ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ):
        folder.mkdir(parents=True)
        (folder / names[0]).write_text("1000000\n")
        (folder / names[1]).write_text("900000\n")
        (folder / "memory.stat").write_text(f"anon 1\n{names[2]} 300000\n")
    assert memory.available(7) == 400_000
    (second / "memory.max").write_text("max\n")
    assert memory.available(7) == 4000 * 1024
    # The path is that of the host; a container sees its own group as the root.
    groups.write_text("8:memory:/libpod_parent/libpod-1\n4:cpu:/\n")
    assert memory.available(7) == 400_000
    (first / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory.available(7) == 4000 * 1024
    (first / "memory.limit_in_bytes").write_text("100\n")
    assert memory.available(7) == 0


def test_the_memory_of_a_second_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the first one, and that of the processes that it has beyond those."""
    family = {1: ("/usr/sbin/apache2 -k start", 10), 2: ("b-shop -d", 30), 3: ("g-shop -d", 10), 4: ("b-blog", 40)}
    monkeypatch.setattr(processes, "children", lambda pid: {2, 3, 4})
    monkeypatch.setattr(processes, "resident", lambda pid: family[pid][1] << 20)
    monkeypatch.setattr(processes, "command_line", lambda pid: family[pid][0])
    spare = limits.SPARE_BYTES >> 20
    now = {"shop": 1, "blog": 1}
    assert memory.needed(1, now, now) >> 20 == 90 + spare
    assert memory.needed(1, now, {"blog": 1}) >> 20 == 90 + spare
    # Two more processes in each of two slots, of 20 MB each.
    assert memory.needed(1, now, {"shop": 3, "blog": 1}) >> 20 == 90 + 80 + spare
    # An application that nobody knows yet counts like the others on average: 80 MB of three processes.
    assert memory.needed(1, now, {**now, "new": 1}) == (90 << 20) + int((80 << 20) / 3 * 2) + limits.SPARE_BYTES


def test_connections_are_read_from_the_kernels_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:206C 00000000:0000 0A 0\n"  # listens
        "   1: 0100007F:206C 0100007F:C001 01 0\n"
        "   2: 0100007F:206C 0100007F:C002 06 0\n"  # has ended
        "   3: 0100007F:C001 0100007F:206C 01 0\n"  # the client's end
    )
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert connections.to_ports({0x206C}) == {("0100007F:206C", "0100007F:C001")}


def test_a_unit_hands_over_where_its_drop_in_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_in, "UNITS", settings.base)
    assert not drop_in.hands_over(settings.layout)
    path = drop_in.path_of(settings.layout.service)
    path.parent.mkdir()
    path.write_text((REPOSITORY / "httpd" / "apache.service.j2").read_text())
    assert drop_in.hands_over(settings.layout)
    path.write_text("[Service]\nPrivateTmp=yes\n")
    assert not drop_in.hands_over(settings.layout)


def test_a_handover_changes_all_settings_of_the_unit_but_those_of_its_first_process() -> None:
    unit = f"ExecReload=+{drop_in.PROGRAM} prepare\nTasksMax=100\nPrivateTmp=yes\nPrivateIPC=yes\n"
    assert drop_in.restart_reasons(unit, unit.replace("100", "200") + "ProtectHome=read-only\n") == []
    [reason] = drop_in.restart_reasons(unit, unit.replace("PrivateTmp=yes\n", ""))
    assert reason.startswith("PrivateTmp: all processes of the unit share the folders")
    changed = unit.replace("PrivateTmp=yes", "PrivateTmp=no").replace("PrivateIPC=yes", "PrivateIPC=no")
    assert [one.partition(":")[0] for one in drop_in.restart_reasons(unit, changed)] == ["PrivateTmp", "PrivateIPC"]
    for before, after in ((None, unit), ("TasksMax=100\n", unit), (unit, "TasksMax=100\n"), (None, None)):
        [reason] = drop_in.restart_reasons(before, after)
        assert reason.startswith("httpd_handover: ")
