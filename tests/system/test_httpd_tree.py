"""Apache's tree: the staged check with the real Apache, the apply that is undone, and the module in its real"
" process."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import control, tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout, TreeError
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.tree import (
    ABSENT,
    MARK,
    Entry,
    ExpectedTree,
)

pytestmark = pytest.mark.debian_packages("apache2")

REPOSITORY = Path(__file__).resolve().parents[2]
FAMILIES = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]
SITE = f"# {MARK}\n<VirtualHost 127.0.0.1:18200>\n    ServerName one.example.org\n</VirtualHost>\n"


def snapshot(root: str) -> dict[str, str]:
    """Return every path of a tree with its content, link target and mode."""
    contents = {}
    for folder, subfolders, files in os.walk(root):
        for name in [*subfolders, *files]:
            path = Path(folder, name)
            if path.is_symlink():
                contents[str(path.relative_to(root))] = f"-> {os.readlink(path)}"
            elif path.is_file():
                contents[str(path.relative_to(root))] = f"{path.stat().st_mode:o} {path.read_bytes()!r}"
    return contents


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A copy of this machine's own tree, without its sites: the local inventory may have been deployed on it."""
    assert Path("/usr/sbin/apache2").exists(), "apache2 is missing: apt-get install apache2"
    assert Path("/etc/apache2/apache2.conf").exists(), "/etc/apache2 is missing: apt-get install apache2"
    root = tmp_path / "apache2"
    shutil.copytree("/etc/apache2", root, symlinks=True)
    for site in [*(root / "sites-enabled").iterdir(), *(root / "sites-available").glob("wsgi-*")]:
        site.unlink()
    (root / "ports.conf").write_text("Listen 127.0.0.1:18200\n")
    return dataclasses.replace(Layout.of(FAMILIES["Debian"]["layout"]), root=str(root), envvars=str(root / "envvars"))


@pytest.fixture
def redhat(tmp_path: Path) -> Layout:
    """A tree of the other family, with this machine's modules."""
    root = tmp_path / "httpd"
    for folder in ("conf", "conf.d", "conf.modules.d"):
        (root / folder).mkdir(parents=True)
    (root / "modules").symlink_to("/usr/lib/apache2/modules")
    for name in ("run", "logs"):
        (tmp_path / name).mkdir()
        (root / name).symlink_to(f"../{name}")
    (root / "conf/httpd.conf").write_text(
        f'ServerRoot "{root}"\nServerName localhost\nDefaultRuntimeDir run\nPidFile run/httpd.pid\n'
        "Include conf.modules.d/*.conf\nIncludeOptional conf.d/*.conf\n"
    )
    modules = "".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in ("mpm_event", "authz_core"))
    (root / "conf.modules.d/00-base.conf").write_text(modules)
    layout = Layout.of(FAMILIES["RedHat"]["layout"])
    return dataclasses.replace(layout, root=str(root), binary="/usr/sbin/apache2")


def test_layouts_of_both_families_are_complete() -> None:
    for family in FAMILIES.values():
        Layout.of(family["layout"])
    with pytest.raises(TreeError, match=r"^httpd_layout lacks binary, site$"):
        Layout.of({key: "" for key in Layout.__dataclass_fields__ if key not in ("site", "binary")})


def test_names_become_files_and_links(layout: Layout, redhat: Layout) -> None:
    expected = ExpectedTree(layout)
    expected.add_site("wsgi-one", "x")
    expected.add_conf("zz", "y")
    expected.add_module("wsgi", "z")
    expected.enable_module("ssl")
    expected.disable_module("status")
    expected.disable_site("000-default")
    expected.disable_conf("security")
    assert expected.entries == {
        "sites-available/wsgi-one.conf": Entry(content="x"),
        "sites-enabled/wsgi-one.conf": Entry(target="../sites-available/wsgi-one.conf"),
        "conf-available/zz.conf": Entry(content="y"),
        "conf-enabled/zz.conf": Entry(target="../conf-available/zz.conf"),
        "mods-available/wsgi.load": Entry(content="z"),
        "mods-enabled/wsgi.load": Entry(target="../mods-available/wsgi.load"),
        "mods-enabled/ssl.load": Entry(target="../mods-available/ssl.load"),
        "mods-enabled/ssl.conf": Entry(target="../mods-available/ssl.conf"),
        "mods-enabled/status.load": ABSENT,
        "mods-enabled/status.conf": ABSENT,
        "sites-enabled/000-default.conf": ABSENT,
        "conf-enabled/security.conf": ABSENT,
    }
    expected = ExpectedTree(redhat)
    expected.add_site("wsgi-one", "x")
    expected.add_module("10-wsgi", "z")
    expected.enable_module("ssl")
    expected.disable_module("status")
    expected.disable_conf("welcome")
    assert expected.entries == {
        "conf.d/wsgi-one.conf": Entry(content="x"),
        "conf.modules.d/10-wsgi.conf": Entry(content="z"),
    }


def test_a_snippet_of_a_package_is_emptied_where_there_are_no_links(redhat: Layout) -> None:
    path = Path(redhat.root, "conf.d/welcome.conf")
    path.write_text("Nonsense\n")
    for _ in range(2):
        expected = ExpectedTree(redhat)
        expected.disable_conf("welcome")
        changed = tree.changes(expected)
        tree.apply(redhat, changed)
    assert changed == {}
    assert path.read_text() == f"# {MARK}: what the package has here is not used.\n"


@pytest.mark.parametrize("family", ["layout", "redhat"])
def test_the_staged_check_accepts_and_leaves_the_tree_alone(family: str, request: pytest.FixtureRequest) -> None:
    layout: Layout = request.getfixturevalue(family)
    before = snapshot(layout.root)
    expected = ExpectedTree(layout)
    expected.add_site("wsgi-one", SITE)
    tree.check_staged(layout, tree.changes(expected))
    assert snapshot(layout.root) == before


@pytest.mark.parametrize("family", ["layout", "redhat"])
def test_the_staged_check_refuses_with_apaches_own_words(family: str, request: pytest.FixtureRequest) -> None:
    layout: Layout = request.getfixturevalue(family)
    before = snapshot(layout.root)
    expected = ExpectedTree(layout)
    expected.add_site("wsgi-one", SITE + "Nonsense on\n")
    with pytest.raises(TreeError) as raised:
        tree.check_staged(layout, expected.entries)
    message = str(raised.value)
    assert message.startswith("Apache refuses the new configuration, nothing was changed: ")
    assert "Invalid command 'Nonsense'" in message
    assert f"on line 5 of {layout.root}/{(layout.site_enabled or layout.site).format('wsgi-one')}" in message
    assert "grove-httpd-" not in message
    assert snapshot(layout.root) == before


def test_the_staged_check_reads_the_files_that_come_with_the_change(layout: Layout) -> None:
    expected = ExpectedTree(layout)
    expected.add_file("grove-tls/extra.conf", "ServerTokens Prod\n", mode=0o600)
    expected.add_site("wsgi-one", SITE + f'Include "{layout.root}/grove-tls/extra.conf"\n')
    tree.check_staged(layout, expected.entries)
    expected.add_file("grove-tls/extra.conf", "Nonsense\n", mode=0o600)
    with pytest.raises(TreeError, match="Invalid command 'Nonsense'"):
        tree.check_staged(layout, expected.entries)


def test_changes_are_applied_once(layout: Layout) -> None:
    for count in (4, 0):
        expected = ExpectedTree(layout)
        expected.add_file("grove-tls/one.key", "secret\n", mode=0o600)
        expected.add_site("wsgi-one", SITE)
        expected.add_file("ports.conf", "Listen 18201\r\n")
        changed = tree.changes(expected)
        assert len(changed) == count
        tree.apply(layout, changed)
    root = Path(layout.root)
    assert (root / "grove-tls/one.key").stat().st_mode & 0o777 == 0o600
    assert (root / "ports.conf").read_bytes() == b"Listen 18201\r\n"
    for path in ("ports.conf", "sites-available/wsgi-one.conf"):
        status = (root / path).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, 0, 0o640)
    assert (root / "sites-enabled/wsgi-one.conf").read_text() == SITE
    (root / "grove-tls/one.key").chmod(0o644)
    assert list(tree.changes(expected)) == ["grove-tls/one.key"]


def test_a_failure_in_the_middle_puts_everything_back(layout: Layout) -> None:
    root = Path(layout.root)
    (root / "ports.conf").write_bytes(b"# K\xf6ln\r\nListen 18200\n")
    (root / "sites-available/wsgi-old.conf").write_text(SITE)
    (root / "sites-enabled/wsgi-old.conf").symlink_to("../sites-available/wsgi-old.conf")
    (root / "sites-enabled/wsgi-stop.conf").mkdir()
    before = snapshot(layout.root)
    expected = ExpectedTree(layout)
    expected.add_file("ports.conf", "Listen 18201\n")
    expected.add_site("wsgi-one", SITE)
    expected.add_site("wsgi-stop", SITE)
    expected.keep_only("wsgi-old")
    with pytest.raises(IsADirectoryError):
        tree.apply(layout, tree.changes(expected))
    assert snapshot(layout.root) == before


def test_a_link_goes_before_the_file_that_it_leads_to(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(layout.root)
    expected = ExpectedTree(layout)
    expected.add_site("wsgi-old", SITE)
    tree.apply(layout, expected.entries)
    expected = ExpectedTree(layout)
    expected.add_site("wsgi-one", SITE)
    expected.keep_only("wsgi-*")
    seen = []
    put = tree.put

    def watched(where: str, path: str, entry: Entry) -> None:
        put(where, path, entry)
        seen.append(path)
        dangling = [link.name for link in (root / "sites-enabled").iterdir() if not link.exists()]
        assert dangling == []

    monkeypatch.setattr(tree, "put", watched)
    tree.apply(layout, tree.changes(expected))
    assert seen == [
        "sites-available/wsgi-one.conf",
        "sites-enabled/wsgi-one.conf",
        "sites-enabled/wsgi-old.conf",
        "sites-available/wsgi-old.conf",
    ]


def test_foreign_files_are_refused_and_kept(layout: Layout) -> None:
    foreign = Path(layout.root, "sites-available/wsgi-one.conf")
    foreign.write_text("<VirtualHost *:80>\n</VirtualHost>\n")
    expected = ExpectedTree(layout)
    expected.add_site("wsgi-one", SITE)
    with pytest.raises(TreeError) as raised:
        tree.refuse_foreign(expected, ["wsgi-one"])
    assert str(raised.value) == (f"{foreign} was not written by Grove; move it away, or give the record another name")
    only = ExpectedTree(layout)
    only.keep_only("wsgi-*")
    assert only.entries == {}
    foreign.write_text(SITE)
    tree.refuse_foreign(expected, ["wsgi-one"])
    only.keep_only("wsgi-*")
    assert only.entries == {"sites-available/wsgi-one.conf": ABSENT}


def test_keep_only_spares_what_is_wanted(layout: Layout) -> None:
    first = ExpectedTree(layout)
    first.add_site("wsgi-one", SITE)
    first.add_site("wsgi-two", SITE)
    first.add_site("blog", "foreign")
    tree.apply(layout, first.entries)
    second = ExpectedTree(layout)
    second.add_site("wsgi-one", SITE)
    second.keep_only("wsgi-*")
    assert {path for path, entry in second.entries.items() if entry == ABSENT} == {
        "sites-available/wsgi-two.conf",
        "sites-enabled/wsgi-two.conf",
    }


def test_the_check_before_a_reload_shows_apaches_words(layout: Layout) -> None:
    assert tree.ask_apache(layout, "-d", layout.root).returncode == 0
    values = tree.environment(layout)
    assert values["APACHE_RUN_USER"] == "www-data"
    missing = dataclasses.replace(layout, pid_file="/nonexistent/pid")
    assert control.parent_pid(missing) is None


def run_module(layout: Layout, tmp_path: Path, **arguments: Any) -> dict[str, Any]:
    """Run httpd_config as Ansible runs it: a process of its own that reads its arguments from standard input.

    Its notes are kept below ``tmp_path``.
    """
    script = (
        "from pathlib import Path\n"
        "from ansible_collections.grove.wsgi.plugins.module_utils.httpd import loaded as httpd_loaded\n"
        f"httpd_loaded.APPLIED = Path({str(tmp_path / 'notes' / 'applied.json')!r})\n"
        "from ansible_collections.grove.wsgi.plugins.modules.httpd_config import main\n"
        "main()\n"
    )
    content = {"layout": {**vars(layout)}, "_ansible_remote_tmp": str(tmp_path), **arguments}
    # In ansible-core 2.19 the arguments come with a profile for their decoding.
    runner = (
        "import sys, json\n"
        "from ansible.module_utils import basic\n"
        "basic._ANSIBLE_ARGS = sys.stdin.buffer.read()\n"
        "basic._ANSIBLE_PROFILE = 'legacy'\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", runner + script],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": content}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout, completed.stderr
    result: dict[str, Any] = json.loads(completed.stdout)
    return result


def test_the_module_in_check_mode_leaves_nothing(layout: Layout, tmp_path: Path) -> None:
    before = snapshot(layout.root)
    result = run_module(layout, tmp_path, sites={"wsgi-one": SITE}, _ansible_check_mode=True, _ansible_diff=True)
    assert result["changed"] is True
    assert result["changed_files"] == ["sites-available/wsgi-one.conf", "sites-enabled/wsgi-one.conf"]
    assert result["diff"][0]["after"] == SITE
    assert snapshot(layout.root) == before
    assert not (tmp_path / "notes").exists()


def test_the_module_writes_once_and_hides_secrets(layout: Layout, tmp_path: Path) -> None:
    arguments = {
        "sites": {"wsgi-one": SITE},
        "secret_files": {"grove-tls/one.key": "key material\n"},
        "disable_modules": ["status"],
    }
    first = run_module(layout, tmp_path, **arguments)
    assert first["changed"] is True
    assert "mods-enabled/status.load" in first["changed_files"]
    assert "key material" not in json.dumps(first["diff"])
    noted = json.loads((tmp_path / "notes" / "applied.json").read_text())
    assert noted["root"] == layout.root
    assert set(first["changed_files"]) <= set(noted["files"])
    second = run_module(layout, tmp_path, **arguments)
    assert (second["changed"], second["changed_files"]) == (False, [])
    assert json.loads((tmp_path / "notes" / "applied.json").read_text()) == noted


def test_a_script_is_written_where_its_folder_exists(layout: Layout, tmp_path: Path) -> None:
    there, elsewhere = tmp_path / "app" / "slot.wsgi", tmp_path / "none" / "slot.wsgi"
    there.parent.mkdir()
    arguments = {"scripts": {str(there): "application = None\n", str(elsewhere): "application = None\n"}}
    checked = run_module(layout, tmp_path, **arguments, _ansible_check_mode=True, _ansible_diff=True)
    assert (checked["changed"], checked["changed_files"]) == (True, [])
    assert [one["after_header"] for one in checked["diff"]] == [str(there)]
    assert not there.exists()
    assert run_module(layout, tmp_path, **arguments)["changed"] is True
    assert (there.read_text(), there.stat().st_mode & 0o7777) == ("application = None\n", 0o644)
    assert not elsewhere.parent.exists()
    assert run_module(layout, tmp_path, **arguments)["changed"] is False
    # Apache does not read it.
    noted = json.loads((tmp_path / "notes" / "applied.json").read_text())
    assert str(there) not in noted["files"]


def test_the_module_removes_former_sites_of_its_own(layout: Layout, tmp_path: Path) -> None:
    run_module(layout, tmp_path, sites={"wsgi-one": SITE, "wsgi-one-more": SITE.replace("18", "19")})
    foreign = Path(layout.root, layout.site.format("wsgi-two"))
    foreign.write_text("# Somebody else's\n")
    moved = {"sites": {"wsgi-0-one": SITE}, "remove_sites": ["wsgi-one", "wsgi-two"]}
    assert run_module(layout, tmp_path, **moved)["changed"] is True
    assert run_module(layout, tmp_path, **moved)["changed"] is False
    names = {path.name for path in Path(layout.root).glob("sites-*/wsgi-*")}
    assert names == {"wsgi-0-one.conf", "wsgi-one-more.conf", "wsgi-two.conf"}
    assert foreign.exists()


def test_the_module_refuses_what_apache_refuses(layout: Layout, tmp_path: Path) -> None:
    before = snapshot(layout.root)
    result = run_module(layout, tmp_path, sites={"wsgi-one": "# Written by Grove\nNonsense\n"})
    assert result["failed"] is True
    assert "Invalid command 'Nonsense'" in result["msg"]
    assert snapshot(layout.root) == before


@pytest.mark.parametrize("check", [True, False])
def test_the_module_tells_whether_apache_has_to_load_something(layout: Layout, tmp_path: Path, check: bool) -> None:
    """An Apache that does not run has to be started."""
    layout = dataclasses.replace(layout, pid_file=str(tmp_path / "no-pid"))
    result = run_module(layout, tmp_path, sites={"wsgi-one": SITE}, compare=True, _ansible_check_mode=check)
    assert result["load"] == {"due": True, "action": "start"}
    assert "load" not in run_module(layout, tmp_path, sites={"wsgi-one": SITE}, _ansible_check_mode=check)
