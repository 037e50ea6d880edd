"""What a host runs with older files, and when it has to reboot."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.host import outdated, processes
from child_programs import wait_for


def test_a_program_that_was_replaced_is_named_by_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by an upgrade of a package, which renames a new file over the former one."""
    monkeypatch.setattr(outdated, "DISTRIBUTION", (f"{tmp_path}/",))
    # A name that no other process has.
    program = tmp_path / f"g{uuid.uuid4().hex[:12]}"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as running:
        wait_for(running.pid, f"{program} 60")
        assert outdated.outdated()["units"] == {}
        shutil.copy("/bin/sleep", tmp_path / "new")
        (tmp_path / "new").rename(program)
        units = outdated.outdated()["units"]
        name = processes.unit_of(running.pid) or program.name
        running.kill()
    assert units == {name: [str(program)]}
    assert outdated.outdated()["units"] == {}


def test_files_of_virtualenvs_are_not_the_distributions() -> None:
    paths = {"/usr/lib/libssl.so.3", "/usr/local/lib/libown.so", "/srv/wsgi/shop/venv/lib/a.so", "/usr/sbin/apache2"}
    assert outdated.of_distribution(paths) == {"/usr/lib/libssl.so.3", "/usr/sbin/apache2"}


def test_packages_that_ask_for_a_reboot(tmp_path: Path) -> None:
    file = tmp_path / "reboot-required"
    assert outdated.asked_for(file) == []
    file.touch()
    assert outdated.asked_for(file) == [f"a package asks for a reboot ({file})"]
    (tmp_path / "reboot-required.pkgs").write_text("libc6\ndbus\nlibc6\n")
    assert outdated.asked_for(file) == [f"dbus, libc6 asks for a reboot ({file})"]


@pytest.mark.parametrize(
    ("running", "installed", "newer"),
    [
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-30-amd64"], "6.1.0-30-amd64"),
        ("6.12.38+deb13-amd64", ["6.12.38+deb13-amd64", "6.12.41+deb13-amd64"], "6.12.41+deb13-amd64"),
        ("6.1.0-30-amd64", ["6.1.0-9-amd64", "6.1.0-30-amd64"], ""),
        # Another flavour is another kernel, and a kernel of one's own has no flavour.
        ("6.1.0-9-cloud-amd64", ["6.1.0-9-cloud-amd64", "6.1.0-30-amd64"], ""),
        ("6.1.0", ["6.1.0-30-amd64"], ""),
        # A container has no kernel of its own.
        ("6.1.0-9-amd64", [], ""),
    ],
)
def test_a_newer_kernel(running: str, installed: list[str], newer: str) -> None:
    sentences = outdated.newer_kernel(running, [f"vmlinuz-{name}" for name in installed])
    assert sentences == ([f"the kernel {newer} is installed, and {running} runs"] if newer else [])
