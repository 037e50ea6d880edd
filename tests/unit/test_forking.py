"""Programs whose forked processes go on sharing their memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FORKING = Path(__file__).resolve().parents[2] / "wsgi" / "grove_runtime" / "forking.py"
# As uv writes the scripts of a relocatable virtualenv.
SCRIPT = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
{program}
"""
REPORT = """
import gc, os, sys
print(__name__, sys.argv, sys.path[0], gc.get_freeze_count() > 0)
for _ in range(2):
    before = gc.get_freeze_count()
    child = os.fork()
    if not child:
        os._exit(0 if gc.get_freeze_count() > 1000 else 1)
    print(os.waitpid(child, 0)[1], gc.get_freeze_count() > before)
sys.exit(3)
"""
# A list in each of many pages, then a worker that collects garbage; prints the private memory of the worker in kB.
WORKER = """
import gc, os
kept = [[] for _ in range(500_000)]
down, up = os.pipe()
child = os.fork()
if not child:
    gc.collect()
    with open("/proc/self/smaps_rollup") as rollup:
        private = next(line.split()[1] for line in rollup if line.startswith("Private_Dirty:"))
    os.write(up, private.encode())
    os._exit(0)
os.close(up)
os.waitpid(child, 0)
print(os.read(down, 100).decode())
"""
# Tells whether a module was there when it was first asked, and starts another program before it forks a worker.
SHARED = """
import gc, os, subprocess, sys
subprocess.run(["true"], preexec_fn=lambda: None, check=True)
print("wave" in sys.modules, gc.get_freeze_count())
child = os.fork()
if not child:
    os._exit("wave" not in sys.modules)
print(os.waitpid(child, 0)[1], "wave" in sys.modules, gc.get_freeze_count() > 1000)
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs."""
    for name, program in (("shop-worker", REPORT), ("shop-memory", WORKER), ("shop-shared", SHARED)):
        path = tmp_path / name
        path.write_text(SCRIPT.replace("{python}", sys.executable).replace("{program}", program))
        path.chmod(0o755)
    return tmp_path


def run(programs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_program_runs_as_it_would_by_itself_and_is_frozen_at_its_first_fork(programs: Path) -> None:
    done = run(programs, sys.executable, str(FORKING), "shop-worker", "--config-file", "a b")
    argv = [f"{programs}/shop-worker", "--config-file", "a b"]
    assert done.stdout.splitlines() == [f"__main__ {argv} {programs} False", "0 True", "0 False"]
    assert done.returncode == 3
    alone = run(programs, "shop-worker", "--config-file", "a b")
    assert alone.stdout.splitlines()[0] == done.stdout.splitlines()[0]


def test_a_worker_shares_the_memory_of_its_parent(programs: Path) -> None:
    plain = int(run(programs, "shop-memory").stdout)
    sharing = int(run(programs, sys.executable, str(FORKING), "shop-memory").stdout)
    # 500 000 lists take more than 30 MB.
    assert sharing < plain - 20_000


def test_modules_are_imported_before_the_first_worker_is_forked(programs: Path) -> None:
    done = run(programs, sys.executable, str(FORKING), "--share", "wave,no_such_module", "shop-shared")
    assert done.stdout.splitlines() == ["False 0", "0 True True"]
    assert done.returncode == 0


@pytest.mark.parametrize("words", [[], ["--share"], ["--share", "wave"], ["no-such-program"]])
def test_a_program_that_is_not_there(programs: Path, words: list[str]) -> None:
    done = run(programs, sys.executable, str(FORKING), *words)
    assert done.returncode == 1
    assert re.search("Usage|no-such-program", done.stderr)
