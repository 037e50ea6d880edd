"""The facts that host_info reads of a host, with real interpreters, certificates and trees."""

from __future__ import annotations

import dataclasses
import grp
import hashlib
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.host import info
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.info import describe, edited_sites, packaged
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.tree import MARK

pytestmark = pytest.mark.debian_packages("apache2", "openssl")

REPOSITORY = Path(__file__).resolve().parents[2]
FAMILIES = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"]
FOREIGN = "<VirtualHost *:80>\n</VirtualHost>\n"


def test_pythons() -> None:
    interpreter = info.python("/usr/bin/python3")
    assert interpreter is not None
    assert interpreter["abi"].startswith("cpython-3")
    version = subprocess.run(["/usr/bin/python3", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"Python {interpreter['version']}\n" == version
    assert info.python("/nonexistent") is None
    assert info.python("/bin/false") is None


def test_addresses() -> None:
    assert info.own_addresses("127.0.0.1") == ["127.0.0.1"]
    assert info.own_addresses("0.0.0.0") == ["0.0.0.0"]
    assert "127.0.0.1" in info.own_addresses("localhost")
    for text in ("192.0.2.7", "no..name", "2001:db8::7"):
        assert info.own_addresses(text) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
def test_a_host_without_ipv6_has_no_ipv6_addresses() -> None:
    """In a network of its own, whose loopback device has IPv6 or not."""
    ask = "from ansible_collections.grove.wsgi.plugins.module_utils.host.info import own_addresses as own\n"
    ask += "print(own('::'), own('0.0.0.0'), own('::1'))"
    for disabled, expected in (("1", "[] ['0.0.0.0'] []"), ("0", "['::'] ['0.0.0.0'] ['::1']")):
        switch = f"echo {disabled} >/proc/sys/net/ipv6/conf/lo/disable_ipv6"
        commands = f'{switch} && ip link set lo up && exec "$0" -c "$1"'
        command = ["unshare", "--net", "sh", "-c", commands, sys.executable, ask]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == expected, done.stderr


def test_accounts() -> None:
    me = pwd.getpwuid(os.getuid())
    assert info.account(me.pw_name) == {
        "uid": me.pw_uid,
        "group": grp.getgrgid(me.pw_gid).gr_name,
        "home": me.pw_dir,
        "shell": me.pw_shell,
        "comment": me.pw_gecos,
    }
    assert info.account("no-such-account") is None


def make_pair(folder: Path, name: str, *more: str) -> list[str]:
    paths = [str(folder / f"{name}.crt"), str(folder / f"{name}.key")]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", f"/CN={name}", "-days", "2"),
            *("-out", paths[0], "-keyout", paths[1], *(more or ("-nodes",))),
        ],
        capture_output=True,
        check=True,
    )
    return paths


def test_certificates_and_keys(tmp_path: Path) -> None:
    one, two = make_pair(tmp_path, "one"), make_pair(tmp_path, "two")
    locked = make_pair(tmp_path, "locked", "-passout", "pass:sesame")
    assert info.key_pair(one) == ""
    assert "KEY_VALUES_MISMATCH" in info.key_pair([one[0], two[1]])
    assert info.key_pair(locked) != ""
    assert "No such file" in info.key_pair([one[0], str(tmp_path / "none.key")])
    (tmp_path / "broken.key").write_text("nonsense")
    assert info.key_pair([one[0], str(tmp_path / "broken.key")]) != ""
    responder = "http://ocsp.example.org/"
    stapled = make_pair(tmp_path, "stapled", "-nodes", "-addext", f"authorityInfoAccess=OCSP;URI:{responder}")
    assert info.ocsp_responder(stapled[0]) == responder
    assert [info.ocsp_responder(path) for path in (one[0], str(tmp_path / "none.crt"))] == ["", ""]


@pytest.mark.parametrize(
    ("family", "site", "ports", "ours"),
    [
        ("Debian", "sites-enabled/blog.conf", "ports.conf", "ports.conf"),
        ("RedHat", "conf.d/blog.conf", "conf/httpd.conf", "conf.d/zz-grove-listen.conf"),
    ],
)
def test_sites_that_are_not_groves(tmp_path: Path, family: str, site: str, ports: str, ours: str) -> None:
    layout = Layout.of(FAMILIES[family]["layout"])
    layout = dataclasses.replace(layout, root=str(tmp_path), binary="/usr/sbin/apache2")
    for path in (site, ports, ours):
        (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / site).write_text(FOREIGN)
    (tmp_path / site).with_name("wsgi-one.conf").write_text(f"# {MARK}\n{FOREIGN}")
    (tmp_path / site).with_name("listening.conf").write_text(f"Listen 90\n{FOREIGN}")
    (tmp_path / site).with_name("dangling.conf").symlink_to("nowhere")
    own = tmp_path / layout.site.format("wsgi-two")
    own.parent.mkdir(exist_ok=True)
    own.write_text(f"# {MARK}\n{FOREIGN}")
    own.with_name("wsgi-three.conf").write_text(FOREIGN)
    (tmp_path / ports).write_text("# Listen 1\nListen 80\n  Listen 127.0.0.1:81\n")
    apache = describe(layout)
    assert apache["version"].startswith("2.4.")
    # A foreign file of a name that Grove gives counts as foreign where it is enabled.
    assert apache["foreign_sites"] == (["blog"] if layout.site_enabled else ["blog", "wsgi-three"])
    assert "wsgi-two" in apache["sites"]
    assert not {"blog", "wsgi-three"} & set(apache["sites"])
    assert apache["foreign_listen"] == ["80", "127.0.0.1:81"]
    assert apache["ports_ours"] is False
    (tmp_path / ours).write_text(f"# {MARK}\nListen 80\n")
    assert describe(layout)["ports_ours"] is True


def test_a_site_of_the_package_that_was_edited(tmp_path: Path) -> None:
    layout = dataclasses.replace(Layout.of(FAMILIES["Debian"]["layout"]), root=str(tmp_path))
    for folder in ("sites-available", "sites-enabled"):
        (tmp_path / folder).mkdir()
    site, other = (tmp_path / "sites-available" / f"{name}.conf" for name in ("000-default", "default-ssl"))
    sums = {}
    for path in (site, other):
        path.write_text(FOREIGN)
        sums[str(path)] = hashlib.md5(FOREIGN.encode(), usedforsecurity=False).hexdigest()
    sums[str(tmp_path / "ports.conf")] = "0"
    enabled = tmp_path / "sites-enabled" / site.name
    enabled.symlink_to("../sites-available/000-default.conf")
    assert edited_sites(layout, sums) == []
    # An edited file that is not enabled serves nobody.
    other.write_text("# mine\n")
    assert edited_sites(layout, sums) == []
    site.write_text("# mine\n")
    assert edited_sites(layout, sums) == ["000-default"]
    enabled.unlink()
    enabled.write_text(FOREIGN)
    assert edited_sites(layout, sums) == []


def test_the_sums_of_the_package() -> None:
    """The Apache of this machine, as dpkg knows it."""
    assert len(packaged("apache2")["/etc/apache2/sites-available/000-default.conf"]) == 32
    assert packaged("no-such-package") == {}


def test_a_host_without_apache(tmp_path: Path) -> None:
    layout = dataclasses.replace(Layout.of(FAMILIES["Debian"]["layout"]), binary=str(tmp_path / "apache2"))
    assert describe(layout) == {
        "version": "",
        "sites": [],
        "foreign_sites": [],
        "edited_sites": [],
        "foreign_listen": [],
        "ports_ours": False,
    }
