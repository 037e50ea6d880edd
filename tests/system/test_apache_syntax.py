"""The real Apache reads the texts that the check of records lets pass, and each as it was written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import syntax
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

pytestmark = pytest.mark.debian_packages("apache2")

MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authz_core", "authz_host", "alias", "remoteip", "rewrite", "ssl", "socache_shmcb")
NETWORKS = [
    *(f"10.{number}.2.3" for number in range(3)),
    *(f"128.0.0.0/{bits}" for bits in range(33)),
    *(f"8000::/{bits}" for bits in range(129)),
    *("0.0.0.0", "::", "::1", "2001:DB8::/32", "10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "::ffff:10.0.0.0/104"),
    *("::10.1.2.3", "64:ff9b::10.0.0.0/104", "10.0.0.0/008", "fe80::1%lo", "10.0.0.1/8", "10", "10.0", "010.0.0.1"),
]


def refused(folder: Path, lines: list[str]) -> str:
    """Return why Apache refuses these lines of its configuration; empty where it accepts them."""
    head = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED]
    head += [f"ServerRoot {folder}", f"PidFile {folder}/pid", "ServerName a", f"ErrorLog {folder}/log", "Listen 18299"]
    (folder / "httpd.conf").write_text("\n".join([*head, *lines, ""]))
    command = ["/usr/sbin/apache2", "-t", "-f", str(folder / "httpd.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("directive", ["Require ip", "RemoteIPInternalProxy"])
def test_networks_that_the_check_accepts(tmp_path: Path, directive: str) -> None:
    accepted = [text for text in NETWORKS if not syntax.network(text)]
    assert len(accepted) > 100
    lines = [f"    {directive} {text}" for text in accepted]
    if directive == "Require ip":
        lines = ["<Location />", *lines, "</Location>"]
    assert refused(tmp_path, lines) == ""


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::ffff:10.0.0.0/104", "fe80::1%lo", "10.0.0.0/8x"])
def test_networks_that_apache_does_not_read(tmp_path: Path, text: str) -> None:
    """The reason for which the check refuses them, although they are networks."""
    assert syntax.network(text)
    assert refused(tmp_path, ["<Location />", f"    Require ip {text}", "</Location>"])


def test_addresses_that_the_check_accepts(tmp_path: Path) -> None:
    for text in ("127.0.0.1", "::1", "[::1]", "0.0.0.0", "::", "fe80::1", "::10.1.2.3"):
        assert syntax.address(text) == ""
        host = f"[{text.strip('[]')}]" if ":" in text else text
        assert refused(tmp_path, [f"<VirtualHost {host}:80>", "</VirtualHost>"]) == ""


def test_a_host_name_that_the_check_accepts(tmp_path: Path) -> None:
    assert syntax.listen_host("localhost") == ""
    assert refused(tmp_path, ["Listen localhost:80", "<VirtualHost localhost:80>", "</VirtualHost>"]) == ""


HOSTILE = st.text(alphabet="aZ0._-~/ \\\"'$&{}%*é\t;|,=:#[]()@+!", max_size=8)
PLAIN = st.text(alphabet="aZ0._-~/* ", max_size=8)
PATHS: set[str] = set()
NAMES: set[str] = set()
FILES: set[str] = set()


@profile(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
@given(texts=st.lists(PLAIN, min_size=10, max_size=10), files=st.lists(HOSTILE, min_size=2, max_size=2))
def collect(texts: list[str], files: list[str]) -> None:
    PATHS.update(f"/{text}" for text in texts if not syntax.url_path(f"/{text}"))
    NAMES.update(text for text in texts if not syntax.host_name(text, wildcard=True))
    FILES.update(f"/{text}" for text in files if not syntax.quoted_path(f"/{text}"))


def test_generated_texts_that_the_check_accepts(tmp_path: Path) -> None:
    collect()
    assert min(len(PATHS), len(NAMES), len(FILES)) > 10
    lines = ["<VirtualHost *:80>"]
    for path in sorted(PATHS):
        lines += [f"    Alias {path} /srv/x", f'    <Location "{path}">', "    </Location>"]
    lines += [f"    ServerAlias {name}" for name in sorted(NAMES)]
    assert refused(tmp_path, [*lines, "</VirtualHost>"]) == ""
    # Apache names the file that it looked for. It merges slashes, and escapes tabs and bytes of UTF-8.
    plain = [path for path in sorted(FILES) if path.isascii() and "\t" not in path and "//" not in f"{path}/"]
    for path in plain[::10][:15]:
        lines = ["<VirtualHost *:443>", "SSLEngine on", f'SSLCertificateFile "{path}"', "</VirtualHost>"]
        assert f"file '{os.path.normpath(path)}'" in refused(tmp_path, lines)
