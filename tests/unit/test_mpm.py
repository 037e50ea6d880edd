"""The size of Apache's event MPM, from the host's cores, memory and tasks."""

from __future__ import annotations

import dataclasses
import resource
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.filter.mpm import mpm
from ansible_collections.grove.wsgi.plugins.module_utils.host import info
from ansible_collections.grove.wsgi.plugins.plugin_utils import mpm as limits
from ansible_collections.grove.wsgi.plugins.plugin_utils.mpm import Machine, Mpm
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from record_settings import SETTINGS, SPEC

MACHINES = [
    Machine(cores, memory, tasks)
    for cores in (1, 2, 4, 16, 128)
    for memory in (0, 256, 512, 978, 2048, 4096, 24_000, 1_000_000)
    for tasks in (0, 512, 2048, 4915, 100_000)
]


@pytest.mark.parametrize(
    ("machine", "servers", "threads"),
    [
        (Machine(2, 24_000), 2, 1280),
        (Machine(1, 24_000), 2, 1280),
        (Machine(4, 24_000), 4, 640),
        (Machine(64, 256_000), 4, 640),
        (Machine(2), 2, 1280),
        # 978 MB / 8 / 120 KB = 1043, in steps of 128.
        (Machine(2, 978), 2, 512),
        (Machine(2, 128), 2, 64),
        # A container with podman's 2 048 tasks.
        (Machine(2, 24_000, 2048), 2, 320),
        (Machine(2, 24_000, 100), 2, 64),
    ],
)
def test_the_size_that_a_host_can_bear(machine: Machine, servers: int, threads: int) -> None:
    assert Mpm.sized(0, 0, machine) == Mpm(servers, threads)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_size_fits_into_memory_tasks_and_open_files(machine: Machine) -> None:
    size = Mpm.sized(0, 0, machine)
    least = limits.LEAST_WORKERS
    assert least <= size.workers <= limits.MOST_WORKERS
    if machine.memory:
        assert size.workers in range(least + 1) or size.workers * limits.WORKER_KILOBYTES <= machine.memory * 1024 // 8
    if machine.tasks:
        assert size.workers in range(least + 1) or 2 * size.workers <= machine.tasks * 2 // 3
    assert size.descriptors <= limits.DESCRIPTORS
    assert size.connections > size.workers
    assert size.workers - size.address_connections >= size.workers // 10 > 0
    assert size.tasks > size.server_limit * size.threads


def test_a_usual_host_holds_what_the_documentation_promises() -> None:
    size = Mpm.sized(0, 0, Machine(2, 4096))
    assert size.workers >= 2000 + 500
    assert size.connections >= 3 * 2000
    assert size.address_connections >= 2000


@pytest.mark.parametrize(("servers", "cores", "expected"), [(0, 1, 2), (0, 8, 8), ("3", 8, 3)])
def test_an_operator_sets_the_size(servers: int | str, cores: int, expected: int) -> None:
    host: dict[str, Any] = {"cores": cores, "memory": 512, "tasks": 0}
    size = mpm(servers, "64", host)
    assert (size["servers"], size["server_limit"], size["threads"]) == (expected, expected * 4, 64)
    assert size["workers"] == expected * 64
    own = dataclasses.replace(SETTINGS, servers=int(servers))
    assert own.mpm(Machine.of(host)).workers == size["workers"]
    assert own.mpm(Machine.of(host)).descriptors <= size["descriptors"]


def test_an_operator_sets_the_processes_alone() -> None:
    assert Mpm.sized(8, 0, Machine(2, 24_000)) == Mpm(8, 320)
    assert Mpm.sized(1, 0, Machine(2, 24_000)) == Mpm(1, limits.MOST_THREADS)


@pytest.mark.parametrize(
    ("name", "servers", "threads"),
    [
        # A process has too few open files for its threads.
        ("httpd_threads_per_child", 1, limits.MOST_THREADS + 1),
        ("httpd_threads_per_child", 1, -1),
        ("httpd_server_limit", limits.MOST_SERVERS + 1, 0),
        ("httpd_server_limit", -1, 64),
    ],
)
def test_a_number_that_apache_cannot_have_is_refused(name: str, servers: int, threads: int) -> None:
    assert Mpm.sized(1, limits.MOST_THREADS, Machine(2)).descriptors <= limits.DESCRIPTORS
    with pytest.raises(AnsibleFilterError, match=name):
        mpm(servers, threads, {"cores": 2})
    settings = dataclasses.replace(SETTINGS, servers=servers, workers_per_server=threads)
    written = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:application"}, "listen": 8080}
    problems = check_records([written, {**written, "name": "cart", "listen": 8081}], SPEC, settings).problems
    assert [problem.key for problem in problems] == [name]


def test_the_memory_and_the_tasks_of_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo, limit, other = tmp_path / "meminfo", tmp_path / "memory.max", tmp_path / "none"
    meminfo.write_text("MemTotal:        1001472 kB\nMemFree:          900000 kB\n")
    assert info.memory(str(meminfo), [str(limit), str(other)]) == 978
    limit.write_text("max\n")
    assert info.memory(str(meminfo), [str(limit), str(other)]) == 978
    limit.write_text(f"{512 << 20}\n")
    assert info.memory(str(meminfo), [str(other), str(limit)]) == 512
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert info.tasks([str(other)]) == 0
    limit.write_text("2048\n")
    assert info.tasks([str(other), str(limit)]) == 2048
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert info.tasks([str(other), str(limit)]) == 1024
    monkeypatch.undo()
    assert info.memory() >= 1
