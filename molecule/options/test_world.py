"""What an application sees in each place where Grove starts it, with systemd. Each difference has a reason."""

from __future__ import annotations

from typing import Any

import pytest
from served import Host

# Runs on the host. The oldest report is the trial's, since nothing has asked for the application before.
COLLECT = """
import glob, http.client, os, subprocess, time
state = "/var/lib/world"
def taken(pattern):
    files = sorted(glob.glob(f"{state}/{pattern}"), key=os.path.getmtime)
    return [json.load(open(file)) for file in files]
reports = {"trial": taken("[0-9]*.json")[0]}
subprocess.run(["systemctl", "start", "grove-world-report.service"], check=True)
run = ["/srv/wsgi/world/run", "python", "{release}/src/world.py", "{state}/run.json"]
subprocess.run(run, check=True, stdin=subprocess.DEVNULL, env={"TERM": "xterm", "SECRET": "of root"})
header, _, credential = open("/var/lib/grove/door.header").read().strip().partition(": ")
own = {"Host": "world.test:8083", "Authorization": "Basic abc", "User-Agent": "grove", "Connection": "close"}
live = "blue" if "blue" in open("/srv/wsgi/world/slot.map").read() else "green"
for place, more in (("front", {}), ("door", {header: credential, "X-Grove-Slot": live})):
    connection = http.client.HTTPConnection("127.0.0.1", 8083, timeout=60)
    connection.request("GET", "/up", headers={**own, **more})
    answer = connection.getresponse()
    assert (answer.status, bool(answer.getheader("X-Grove-Release"))) == (401, place == "door"), answer.headers
    reports[place] = json.loads(answer.read())
for place in ("hook", "timer", "agent", "run"):
    [reports[place]] = taken(f"{place}.json")
print(json.dumps(reports))
"""
OF_EVERY_REQUEST = {
    "environ/REMOTE_PORT": "the port of the client's connection",
    "environ/mod_wsgi.request_id": "made for each request",
    "environ/mod_wsgi.server_pid": "the process of Apache that has the connection",
    "environ/mod_wsgi.thread_id": "the thread that answers",
    "environ/mod_wsgi.request_start": "a time",
    "environ/mod_wsgi.queue_start": "a time",
    "environ/mod_wsgi.daemon_start": "a time",
    "environ/mod_wsgi.application_start": "a time",
    "environ/mod_wsgi.script_start": "a time",
    "environ/mod_wsgi.thread_requests": "a count of the process",
    "environ/mod_wsgi.total_requests": "the same",
    "environ/UNIQUE_ID": "made for each request by mod_unique_id",
    "environ/HTTP_X_REQUEST_ID": "the same, where no trusted proxy has given the request an id",
}
# The distribution's mod_wsgi 4.9 passes on more than mod_wsgi 6, which the trial follows.
OF_OLDER_MOD_WSGI = (
    *("GATEWAY_INTERFACE", "PATH_TRANSLATED", "SERVER_SIGNATURE", "mod_wsgi.daemon_connects"),
    *("mod_wsgi.daemon_restarts", "mod_wsgi.enable_sendfile", "mod_wsgi.ignore_activity", "mod_wsgi.script_reloading"),
)
LIMITS = {
    "limits/RLIMIT_NOFILE": "the hard limit, up to which a program may go: Debian's apache2ctl lowers that of Apache",
    "limits/RLIMIT_OFILE": "another name of the same",
    "limits/RLIMIT_NPROC": "a daemon process limits the tasks of its account; units of systemd have TasksMax",
}
OF_PROGRAMS = {
    **LIMITS,
    "sys.argv": "the command's own",
    "sys.path[0]": "Python puts the folder of the script that it runs in front",
    "locale/LC_TIME": "Python sets LC_CTYPE alone, mod_wsgi all of its option locale; C and C.UTF-8 format alike",
    "locale/LC_NUMERIC": "the same",
}
HIDDEN = "the release is tried in a hidden folder, which is renamed when it is complete"
# From the daemon process behind the front.
DIFFERENCES: dict[str, dict[str, str]] = {
    "door": {},
    "trial": {
        **LIMITS,
        "environ/apache.version": "a release does not depend on Apache, and is tried before Apache runs",
        "environ/mod_wsgi.version": "the same",
        **dict.fromkeys((f"environ/{name}" for name in OF_OLDER_MOD_WSGI), "mod_wsgi 4.9 alone has it"),
        "environ/wsgi.input": "an object of Python with the methods of mod_wsgi's, and no body",
        "environ/wsgi.errors": "the application's own log, where the trial has a stream for the run's messages",
        **dict.fromkeys(("cwd", "sys.path", "sys.prefix", "tool", "os.environ/PATH", "os.environ/VIRTUAL_ENV"), HIDDEN),
    },
    "run": {**OF_PROGRAMS, "os.environ/TERM": "a person's terminal"},
    "hook": OF_PROGRAMS,
    "timer": OF_PROGRAMS,
    "agent": {**OF_PROGRAMS, "os.environ/PWD": "set by the shell of the command"},
}


def flat(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report with the dictionaries in it taken apart."""
    result: dict[str, Any] = {}
    for key, value in report.items():
        result |= {f"{key}/{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
    if result["sys.argv"][0].endswith("world.py"):
        result["sys.path[0]"], *result["sys.path"] = result["sys.path"]
    return result


@pytest.fixture(scope="module")
def reports(hosts: dict[str, Host]) -> dict[str, dict[str, Any]]:
    """The report of each place."""
    return {place: flat(report) for place, report in hosts["web1"].python(COLLECT).items()}


@pytest.mark.parametrize("place", DIFFERENCES)
def test_every_difference_has_a_reason(reports: dict[str, dict[str, Any]], place: str) -> None:
    front, here = reports["front"], reports[place]
    keys = {key for key in {*front, *here} if not key.startswith("environ/") or place in ("door", "trial")}
    differing = {key: (front.get(key), here.get(key)) for key in keys if front.get(key) != here.get(key)}
    explained = {**OF_EVERY_REQUEST, **DIFFERENCES[place]}
    assert {key: pair for key, pair in differing.items() if key not in explained} == {}
    # The limit itself is the same.
    assert front["limits/RLIMIT_NOFILE"][0] == here["limits/RLIMIT_NOFILE"][0]


def test_the_world_is_what_the_record_says(reports: dict[str, dict[str, Any]], hosts: dict[str, Host]) -> None:
    folder = f"/srv/wsgi/world/releases/{hosts['web1'].live('world')[1]}"
    for place in ("front", "door", "run", "hook", "timer", "agent"):
        report = reports[place]
        assert (report["cwd"], report["umask"], report["zone"][:2]) == (folder, "0o7", ["JST", "JST"])
        assert report["tool"] == [f"{folder}/venv/bin/pecan", "Pecan 1.8.0\n"]
        assert (report["os.environ/NUMBER"], report["stdin"]) == ("5", "/dev/null")
        assert report["encoding"] == ["utf-8", "utf-8"]
