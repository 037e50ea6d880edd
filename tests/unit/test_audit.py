"""The verdict of an audit: what counts, what is accepted, and what is not known."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.release import packages, sbom
from ansible_collections.grove.wsgi.plugins.module_utils.software import debian, python
from ansible_collections.grove.wsgi.plugins.plugin_utils.audit import acceptance, report
from ansible_collections.grove.wsgi.plugins.plugin_utils.audit.advisories import Advisories, Vulnerability, layers

TODAY = datetime.date(2027, 1, 15)
HOLE = Vulnerability("PYSEC-2027-1", ("CVE-2027-0001", "GHSA-aaaa"), ("3.1.6",))
VULNERABLE = Advisories(vulnerable={("jinja2", "3.1.2"): [HOLE]})
UPDATE = {"package": "openssl", "installed": "3.0.1", "available": "3.0.2", "used_by": ["Apache"]}


def part(**changes: Any) -> dict[str, Any]:
    values = {"part": "shop", "release": "0123", "serves": True, "locked": True, "own": {}, "changed": []}
    return {**values, "packages": {"jinja2": "3.1.2"}, **changes}


def host(*parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"parts": list(parts), "debian": {"security": [], "others": 0, "lists_hours": 1, "problems": [], **changes}}


def judged(software: dict[str, Any], advisories: Advisories = VULNERABLE, accepted: Any = ()) -> dict[str, Any]:
    return report.judge({"web1": software}, [], advisories, acceptance.read(list(accepted)), TODAY)


def accept(**changes: Any) -> dict[str, Any]:
    return {"id": "CVE-2027-0001", "reason": "no template of strangers", "until": "2027-01-15", **changes}


@pytest.mark.parametrize(
    ("software", "advisories", "verdict"),
    [
        (host(part()), Advisories(), "clean"),
        (host(part()), VULNERABLE, "vulnerable"),
        (host(part(packages={"jinja2": "3.1.6"})), VULNERABLE, "clean"),
        (host(part(serves=False)), VULNERABLE, "clean"),
        (host(part()), Advisories(unknown={("jinja2", "3.1.2"): "no answer"}), "unknown"),
        (host(part(serves=False)), Advisories(unknown={("jinja2", "3.1.2"): "no answer"}), "clean"),
        (host(part(packages={}, own={"shop": "1"})), VULNERABLE, "clean"),
        (host(part(changed=["jinja2: 3.1.6 when built, 3.1.2 now"])), Advisories(), "vulnerable"),
        (host(part(serves=False, changed=["x"])), Advisories(), "clean"),
        (host(part(), security=[UPDATE]), Advisories(), "vulnerable"),
        (host(part(), problems=["apt's lists are old"]), Advisories(), "unknown"),
        (host(part(), problems=["apt's lists are old"]), VULNERABLE, "vulnerable"),
        (host(part(), others=3), Advisories(), "clean"),
        ({"parts": [part()]}, Advisories(), "clean"),
        ({"parts": [], "problems": ["no virtualenv"]}, Advisories(), "unknown"),
    ],
)
def test_the_verdict_of_a_host(software: dict[str, Any], advisories: Advisories, verdict: str) -> None:
    result = judged(software, advisories)
    assert (result["verdict"], result["hosts"]["web1"]["verdict"]) == (verdict, verdict)
    assert report.text(result)[-1] == f"verdict: {verdict}"


def test_the_worst_host_decides() -> None:
    hosts = {"web1": host(part()), "web2": host(part(packages={}))}
    both = report.judge(hosts, ["web3"], VULNERABLE, [], TODAY)
    assert {name: one["verdict"] for name, one in both["hosts"].items()} == {
        "web1": "vulnerable",
        "web2": "clean",
        "web3": "unknown",
    }
    assert both["verdict"] == "vulnerable"
    assert report.judge({"web2": host()}, ["web3"], VULNERABLE, [], TODAY)["verdict"] == "unknown"
    assert report.questions(hosts) == {("jinja2", "3.1.2")}


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [
        (accept(), "clean"),
        (accept(id="pysec-2027-1"), "clean"),
        (accept(package="jinja2"), "clean"),
        (accept(until=datetime.date(2027, 6, 1)), "clean"),
        (accept(package="mako"), "vulnerable"),
        (accept(id="CVE-2027-0002"), "vulnerable"),
        (accept(until="2027-01-14"), "vulnerable"),
    ],
)
def test_a_finding_is_accepted_until_a_day(entry: dict[str, Any], verdict: str) -> None:
    result = judged(host(part()), accepted=[entry])
    assert result["verdict"] == verdict
    assert [one["id"] for one in result["hosts"]["web1"]["parts"][0]["vulnerable"]] == ["PYSEC-2027-1"]
    assert bool(result["ended"]) == (entry["until"] == "2027-01-14")
    lines = "\n".join(report.text(result))
    assert ("accepted until" in lines) == (verdict == "clean")
    assert ("ended on 2027-01-14" in lines) == bool(result["ended"])


def test_a_security_update_is_accepted_by_the_name_of_its_package() -> None:
    entry = accept(id="debian:openssl")
    assert judged(host(security=[UPDATE]), accepted=[entry])["verdict"] == "clean"
    assert judged(host(security=[{**UPDATE, "package": "perl"}]), accepted=[entry])["verdict"] == "vulnerable"


@pytest.mark.parametrize(
    ("entries", "places"),
    [
        ("CVE-1", ["audit_accepted"]),
        (["CVE-1"], ["audit_accepted[0]"]),
        ([accept(), accept(until="soon")], ["audit_accepted[1].until"]),
        ([accept(reason=" ")], ["audit_accepted[0].reason"]),
        ([{}], ["audit_accepted[0].id", "audit_accepted[0].reason", "audit_accepted[0].until"]),
        ([accept(because="x")], ["audit_accepted[0].because"]),
        ([accept(package=7)], ["audit_accepted[0].package"]),
        ([accept(until=datetime.datetime(2027, 1, 1))], ["audit_accepted[0].until"]),
    ],
)
def test_entries_that_cannot_be_used(entries: Any, places: list[str]) -> None:
    with pytest.raises(acceptance.AcceptanceError) as raised:
        acceptance.read(entries)
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0].split(" ")[0] for line in lines] == places


def test_the_table_names_app_release_package_and_remedy() -> None:
    software = host(part(), part(release="0099", serves=False), security=[UPDATE], others=2)
    lines = report.text(judged(software))
    rows = [line.split() for line in lines if line.startswith("  ")]
    assert ["shop", "0123", "jinja2", "3.1.2", "PYSEC-2027-1", "(CVE-2027-0001)", "3.1.6"] in rows
    assert any(row[:2] == ["shop", "0099"] and row[-2:] == ["serve", "3.1.6"] for row in rows)
    assert any(row[:4] == ["Debian", "-", "openssl", "3.0.1"] and "Apache" in row for row in rows)


def test_what_is_not_known_is_said() -> None:
    unreached = Advisories(unknown={("jinja2", "3.1.2"): "no route"}, problem="no route")
    assert "PROBLEM: Python packages were not looked up: no route" in report.text(judged(host(part()), unreached))
    some = Advisories(unknown={("jinja2", "3.1.2"): "not there"})
    assert any("jinja2 3.1.2" in line for line in report.text(judged(host(part()), some)))
    lines = "\n".join(report.text(judged(host(part(own={"shop": "1"}, locked=False)))))
    assert "shop 1" in lines
    assert "no lock" in lines


def test_each_question_has_one_version_of_a_package() -> None:
    assert list(layers([("a", "1"), ("a", "2"), ("b", "1")])) == [{"a": "1", "b": "1"}, {"a": "2"}]
    assert list(layers([])) == []


@pytest.mark.parametrize(
    ("label", "suite", "expected"),
    [
        ("Debian-Security", "stable-security", True),
        ("Debian-Security", "oldstable", True),
        ("Ubuntu", "jammy-security", True),
        ("Debian", "stable", False),
        ("Debian", "stable-updates", False),
        ("", "", False),
    ],
)
def test_archives_of_security_updates(label: str, suite: str, expected: bool) -> None:
    assert debian.is_security(label, suite) is expected


def install(site: Path, name: str, version: str, **files: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in files.items():
        (folder / file.replace("_json", ".json")).write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> AppFolder:
    """An application with a release that serves and one from before there were bills of materials."""
    shop = AppFolder("shop", tmp_path / "shop")
    for identifier, version in (("old", "1"), ("new", "2")):
        site = shop.release(identifier) / "venv" / "lib" / "python3.11" / "site-packages"
        install(site, "Zope.Interface", version)
        install(site, "shop", "1", direct_url_json='{"url": "file:///x.whl"}')
        (shop.release(identifier) / "RELEASE.json").write_text(json.dumps({"id": identifier}))
    (shop.release("new") / "lock.txt").write_text("")
    (shop.releases / "broken").mkdir()
    shop.point("blue", "new")
    shop.point("green", "old")
    shop.flip("blue")
    return shop


def test_releases_are_read_from_their_virtualenvs(folder: AppFolder) -> None:
    new, old = python.release_parts(folder)
    assert (new["release"], new["serves"], new["locked"]) == ("new", True, True)
    assert (new["packages"], new["own"], new["changed"]) == ({"zope-interface": "2"}, {"shop": "1"}, [])
    assert (old["release"], old["serves"], old["locked"]) == ("old", False, False)
    assert (old["packages"], old["changed"]) == ({"zope-interface": "1"}, [])


def test_releases_that_take_requests_or_run_agents_serve(folder: AppFolder) -> None:
    def serving() -> set[str]:
        return {part["release"] for part in python.release_parts(folder) if part["serves"]}

    folder.share_out("blue", 10)
    assert serving() == {"new", "old"}
    folder.flip("blue")
    assert serving() == {"new"}
    folder.point_agent("worker", "old")
    assert serving() == {"new", "old"}
    folder.slot_map.write_text("nonsense\n")
    assert serving() == {"new", "old"}


def test_a_virtualenv_that_was_changed_by_hand(folder: AppFolder) -> None:
    versions = {"zope-interface": "1", "shop": "1", "gone": "3"}
    listed = [{"name": name, "version": versions[name], "purl": f"pkg:pypi/{name}"} for name in versions]
    (folder.release("new") / sbom.FILE).write_text(json.dumps({"components": listed}))
    assert python.release_parts(folder)[0]["changed"] == [
        "gone: 3 when built, not there now",
        "zope-interface: 1 when built, 2 now",
    ]


def test_of_several_versions_of_a_tool_one_serves(tmp_path: Path) -> None:
    tool = tmp_path / "uv"
    install(tool / "0.1" / "lib" / "python3.11" / "site-packages", "uv", "0.1")
    for number, version in enumerate(("0.1", "0.2")):
        (tool / version / "bin").mkdir(parents=True)
        (tool / version / "bin" / "uv").write_text("")
        os.utime(tool / version, (number, number))

    def parts(mapped: set[str]) -> list[tuple[dict[str, str], bool]]:
        return [(one["packages"], one["serves"]) for one in python.tool_parts([tool, tmp_path / "none"], mapped)]

    assert parts(set()) == [({"uv": "0.1"}, False), ({"uv": "0.2"}, True)]
    assert parts({f"{tool}/0.1/lib/x.so"}) == [({"uv": "0.1"}, True), ({"uv": "0.2"}, False)]


def test_a_package_with_broken_metadata_is_left_out(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    install(site, "good", "1", direct_url_json="no JSON")
    (site / "left.dist-info").mkdir()
    (site / "bad-1.dist-info").mkdir()
    (site / "bad-1.dist-info" / "METADATA").write_text("Name: bad\n")
    assert packages.installed(tmp_path) == [packages.Package("good", "1")]
    assert packages.installed(tmp_path / "none") == []


def test_hashes_of_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "# a comment\n-i https://example.org\n"
        "Zope.Interface==1 ; python_version > '3' \\\n    --hash=sha256:BB \\\n    --hash=sha256:aa\n"
        "shop[x] @ git+https://example.org/shop@abc\nother==2 --hash=md5:cc\n"
    )
    assert sbom.hashes_of(lock) == {
        "zope-interface": [{"alg": "SHA-256", "content": "bb"}, {"alg": "SHA-256", "content": "aa"}],
        "shop": [],
        "other": [],
    }
    assert sbom.hashes_of(tmp_path / "none") == {}
