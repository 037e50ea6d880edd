"""The page about an inventory: what it is made of, and that no value is read as HTML."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.action.report import locks, package_names, search_path
from ansible_collections.grove.wsgi.plugins.module_utils.capacity import usage
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import certificates
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.model import Known, model, unread
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.page import page
from report_answers import HOSTILE, answers

NOW = datetime(2026, 11, 28, 23, 0, tzinfo=UTC)
KNOWN = Known(locks={"bookstore": {"pecan": "1.9.0"}}, tools={"uv": "0.13.9", "mod_wsgi": "6.1.1"})


class Seen(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def rendered(hosts: Any = None, known: Known = KNOWN, title: str = "inventory/mine") -> str:
    """Return the page about the hosts of the answers."""
    return page(model(answers() if hosts is None else hosts, known), title=title, made_at=NOW)


def test_the_page_has_what_the_hosts_have_told() -> None:
    seen = Seen(rendered())
    for text in (
        "1 of 3 hosts did not answer as expected. 1 of 2 apps is not well.",
        "bookstore healthy https://bookstore.example.org/",
        "0a1b2c3d4e5f in blue, made 2026-11-27 18:30",
        "f5e4d3c2b1a0, cold, made",
        "2026-11-28 07:15 switched from f5e4d3c2b1a0",
        "16 requests at once, 4 processes \N{MULTIPLICATION SIGN} 4 threads; 163 MB of memory (271 MB at its peak)",
        "3 of 16 at once, 41 in one second, 184 211 requests",
        "beyond 516 requests at once: 503 after 15 s, since 500 is the limit of requests that wait for a thread",
        "6 days, until 2026-12-05 10:00 for bookstore.example.org",
        "bookstore 2.0, 3 packages Package Live Lock pecan 1.8.0 1.9.0",
        "1 security update, 12 other updates",
        "uv 0.13.8 0.13.9 is newer",
        "web2 dead",
        "The host cannot be reached, and nothing of it is known. Failed to connect to the host via ssh:",
        "db1: MariaDB accepts 500 connections (database_max_connections); 11 are open, 40 at most since its start",
        "No app was deployed on this host.",
    ):
        assert text in seen.text, text


def test_what_needs_attention_is_first() -> None:
    notes = model(answers(), KNOWN)["attention"]
    assert [note["level"] for note in notes] == sorted(note["level"] for note in notes)
    shown = [f"{note['host']} {note['app']}: {note['text']}" for note in notes]
    for text in (
        "web1 shelf: slot blue points to release",
        "web1 bookstore: the certificate ends in 6 days",
        "web2 : the host cannot be reached: Failed to connect",
        "web1 : uv is 0.13.8, and this Grove installs 0.13.9",
        "web1 : 1 security update of Debian",
        "web1 bookstore: its lock has newer versions of pecan than the live release",
    ):
        assert any(line.startswith(text) for line in shown), (text, shown)


def test_an_inventory_without_faults_says_so() -> None:
    one = answers()["web1"]
    one["status"]["apps"].pop()
    one["capacity"]["capacity"]["problems"] = []
    one["software"]["debian"]["security"] = []
    one["certificates"]["certificates"][0]["days"] = 300
    seen = Seen(rendered({"web1": one}, Known()))
    assert "Nothing needs attention" in seen.text
    assert "The app is healthy." in seen.text


def test_a_removed_app_needs_no_attention() -> None:
    one = answers()["web1"]
    removed = {"state": "removed", "healthy": False, "health": "removed: Apache has no site of it", "release": None}
    one["status"]["apps"][1] |= {**removed, "live": None, "slots": {}, "problem": None}
    one["capacity"]["capacity"]["apps"][1]["state"] = "removed"
    assert all(note["app"] != "shelf" for note in model({"web1": one}, Known())["attention"])
    seen = Seen(rendered({"web1": one}, Known()))
    assert "The app is healthy." in seen.text
    assert "Removed: Apache has no site of it" in seen.text


def test_no_value_is_read_as_html() -> None:
    text = rendered(title=HOSTILE)
    harmless = json.loads(json.dumps(answers()).replace(json.dumps(HOSTILE)[1:-1], "harmless"))
    seen, plain = Seen(text), Seen(rendered(harmless))
    assert seen.elements == plain.elements
    assert seen.elements["img"] == seen.elements["script"] == 0
    assert not any(name.startswith("on") for name in seen.attributes)
    assert seen.text.count("onerror=") > 60
    assert HOSTILE in "".join(seen.texts)


def test_the_page_loads_nothing() -> None:
    text = rendered()
    seen = Seen(text)
    assert not {"script", "link", "img", "iframe", "form", "object"} & set(seen.elements)
    assert not {"src", "srcset", "background", "action"} & seen.attributes
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", HOSTILE])
def test_a_url_of_another_kind_is_no_link(url: str) -> None:
    hosts = answers()
    for app in hosts["web1"]["status"]["apps"]:
        app["url"] = url
    assert set(re.findall(r'href="([^"#]*)', rendered(hosts))) == {""}


def test_hosts_that_are_dead_or_have_not_told_all() -> None:
    hosts = answers()
    hosts["db1"]["software"] = {"msg": "MODULE FAILURE\nTraceback"}
    assert unread(hosts) == [
        "db1 could not be read: MODULE FAILURE",
        f"web2 cannot be reached: Failed to connect to the host via ssh: {HOSTILE}",
    ]
    seen = Seen(rendered(hosts))
    assert "db1 not read" in seen.text
    assert "The host has not told everything. MODULE FAILURE" in seen.text
    assert "bookstore healthy" in seen.text
    # A host may be lost between two questions.
    hosts["web1"]["capacity"] = {"unreachable": True, "msg": "gone"}
    assert "The host cannot be reached" in Seen(rendered(hosts)).text
    only_dead = {"web2": hosts["web2"]}
    assert "1 of 1 host did not answer as expected. No app is known." in Seen(rendered(only_dead)).text


def test_why_there_is_no_url_map() -> None:
    hosts = answers()
    item = {"app": "bookstore"}
    for result, text in (
        ({"rc": 124, "stdout": ""}, "the release took too long to load"),
        ({"rc": 1, "stderr": "can't open file '/x'"}, "the live release was built by an older Grove"),
        ({"rc": 1, "stderr": "Traceback\nKeyError: <b>"}, "KeyError: <b>"),
    ):
        hosts["web1"]["routes"] = {"results": [{"item": item, **result}]}
        assert f"The URL map could not be read: {text}" in Seen(rendered(hosts)).text


def test_a_log_without_times() -> None:
    hosts = answers()
    used = usage.Requests(untimed=7).summary()
    for app in hosts["web1"]["capacity"]["capacity"]["apps"]:
        app["used"] = used
    hosts["web1"]["capacity"]["capacity"]["used"] = used
    seen = Seen(rendered(hosts))
    assert "0 of 16" not in seen.text
    assert "The lines of its log have no times." in seen.text
    assert "The lines of the access logs have no times." in seen.text


def test_newer_versions_of_the_index() -> None:
    known = Known(index={"pecan": "2.0", "webob": "1.8.9"})
    [bookstore, _] = model(answers(), known)["hosts"][0]["apps"]
    assert bookstore["newer"] == [{"name": "pecan", "version": "1.8.0", "lock": None, "index": "2.0"}]
    assert "no newer one is known (the index was not asked)" in Seen(rendered(known=Known())).text
    silent = Known(index={}, problem="the index gave no answer in 120 s")
    assert "the index was not asked: the index gave no answer in 120 s" in Seen(rendered(known=silent)).text
    assert package_names(answers().values()) == {"pecan", "webob"}


def test_locks_are_found_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.lock").write_text("pecan==1.9.0 \\\n    --hash=sha256:00\n")
    hosts = [{"locks": {"bookstore": "a.lock", "shelf": "none.lock"}}, {}]
    assert locks(hosts, search_path([str(tmp_path)])) == {"bookstore": {"pecan": "1.9.0"}}


def test_a_certificate_is_read() -> None:
    text = (
        "notAfter=Dec  5 10:00:00 2026 GMT\nissuer=CN = Grove\n"
        "X509v3 Subject Alternative Name: \n    DNS:a.example.org, IP Address:192.0.2.1\n"
    )
    found = certificates.read(text, NOW)
    assert (found["until"], found["days"]) == ("2026-12-05T10:00:00+00:00", 6)
    assert (found["names"], found["problem"]) == (["a.example.org", "192.0.2.1"], None)
    assert certificates.read(text, datetime(2026, 12, 7, tzinfo=UTC))["days"] == -2
    assert certificates.read("", NOW)["problem"] == "openssl has printed no end"
