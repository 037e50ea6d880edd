"""Deployments, rollbacks and canaries that succeed, and dry runs: no client notices any of them."""

from __future__ import annotations

import re
import time

from driven import LOAD, Host, expect, judge, tail
from load import releases
from load.process import under_load

REQUESTS = 20_000
SWITCHES, ROLLBACKS = 20, 5
LISTING = (
    "find /srv/wsgi /etc/apache2 /var/lib/load /var/log/load /opt/grove -not -name .lock -printf '%p %T@ %s %m %l\\n'"
    " 2>/dev/null | sort; ps -C apache2 -o pid=,lstart="
)
"""A shell command that lists whatever a deployment may change on a host."""


def switches(host: Host) -> None:
    """Deploy new releases, switch between them, roll back, and let one be a canary."""
    with under_load(host.url, host.folder / "switches", *LOAD) as run:
        for number in (2, 3, 4):
            with run.window("switch", f"deploy release {number}"):
                done, text = host.deploy(host.record(number))
            expect(done, f"release {number} was not deployed:\n{tail(text)}")
        live = [event["release"] for event in host.history() if event["what"] == "switched"][-3:]
        expect(host.live() == live[-1], f"live is {host.live()}, not {live[-1]}")
        order = [live[number % 3] for number in range(SWITCHES - 3)]
        with run.window("switch", f"{len(order)} switches"):
            text = host.good("molecule/switch/repeat.yml", switches=order, rollbacks=0)
        host.say("  " + "".join(re.findall(r"seconds of drains: [\d. -]+", text)))
        with run.window("rollback", f"{ROLLBACKS - 1} rollbacks"):
            text = host.good("molecule/switch/repeat.yml", switches=[], rollbacks=ROLLBACKS - 1)
        host.say("  " + "".join(re.findall(r"seconds to the first answer: [\d. ]+", text)))
        before = host.live()
        with run.window("rollback", "playbooks/rollback.yml"):
            host.good("playbooks/rollback.yml", app="load")
        expect(host.live() != before, "the rollback changed nothing")
        other = next(release for release in live if release != host.live())
        with run.window("switch", "canary of 25 %, withdrawn"):
            host.good("playbooks/canary.yml", app="load", percent=25, release=other, wsgi_apps=[host.record(4)])
            time.sleep(3)
            host.good("playbooks/canary.yml", app="load", percent=0, wsgi_apps=[host.record(4)])
        record = host.record(5)
        with run.window("switch", "canary of 25 %, built and promoted"):
            host.good("playbooks/canary.yml", app="load", percent=25, wsgi_apps=[record])
            time.sleep(3)
            host.good("playbooks/canary.yml", app="load", percent=100, wsgi_apps=[record])
        expect(host.answer()["release"]["code"] == "5", "the promoted canary is not live")
        count = run.samples.read_text().count("\n")
        deadline = time.monotonic() + 240
        while count < REQUESTS and time.monotonic() < deadline:
            time.sleep(1)
            count = run.samples.read_text().count("\n")
    found = judge(host, run, "switches and rollbacks")
    whats = [event["what"] for event in host.history()]
    expect(whats.count("switched") >= SWITCHES, f"only {whats.count('switched')} switches")
    expect(whats.count("rolled_back") >= ROLLBACKS, f"only {whats.count('rolled_back')} rollbacks")
    expect(found.total.requests >= REQUESTS, f"only {found.total.requests} requests")
    for window in found.windows:
        if window.label.startswith("canary"):
            host.say(f"  {window.label}: releases answered {window.figures.releases}")
            expect(len(window.figures.releases) == 2, f"{window.label}: not two releases answered")


def dry_runs(host: Host) -> None:
    """Run the playbooks with --check --diff: they say what they would do, and do nothing."""
    record = host.record(6, threads=12)
    other = next(path for path in host.run("ls", "/srv/wsgi/load/releases").split() if path != host.live())
    before = host.run("sh", "-c", LISTING)
    cases: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
        "playbooks/deploy.yml": ({"wsgi_apps": [record]}, (r"^\+.*threads=12", r"^-.*threads=16", "[Rr]eload")),
        "playbooks/rollback.yml": ({}, (r"^\+live: [0-9a-f]{12}",)),
        "playbooks/canary.yml": (
            {"percent": 10, "release": other, "wsgi_apps": [record]},
            (rf"^\+canary: 10 % to {other}",),
        ),
    }
    for playbook, (variables, said) in cases.items():
        text = host.good(playbook, "--check", "--diff", app="load", **variables)
        for pattern in said:
            found = re.search(pattern, text, re.MULTILINE)
            expect(found is not None, f"{playbook} does not say {pattern}:\n{tail(text)}")
    after = host.run("sh", "-c", LISTING)
    changed = set(before.splitlines()) ^ set(after.splitlines())
    expect(not changed, f"dry runs changed the host: {sorted(changed)[:10]}")
    host.say(f"dry runs of {', '.join(cases)} changed nothing")


def neighbours(host: Host) -> None:
    """Deploy one of two applications while the inventory says something new of the other, too."""
    folder = releases.make(host.folder / "sources" / "other", 1)
    other = {**releases.record(folder, name="other", listen=8301), "processes": 1}
    host.good("site.yml", wsgi_apps=[host.record(7), other])
    site = "/etc/apache2/sites-enabled/wsgi-other.conf"
    look = ("sh", "-c", f"cat {site}; readlink /srv/wsgi/other/slots/*; pgrep -u other")
    before = host.run(*look)
    releases.make(host.folder / "sources" / "other", 2)
    with (
        under_load(host.url, host.folder / "neighbour-deployed", *LOAD) as run,
        under_load(host.url.replace("8300", "8301"), host.folder / "neighbour", *LOAD) as beside,
        run.window("switch", "deploy, with a changed record beside"),
    ):
        done, text = host.deploy(host.record(8), {**other, "threads": 3, "listen": 8302})
    expect(done, f"release 8 was not deployed:\n{tail(text)}")
    expect(host.run(*look) == before, "the application beside was changed")
    judge(host, run, "deployed alone")
    judge(host, beside, "its neighbour meanwhile")
    host.good("site.yml", wsgi_apps=[host.record(8)])
    expect("wsgi-other" not in host.run("ls", "/etc/apache2/sites-enabled"), "the removed record is still served")
