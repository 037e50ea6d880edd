"""Audits with the real pip-audit and the real apt: advisories and archives are made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from advisory_database import Database, serving
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.plugin_utils.audit.advisories import KNOWN, Service, look_up

REPOSITORY = Path(__file__).resolve().parents[2]
COLLECTIONS = next(str(Path(path)) for path in sys.path if Path(path, "ansible_collections").is_dir())
READ_UPDATES = """
import json, pathlib, sys
from ansible_collections.grove.wsgi.plugins.module_utils.software import debian
mapped = {user: set(files) for user, files in json.loads(sys.argv[1]).items()}
print(json.dumps(debian.updates(mapped, 1, pathlib.Path(sys.argv[2]))))
"""
ADVISORY = {
    "id": "PYSEC-2027-1",
    "aliases": ["CVE-2027-0001"],
    "summary": "a hole",
    "affected": [
        {
            "package": {"name": "counter", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
        }
    ],
}


@pytest.fixture
def database() -> Iterator[Database]:
    """A database that knows one vulnerable version, and the one that an audit asks about first."""
    advisories = dict.fromkeys([KNOWN, ("counter", "1.0")], ADVISORY)
    with serving() as running:
        running.advisory_of = lambda name, version: advisories.get((name, version))
        yield running


def test_vulnerable_versions_are_found(database: Database) -> None:
    packages = [("counter", "1.0"), ("counter", "2.0"), ("other", "1.0"), ("odd", "of today")]
    result = look_up(packages, Service("osv", database.url))
    assert result.problem == ""
    assert list(result.vulnerable) == [("counter", "1.0")]
    (found,) = result.vulnerable["counter", "1.0"]
    assert (found.name, found.aliases, found.fixed_in) == ("PYSEC-2027-1", ("CVE-2027-0001",), ("2.0",))
    assert list(result.unknown) == [("odd", "of today")]
    assert sorted(database.asked) == sorted([KNOWN, *packages[:3]])


@pytest.mark.parametrize("fault", ["closed", "empty", "broken"])
def test_without_a_database_every_package_is_unknown(database: Database, fault: str) -> None:
    """A database without any advisory, such as an index that stands in for PyPI, is none."""
    address = database.url
    if fault == "closed":
        address = "http://127.0.0.1:9/v1/query"
    elif fault == "empty":
        database.advisory_of = lambda name, version: None
    else:
        database.status = 500
    result = look_up([("counter", "1.0"), ("other", "1.0")], Service("osv", address))
    assert result.problem
    assert not result.vulnerable
    assert set(result.unknown) == {("counter", "1.0"), ("other", "1.0")}
    assert set(database.asked) <= {KNOWN}


class Root:
    """A root of apt and dpkg with two installed packages, and archives that offer other versions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("etc/apt/sources.list.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "info").mkdir()
        (folder / "etc/apt/sources.list").write_text("")
        installed = [("libdoor", "1.0"), ("window", "1.0")]
        self.status = folder / "status"
        self.status.write_text("".join(package(*one, installed=True) for one in installed))
        (folder / "lib").mkdir()
        (folder / "info" / "libdoor.list").write_text(f"/.\n{folder}/lib\n{folder}/lib/libdoor.so.1\n")
        self.configuration = folder / "apt.conf"
        self.configuration.write_text(
            f'Dir "{folder}";\nDir::State "{folder}/var/lib/apt";\nDir::State::status "{self.status}";\n'
            f'Dir::Cache "{folder}/var/cache/apt";\nDir::Etc "{folder}/etc/apt";\nAPT::Architecture "amd64";\n'
            'Acquire::Languages "none";\nAPT::Sandbox::User "root";\n'
        )

    def archive(self, label: str, suite: str, *versions: tuple[str, str]) -> None:
        """Add an archive, and let apt read it."""
        place = self.folder / label
        (place / "dists" / suite / "main" / "binary-amd64").mkdir(parents=True)
        packages = place / "dists" / suite / "main" / "binary-amd64" / "Packages"
        packages.write_text("".join(package(*one) for one in versions))
        size = packages.stat().st_size
        digest = subprocess.run(["sha256sum", packages], capture_output=True, text=True, check=True).stdout.split()[0]
        (place / "dists" / suite / "Release").write_text(
            f"Origin: Debian\nLabel: {label}\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\n"
            f"Components: main\nSHA256:\n {digest} {size} main/binary-amd64/Packages\n"
        )
        with (self.folder / "etc/apt/sources.list").open("a") as sources:
            sources.write(f"deb [trusted=yes] copy:{place} {suite} main\n")
        self.run("apt-get", "--quiet", "update")

    def run(self, *command: str) -> str:
        environment = os.environ | {"APT_CONFIG": str(self.configuration), "PYTHONPATH": COLLECTIONS}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def updates(self, **mapped: list[str]) -> dict[str, Any]:
        """Return what the distribution's Python reads, in which apt's library is."""
        arguments = (json.dumps(mapped), str(self.folder / "info"))
        result: dict[str, Any] = json.loads(self.run("/usr/bin/python3", "-c", READ_UPDATES, *arguments))
        return result


def package(name: str, version: str, *, installed: bool = False) -> str:
    status = "Status: install ok installed\n" if installed else f"Filename: {name}.deb\nSize: 1\nSHA256: {'0' * 64}\n"
    return (
        f"Package: {name}\n{status}Architecture: amd64\nVersion: {version}\nMaintainer: A <a@example.org>\n"
        f"Description: {name}\n\n"
    )


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.mark.debian_packages("python3-apt")
def test_security_updates_and_their_users(root: Root) -> None:
    root.archive("Debian-Security", "stable-security", ("libdoor", "1.1"))
    root.archive("Debian", "stable", ("libdoor", "1.0"), ("window", "1.2"))
    library = f"{root.folder}/lib/libdoor.so.1"
    result = root.updates(shop=[library], Apache=["/usr/lib/other.so"])
    assert result == {
        "security": [{"package": "libdoor", "installed": "1.0", "available": "1.1", "used_by": ["shop"]}],
        "others": 1,
        "lists_hours": 0,
        "problems": [],
    }


@pytest.mark.debian_packages("python3-apt")
def test_a_package_that_is_held_or_pinned_needs_its_update_too(root: Root) -> None:
    root.archive("Debian-Security", "stable-security", ("libdoor", "1.1"), ("window", "1.1"))
    root.status.write_text(root.status.read_text().replace("install ok", "hold ok", 1))
    (root.folder / "etc/apt/preferences").write_text("Package: window\nPin: version 1.1\nPin-Priority: -1\n")
    assert [one["package"] for one in root.updates()["security"]] == ["libdoor", "window"]


@pytest.mark.debian_packages("python3-apt")
def test_lists_that_cannot_show_security_updates(root: Root) -> None:
    assert len(root.updates()["problems"]) == 2
    root.archive("Debian", "stable", ("libdoor", "1.0"))
    (without_archive,) = root.updates()["problems"]
    assert "security updates" in without_archive
    root.archive("Debian-Security", "stable-security", ("libdoor", "1.0"))
    assert root.updates()["problems"] == []
    two_days_ago = time.time() - 2 * 86400
    lists = root.folder / "var/lib/apt/lists"
    for path in (lists / "partial", lists):
        os.utime(path, (two_days_ago, two_days_ago))
    (old,) = root.updates()["problems"]
    assert "48 h old" in old


@pytest.mark.debian_packages("python3-apt")
def test_an_archive_without_a_signature_is_named(root: Root) -> None:
    root.archive("Debian-Security", "stable-security", ("libdoor", "1.1"))
    sources = root.folder / "etc/apt/sources.list"
    sources.write_text(sources.read_text().replace("[trusted=yes]", "[allow-insecure=yes]"))
    root.run("apt-get", "--quiet", "update")
    (unsigned,) = root.updates()["problems"]
    assert "signature" in unsigned


@pytest.mark.debian_packages("python3-apt")
def test_reading_leaves_apts_files_as_they_are(root: Root) -> None:
    root.archive("Debian-Security", "stable-security", ("libdoor", "1.1"))

    def files() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in root.folder.rglob("*"))

    before = files()
    root.updates()
    assert files() == before


class Audit:
    """The playbook on this machine, with applications and archives that are made here."""

    def __init__(self, root: Root, database: Database) -> None:
        self.root = root
        self.apps = root.folder / "apps"
        self.settings: dict[str, Any] = {
            "wsgi_app_base": str(self.apps),
            "uv_folder": "/none",
            "mod_wsgi_folder": "/none",
            "openstack_client_folder": "/none",
            "json": str(root.folder / "audit.json"),
            "audit_service": "osv",
            "audit_osv_url": database.url,
        }

    def deploy(self, app: str, release: str, **versions: str) -> None:
        """Make a release with packages in its virtualenv, which serves."""
        folder = AppFolder(app, self.apps / app)
        for name, version in versions.items():
            about = folder.release(release) / f"venv/lib/python3.11/site-packages/{name}-{version}.dist-info"
            about.mkdir(parents=True)
            (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (folder.release(release) / "RELEASE.json").write_text(json.dumps({"id": release}))
        (folder.path / "app.json").write_text("{}")
        folder.point("blue", release)
        folder.flip("blue")

    def run(self, *options: str, **variables: Any) -> tuple[int, str, dict[str, Any]]:
        """Return exit status, output and report."""
        inventory = self.root.folder / "hosts.yml"
        inventory.write_text("wsgi: {hosts: {web1: {ansible_connection: local}}}\n")
        file = self.root.folder / "audit.json"
        file.unlink(missing_ok=True)
        command = ["ansible-playbook", str(REPOSITORY / "playbooks/audit.yml"), "--inventory", str(inventory)]
        done = subprocess.run(
            [*command, "--extra-vars", json.dumps({**self.settings, **variables}), *options],
            env=os.environ
            | {"APT_CONFIG": str(self.root.configuration), "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=False,
        )
        report = json.loads(file.read_text()) if file.exists() else {}
        return done.returncode, done.stdout + done.stderr, report


@pytest.fixture
def audit(root: Root, database: Database) -> Audit:
    root.archive("Debian-Security", "stable-security", ("window", "1.0"))
    return Audit(root, database)


@pytest.mark.debian_packages("python3-apt")
def test_without_a_finding_the_exit_status_is_0(audit: Audit) -> None:
    audit.deploy("shop", "0123", counter="2.0")
    status, output, report = audit.run("--check")
    assert (status, report["verdict"]) == (0, "clean"), output


@pytest.mark.debian_packages("python3-apt")
def test_a_vulnerable_package_is_named_with_its_app_and_release(audit: Audit) -> None:
    audit.deploy("shop", "0123", counter="2.0")
    audit.deploy("shop", "0124", counter="1.0")
    status, output, report = audit.run()
    assert (status, report["verdict"]) == (2, "vulnerable")
    rows = [line.split() for line in output.splitlines()]
    assert ["shop", "0124", "counter", "1.0", "PYSEC-2027-1", "(CVE-2027-0001)", "2.0"] in rows
    assert report["hosts"]["web1"]["parts"][0]["release"] == "0124"


@pytest.mark.debian_packages("python3-apt")
def test_what_is_accepted_is_shown_and_does_not_fail(audit: Audit) -> None:
    audit.deploy("shop", "0124", counter="1.0")
    entry = {"id": "CVE-2027-0001", "package": "counter", "reason": "not reached", "until": "9999-12-31"}
    status, output, report = audit.run(audit_accepted=[entry])
    assert (status, report["verdict"]) == (0, "clean")
    assert "accepted until 9999-12-31: not reached" in output
    status, output, report = audit.run(audit_accepted=[{**entry, "until": "some day"}])
    assert (status, report) == (2, {})
    assert "audit_accepted[0].until" in output


@pytest.mark.debian_packages("python3-apt")
def test_a_database_that_is_not_there_is_not_clean(audit: Audit) -> None:
    audit.deploy("shop", "0123", counter="2.0")
    status, output, report = audit.run(audit_osv_url="http://127.0.0.1:9/v1/query")
    assert (status, report["verdict"]) == (2, "unknown")
    assert "PROBLEM: Python packages were not looked up: the database cannot be reached" in output


@pytest.mark.debian_packages("python3-apt")
def test_lists_are_updated_when_it_is_allowed(audit: Audit) -> None:
    audit.deploy("shop", "0123", counter="2.0")
    lists = audit.root.folder / "var/lib/apt/lists"
    for path in (lists / "partial", lists):
        os.utime(path, (1, 1))
    assert audit.run()[2]["verdict"] == "unknown"
    assert audit.run(audit_refresh=True)[2]["verdict"] == "clean"
