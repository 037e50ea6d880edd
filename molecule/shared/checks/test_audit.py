"""An audit of the running host, with a database of advisories on the controller."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import main_job
import pytest
from advisory_database import Database, serving
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from served import Host

KNOWN = "jinja2"
SOURCE = "/etc/apt/sources.list.d/test-security.list"
ARCHIVE = """
import hashlib, os, pathlib, subprocess
place = pathlib.Path("/srv/test-security/dists/test-security/main/binary-amd64")
place.mkdir(parents=True)
packages = place / "Packages"
library = next(os.path.realpath(path) for path in pathlib.Path("/lib").glob("*/libaprutil-1.so.0"))
package = next(path.stem for path in pathlib.Path("/var/lib/dpkg/info").glob("libaprutil1*.list")
               if os.path.basename(library) in path.read_text())
name = package.split(":")[0]
packages.write_text(f"Package: {name}\\nArchitecture: amd64\\nVersion: 99:1\\nFilename: x.deb\\nSize: 1\\n"
                    f"SHA256: {'0' * 64}\\nMaintainer: A <a@example.org>\\nDescription: x\\n\\n")
content = packages.read_bytes()
release = place.parents[1] / "Release"
release.write_text("Origin: Debian\\nLabel: Debian-Security\\nSuite: test-security\\nCodename: test-security\\n"
                   "Architectures: amd64\\nComponents: main\\nSHA256:\\n"
                   f" {hashlib.sha256(content).hexdigest()} {len(content)} main/binary-amd64/Packages\\n")
pathlib.Path(arguments[0]).write_text("deb [trusted=yes] copy:/srv/test-security test-security main\\n")
only = {"Dir::Etc::sourcelist": arguments[0], "Dir::Etc::sourceparts": "-", "APT::Get::List-Cleanup": "0"}
options = [word for name, value in only.items() for word in ("-o", f"{name}={value}")]
subprocess.run(["apt-get", "--quiet", *options, "update"], check=True, stdout=subprocess.DEVNULL)
print(json.dumps(name))
"""


@pytest.fixture
def database() -> Iterator[Database]:
    with serving() as running:
        yield running


def call_vulnerable(database: Database, *names: str) -> None:
    """Let the database have an advisory for every version of these packages, and for no other."""
    advisories = {
        name: {
            "id": f"TEST-{name}",
            "aliases": [],
            "summary": "a hole",
            "affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": []}],
        }
        for name in names
    }
    database.advisory_of = lambda name, version: advisories.get(name)


def audit(host: Host, folder: Path, *options: str, **variables: Any) -> tuple[int, dict[str, Any], str]:
    """Run the playbook; return its exit status, its report, and its output."""
    file = folder / "audit.json"
    command = main_job.command(host, playbook="playbooks/audit.yml", json=str(file), **variables)
    done = subprocess.run(
        [*command, *options], cwd=main_job.REPOSITORY, env=os.environ, capture_output=True, text=True, check=False
    )
    assert file.exists(), done.stdout + done.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    return done.returncode, report, done.stdout


def osv(database: Database, *vulnerable: str) -> dict[str, Any]:
    """Return the variables of an audit with a database that calls KNOWN and these packages vulnerable."""
    call_vulnerable(database, KNOWN, *vulnerable)
    # The controller's Ansible itself uses jinja2.
    accepted = [{"id": f"TEST-{KNOWN}", "reason": "the test calls every version vulnerable", "until": "9999-12-31"}]
    return {"audit_service": "osv", "audit_osv_url": database.url, "audit_accepted": accepted}


def test_an_audit_names_the_app_and_its_release(host: Host, database: Database, tmp_path: Path) -> None:
    status, report, output = audit(host, tmp_path, **osv(database, "pecan"))
    assert (status, report["verdict"]) == (2, "vulnerable")
    live = {(record["name"], host.live(record["name"])[1]) for record in host.apps}
    parts = report["hosts"][host.name]["parts"]
    assert live <= {(part["part"], part["release"]) for part in parts if part["serves"] and not part["changed"]}
    vulnerable = {(part["part"], one["package"]) for part in parts for one in part["vulnerable"]}
    assert {(record["name"], "pecan") for record in host.apps} <= vulnerable
    assert [line for line in output.splitlines() if line.split()[:1] == ["test1"] and "TEST-pecan" in line]
    tools = {part["part"]: part["packages"] for part in parts if part["release"] is None}
    assert set(tools["uv"]) == {"uv"}
    assert "mod-wsgi" in tools["mod_wsgi"]
    # The application's own package has no advisories, and its name is nobody's business.
    assert "pecan-test-project" not in {name for name, _ in database.asked}


def test_an_audit_of_a_host_without_findings(host: Host, database: Database, tmp_path: Path) -> None:
    """Security updates of the day are accepted, so that the test does not depend on the day."""
    variables = osv(database)
    _, report, _ = audit(host, tmp_path, **variables)
    pending = [update["package"] for update in report["hosts"][host.name]["debian"]["security"]]
    accepted = [{"id": f"debian:{name}", "reason": "test", "until": "9999-12-31"} for name in pending]
    variables["audit_accepted"] += accepted
    status, report, output = audit(host, tmp_path, "--check", **variables)
    assert (status, report["verdict"], report["database"]["problem"]) == (0, "clean", None), output
    call_vulnerable(database)
    status, report, _ = audit(host, tmp_path, **variables)
    assert (status, report["verdict"]) == (2, "unknown")
    assert report["database"]["problem"]


def test_a_security_update_names_who_uses_the_package(host: Host, database: Database, tmp_path: Path) -> None:
    """Apache has mapped the library. In a container, root may not read what other accounts' processes have mapped."""
    name = host.python(ARCHIVE, SOURCE)
    try:
        status, report, _ = audit(host, tmp_path, **osv(database))
    finally:
        host.run("sh", "-c", f"rm -r {SOURCE} /srv/test-security /var/lib/apt/lists/*test-security*")
    assert status == 2
    updates = {one["package"]: one for one in report["hosts"][host.name]["debian"]["security"]}
    assert updates[name]["available"] == "99:1"
    assert "Apache" in updates[name]["used_by"]


def test_every_live_release_has_a_bill_of_materials(host: Host, tmp_path: Path) -> None:
    command = main_job.command(host, playbook="playbooks/sbom.yml", to=str(tmp_path))
    done = subprocess.run(command, cwd=main_job.REPOSITORY, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for record in host.apps:
        text = (tmp_path / f"{host.name}-{record['name']}.cdx.json").read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        document = json.loads(text)
        assert document["metadata"]["component"]["version"] == host.live(record["name"])[1]
        (pecan,) = [one for one in document["components"] if one["name"] == "pecan"]
        assert {"name": "grove:locked", "value": "true"} in pecan["properties"]
        assert pecan["externalReferences"][0]["hashes"]
