"""The verbs capacity and report, as an operator types them on the controller."""

from __future__ import annotations

import json
import os
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import main_job
from served import Host

DEAD = "dead1"


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def run(host: Host, verb: str, folder: Path, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a verb in a folder."""
    command = [*main_job.command(host, playbook=f"playbooks/{verb}.yml", **variables), *options]
    environment = os.environ | {"PWD": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_capacity_of_the_host(host: Host, tmp_path: Path) -> None:
    for _ in range(5):
        host.ask("test1", "/")
    # Apache writes its log with a delay.
    host.log_with("test1-access", '"request":"GET / HTTP/1.1","status":200')
    done = run(host, "capacity", tmp_path, json="capacity.json", since="1h")
    assert done.returncode == 0, done.stdout
    assert "test1: beyond 516 requests at once: 503 after 15 s" in done.stdout
    one = json.loads((tmp_path / "capacity.json").read_text())["hosts"][host.name]
    apps = {app["app"]: app for app in one["apps"]}
    assert set(apps) == {record["name"] for record in host.apps}
    test1 = apps["test1"]
    assert (test1["processes"], test1["threads"], test1["at_once"], test1["running"]) == (4, 4, 16, 4)
    assert test1["limits"][0]["key"] == "daemon_options.listen-backlog"
    assert test1["used"]["requests"] >= 5
    assert test1["used"]["busiest"] >= 1
    assert test1["used"]["queue_ms"]["max"] >= test1["used"]["queue_ms"]["p50"] >= 0
    assert 1_000_000 < test1["memory"] <= one["memory"]["apps"]
    configured = host.run("cat", "/etc/apache2/conf-available/zz-grove-mpm.conf")
    assert f"MaxRequestWorkers {one['server']['workers']}\n" in configured
    assert one["server"]["busy"] >= 1, "the worker that answers this question"
    assert one["problems"] == []
    wrong = run(host, "capacity", tmp_path, since="soon")
    assert wrong.returncode == 2
    assert "since is 'soon'; write a number and s, m, h or d" in " ".join(wrong.stdout.split())


def test_the_report_of_a_host_and_of_a_dead_one(host: Host, tmp_path: Path) -> None:
    inventory = tmp_path / "dead.yml"
    variables = {"ansible_connection": "grove_host", "ansible_host": "grove-is-not-there"}
    inventory.write_text(json.dumps({"wsgi": {"hosts": {DEAD: variables}}}))
    done = run(host, "report", tmp_path, f"--inventory={inventory}", f"--limit={host.name},{DEAD}", to="page.html")
    assert done.returncode == 2, done.stdout
    message = " ".join(done.stdout.split())
    assert f"{DEAD} cannot be reached: " in message
    assert f"the page in {tmp_path}/page.html shows the other hosts" in message
    page = Page((tmp_path / "page.html").read_text())
    assert f"1 of 2 hosts did not answer as expected. All {len(host.apps)} apps are healthy." in page.text
    assert f"{DEAD} dead The host cannot be reached" in page.text
    assert not {"script", "link", "img"} & page.elements
    for record in host.apps:
        slot, release = host.live(record["name"])
        assert f"{release} in {slot}, made " in page.text
        assert f"URL map of {record['name']}" in page.text
    threads = "16 requests at once, 4 processes \N{MULTIPLICATION SIGN} 4 threads"
    for text in (threads, "controller /my_restcontroller", "mod-wsgi 6."):
        assert text in page.text, text


def test_a_report_without_url_maps(host: Host, tmp_path: Path) -> None:
    done = run(host, "report", tmp_path, "--check", routes="false")
    assert done.returncode == 0, done.stdout
    assert f"the page is in {tmp_path}/report.html" in done.stdout
    text = Page((tmp_path / "report.html").read_text()).text
    assert f"All {len(host.apps)} apps are healthy." in text
    assert "URL map of" not in text
