"""Where the Listen lines stand in each family's layout, and which Apache is this host's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.config import Config
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import (
    Layout,
    TreeError,
    default_pid_file,
    keep_listen_lines,
)
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.tree import MARK
from child_programs import wait_for

ROLE = Path(__file__).resolve().parents[2] / "roles" / "httpd" / "vars" / "main.yml"
FAMILIES: dict[str, dict[str, Any]] = next(
    value for value in yaml.safe_load(ROLE.read_text()).values() if isinstance(value, dict) and "Debian" in value
)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_keeps_its_pid_file_where_it_is_looked_for(family: str) -> None:
    layout = Layout.of(FAMILIES[family]["layout"])
    assert str(default_pid_file(layout.program)) == layout.pid_file
    assert layout.listen_path.endswith(".conf")
    assert layout.foreign_listen_path.endswith(".conf")


@pytest.mark.parametrize("family", FAMILIES)
def test_listen_lines_are_kept_when_the_file_was_grove_s(family: str, tmp_path: Path) -> None:
    layout = Layout.of({**FAMILIES[family]["layout"], "root": str(tmp_path)})
    path = tmp_path / layout.listen_path
    path.parent.mkdir(exist_ok=True)
    content = f"# {MARK}\nListen 80\n"
    path.write_text("Listen 81\n")
    assert Config(ports=content, keep_listening=True).entries(layout).entries[layout.listen_path].content == content
    path.write_text(f"# {MARK}\nListen 81\n")
    written = Config(ports=content, keep_listening=True).entries(layout).entries[layout.listen_path].content
    assert written == f"# {MARK}\nListen 80\nListen 81\n"
    assert Config(ports=content).entries(layout).entries[layout.listen_path].content == content


def test_files_of_a_running_program_that_were_replaced(tmp_path: Path) -> None:
    """As by an upgrade of a package, which renames a new file over the former one."""
    program, pid_file = tmp_path / "apache9", tmp_path / "pid"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as running:
        wait_for(running.pid, f"{program} 60")
        pid_file.write_text(f"{running.pid}\n")
        assert parent.replaced(pid_file, "apache9") == []
        shutil.copy("/bin/sleep", tmp_path / "new")
        (tmp_path / "new").rename(program)
        replaced = parent.replaced(pid_file, "apache9")
        running.kill()
    assert replaced == ["apache9"]
    assert parent.replaced(pid_file, "apache9") == []


def test_a_layout_that_lacks_a_field() -> None:
    with pytest.raises(TreeError, match="pid_file"):
        Layout.of({"root": "/etc/apache2"})


@pytest.mark.parametrize(
    ("written", "before", "kept"),
    [
        ("80", "81", True),
        ("127.0.0.1:80", "127.0.0.2:80", True),
        ("127.0.0.1:80", "80", False),
        ("80", "127.0.0.1:80", False),
        ("0.0.0.0:80", "80", False),
        ("[::1]:80", "[0:0::1]:80", False),
        ("localhost:80", "127.0.0.1:80", False),
        ("localhost:80", "127.0.0.1:81", True),
    ],
)
def test_a_line_that_apache_cannot_bind_beside_another_is_not_kept(written: str, before: str, kept: bool) -> None:
    content = keep_listen_lines(f"# head\nListen {written}\n", f"Listen {before}\n")
    assert content.splitlines()[1:] == sorted([f"Listen {written}", *([f"Listen {before}"] if kept else [])])


def test_a_line_that_stays_is_written_once() -> None:
    assert (
        keep_listen_lines("# head\nListen 80\n", "# old\nListen 80\nListen 443\n") == "# head\nListen 443\nListen 80\n"
    )


@pytest.mark.parametrize("text", ["", "nonsense", "4194304"])
def test_a_pid_file_that_names_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert parent.find(tmp_path / "pid", "apache2") is None
    assert parent.find(tmp_path / "none", "apache2") is None


def test_why_apache_is_not_as_it_has_to_be(tmp_path: Path) -> None:
    own = processes.program(os.getpid())
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert parent.problem(tmp_path / "pid", own) == ""
    assert parent.problem(tmp_path / "pid", "no-apache") == "Apache does not run"
    # The parent has died, and another process of the program lives on.
    (tmp_path / "pid").write_text("4194304\n")
    assert parent.problem(tmp_path / "pid", own) == parent.ORPHANED


def test_a_pid_file_counts_only_for_apache_itself(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert parent.find(tmp_path / "pid", processes.program(os.getpid())) == os.getpid()
    assert parent.find(tmp_path / "pid", "apache2") is None
