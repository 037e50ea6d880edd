"""The modules files and server, run as Ansible runs them, on this host."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.host.packages import installed
from ansible_collections.grove.wsgi.plugins.module_utils.host.written import Text, is_known
from module_calls import call

REPOSITORY = Path(__file__).resolve().parents[2]
LAYOUT = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]["Debian"]["layout"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the files belong to root")


def test_files_and_links_are_written_once(tmp_path: Path) -> None:
    folder, path, link = tmp_path / "new", tmp_path / "new" / "one", tmp_path / "link"
    arguments: dict[str, Any] = {
        "folders": [str(folder)],
        "files": [{"path": str(path), "content": "a = 1\n", "mode": "0640"}],
        "links": {str(link): str(path)},
    }
    expected = [str(folder), str(path), str(link)]
    planned = call("files", check=True, **arguments)
    assert (planned["changed"], planned["changed_files"]) == (True, expected)
    assert planned["diff"][0]["after"] == "a = 1\n"
    assert not folder.exists()
    assert call("files", **arguments)["changed_files"] == expected
    assert (path.read_text(), path.stat().st_mode & 0o7777, folder.stat().st_mode & 0o7777) == ("a = 1\n", 0o640, 0o755)
    assert os.readlink(link) == str(path)
    assert not call("files", **arguments)["changed"]


@pytest.mark.parametrize("change", ["content", "mode", "owner", "link"])
def test_what_somebody_has_changed_is_restored(tmp_path: Path, change: str) -> None:
    path = tmp_path / "one"
    arguments: dict[str, Any] = {"files": [{"path": str(path), "content": "a\n", "mode": "0600"}]}
    assert call("files", **arguments)["changed"]
    if change == "content":
        path.write_text("b\n")
    elif change == "mode":
        path.chmod(0o644)
    elif change == "owner":
        os.chown(path, 65534, 65534)
    else:
        path.rename(tmp_path / "moved")
        path.symlink_to("moved")
    assert call("files", **arguments)["changed"]
    assert (path.read_text(), path.lstat().st_mode & 0o7777, path.lstat().st_uid) == ("a\n", 0o600, 0)
    assert not call("files", **arguments)["changed"]


def describe(*patterns: Path) -> dict[str, str]:
    """Return what the module host_info tells of paths."""
    result = call("host_info", layout=LAYOUT, written=[str(each) for each in patterns])
    written: dict[str, str] = result["host"]["written"]
    return written


def test_what_is_known_of_a_host_tells_whether_anything_is_to_be_written(tmp_path: Path) -> None:
    folder, path, link = tmp_path / "new", tmp_path / "new" / "one", tmp_path / "link"
    arguments: dict[str, Any] = {
        "folders": [str(folder)],
        "files": [{"path": str(path), "content": "ä = 1\n", "mode": "0640"}],
        "links": {str(link): str(path)},
    }
    texts, links = [Text(path, "ä = 1\n", 0o640)], {link: str(path)}

    def is_written() -> bool:
        return is_known(describe(tmp_path / "**"), [folder], texts, links)

    assert not is_written()
    assert call("files", **arguments)["changed"]
    assert is_written()
    assert set(describe(tmp_path / "*")) == {str(folder), str(link)}
    assert not is_known(describe(tmp_path / "**"), [folder], [Text(path, "b\n", 0o640)], links)
    assert not is_known(describe(tmp_path / "**"), [folder], [Text(path, "ä = 1\n", 0o644)], links)
    assert not is_known(describe(tmp_path / "**"), [tmp_path / "other"], texts, links)
    assert not is_known(describe(tmp_path / "**"), [folder], texts, {link: "/else"})
    for change in (
        f"echo b >{path}",
        f"chmod 600 {path}",
        f"chown 65534 {path}",
        f"ln -sfn /else {link}",
        f"mv {path} {tmp_path}/moved && ln -s ../moved {path}",
        f"rm {path}",
    ):
        subprocess.run(["sh", "-c", change], check=True)
        assert not is_written()
        assert call("files", **arguments)["changed"]
        assert is_written()


def test_a_host_on_which_nothing_differs_is_not_called(tmp_path: Path) -> None:
    """The plays run on a host without Python: only a call would notice."""
    path = tmp_path / "one"
    arguments: dict[str, Any] = {"files": [{"path": str(path), "content": "a\n"}]}
    interpreter = {"python": "/usr/bin/python3", "version": "3.11.2", "prefix": "/usr"}
    home: dict[str, Any] = {"folder": str(tmp_path / "python"), **interpreter, "packages": {"a/b.py": "c\n"}}
    assert call("files", **arguments)["changed"]
    assert call("daemon_python", **home)["changed"]
    known = describe(tmp_path / "**", tmp_path / "python" / "bin" / "python")
    for module, options in (("files", arguments), ("daemon_python", home)):
        for check in ([], ["--check"]):
            status, output = play(module, {**options, "known": known}, *check)
            assert (status, "changed=0 " in output) == (0, True), output
        changed = {**known, str(path): "", f"{home['folder']}/pyvenv.cfg": ""}
        for less in ({}, changed):
            status, output = play(module, {**options, "known": less})
            assert (status, "failed=1 " in output) == (2, True), output


def play(module: str, arguments: dict[str, Any], *options: str) -> tuple[int, str]:
    """Run a module by Ansible on a host that has no Python; return the exit status and the output."""
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [{f"grove.wsgi.{module}": arguments}]}]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as playbook:
        playbook.write(json.dumps(plays))
        playbook.flush()
        host = ["-c", "local", "-i", "alone,", "-e", "ansible_python_interpreter=/bin/false"]
        command = ["ansible-playbook", *host, *options, playbook.name]
        # Ansible refuses an input that does not block, such as that of some runners of tests.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_link_replaces_no_file(tmp_path: Path) -> None:
    program = tmp_path / "openstack"
    program.write_text("somebody's own\n")
    result = call("files", files=[{"path": str(tmp_path / "new"), "content": ""}], links={str(program): "/bin/true"})
    assert result["failed"]
    assert str(program) in result["msg"]
    assert program.read_text() == "somebody's own\n"
    assert not (tmp_path / "new").exists()


def test_a_file_that_its_program_refuses_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "one"
    check = ["sh", "-c", "grep -q good %s || { echo bad line in %s >&2; exit 1; }"]
    file = {"path": str(path), "content": "good\n", "validate": check}
    assert call("files", files=[file])["changed"]
    for dry in (True, False):
        result = call("files", check=dry, files=[{**file, "content": "bad\n"}])
        assert result["failed"]
        assert f"bad line in {path}" in result["msg"]
        assert path.read_text() == "good\n"
    # The package brings the program later.
    assert call("files", files=[{**file, "content": "bad\n", "validate": ["no-such-program", "%s"]}])["changed"]


@pytest.mark.debian_packages("openssl")
def test_packages_and_units_that_are_missing() -> None:
    names = ["openssl", "no-such-package-of-debian", "openssl=1*", "awk"]
    state = call("server", packages=names, unit="no-such-unit")
    assert (state["missing"], state["runs"], state["changed"]) == (names[1:], False, False)
    assert installed(names) == ["openssl"]
    assert installed([]) == []


def test_a_server_gets_its_configuration_in_the_call_that_looks_at_it(tmp_path: Path) -> None:
    folder, path = tmp_path / "new", tmp_path / "new" / "one"
    arguments: dict[str, Any] = {
        "folders": [str(folder)],
        "files": [{"path": str(path), "content": "a = 1\n"}],
        "packages": ["no-such-package-of-debian"],
        "unit": "no-such-unit",
    }
    expected = (True, [str(folder), str(path)], ["no-such-package-of-debian"])
    for dry in (True, False):
        result = call("server", check=dry, **arguments)
        assert (result["changed"], result["changed_files"], result["missing"]) == expected
        assert folder.exists() is not dry
    assert path.read_text() == "a = 1\n"
    assert not call("server", **arguments)["changed"]
