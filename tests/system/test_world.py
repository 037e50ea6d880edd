"""One world for a release: what an application sees is the same in every place where Grove starts it.

The places are the trial, the doors, the daemon process behind the front, ``run``, hooks, timers and agents. The
scenario ``options`` compares them on hosts with systemd.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import front_server
import pytest
from ansible_collections.grove.wsgi.plugins.action.release import build_plan, commands
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.release import hooks
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import Plan
from ansible_collections.grove.wsgi.plugins.module_utils.release.trial import CODES, Trial, Verdict, try_release
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file, health
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.pauses import pauses
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import ask
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.project import Needs
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.record import Record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import build_view, serving_view
from front_server import Front, running
from httpd_modules import REPOSITORY
from record_settings import SETTINGS, SPEC
from system.test_templates import ONE, THREE, TWO, app, make_certificate, mod_wsgi

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl")
__all__ = ["mod_wsgi"]

PLAIN, NAMED, TLS, PROXIED, DOORS, PROXIED_DOORS = 18391, 18392, 18393, 18394, 18395, 18396
FOUR = "news"
ENVIRONMENT = {"TZ": "Asia/Tokyo", "CONF": "{etc}/a.conf", "NUMBER": 5}
APP_WSGI = """
import os, sys
RELEASE = os.path.dirname(os.path.realpath(__file__))
sys.path.append(RELEASE + "/runtime")
from grove_runtime import launch, own_log, serving
sys.path.remove(RELEASE + "/runtime")
launch.enter(RELEASE)
own_log.begin(RELEASE)
from world import application
application = serving.wrap(application, RELEASE)
"""


@dataclasses.dataclass
class Served:
    """A served application: its record, and where programs and requests leave their reports."""

    record: Record
    reports: Path

    @property
    def release(self) -> Path:
        """The folder of its release."""
        return Path(self.record.folder, "releases", "one")

    @property
    def account(self) -> pwd.struct_passwd:
        """The application's account."""
        return pwd.getpwnam(self.record.account)

    @property
    def app(self) -> App:
        """The application as switching sees it."""
        pid_file = Path(self.record.folder).parents[1] / "run" / "pid"
        view = json.loads(json.dumps(serving_view(self.record)))
        return app_file.app_of(view, app_file.apache("apache2", str(pid_file)))

    def last_report(self) -> dict[str, Any]:
        """Return the newest report, and remove all."""
        files = sorted(self.reports.iterdir())
        content: dict[str, Any] = json.loads(files[-1].read_text())
        for file in files:
            file.unlink()
        return content

    def trial(self) -> Verdict:
        """Try the release as a build does."""
        fields = json.loads(build_plan(build_view(self.record), Needs(), "one"))
        plan = Plan(**{**fields, "expanded": ()})
        trial = Trial(plan.script_name, plan.health, plan.start_timeout, request=plan.request, codes=CODES)
        return try_release(self.release, trial, self.account)


def make_release(folder: Path, record: dict[str, Any], venv: Path, reports: Path) -> None:
    """Make the folder of an application with a release that has Grove's own code in it."""
    release = folder / "releases" / "one"
    for part in ("etc", "extras", "runtime", "dependencies/bin"):
        (release / part).mkdir(parents=True)
    (release / "venv").symlink_to(venv)
    shutil.copytree(REPOSITORY / "wsgi/grove_runtime", release / "runtime/grove_runtime")
    shutil.copy(REPOSITORY / "molecule/shared/apps/world/world.py", release / "extras")
    tool = release / "dependencies/bin/pecan"
    tool.write_text("#!/bin/sh\necho called\n")
    tool.chmod(0o755)
    (release / "RELEASE.json").write_text('{"id": "one"}')
    (release / "app.wsgi").write_text(APP_WSGI)
    [completed] = check_records([record], SPEC, SETTINGS).written
    logs = folder / "logs"
    logs.mkdir()
    shutil.chown(logs, record["name"])
    view = {**build_view(completed), "extras": ["world"], "logs": str(logs)}
    environment = {**ENVIRONMENT, **record.get("environment", {}), "REPORTS": str(reports)}
    (release / "commands.json").write_text(json.dumps(commands(view, environment)))
    (folder / "slots").mkdir()
    for colour in ("blue", "green"):
        (folder / "slots" / colour).symlink_to("../releases/one")
    for agent in record.get("agents", {}):
        (folder / "agents").mkdir(exist_ok=True)
        (folder / "agents" / agent).symlink_to("../releases/one")
    for script in ("slot.wsgi", "run"):
        shutil.copy(REPOSITORY / "wsgi" / script, folder)


@contextlib.contextmanager
def serving(
    modules: dict[str, Path], folder: Path, apps: list[dict[str, Any]], **variables: Any
) -> Iterator[tuple[Front, dict[str, Served]]]:
    """Serve records with real releases; the accounts write their reports into folders below ``folder``."""
    by_name = {record["name"]: record for record in apps}
    for name in by_name:
        (folder / name).mkdir()
        shutil.chown(folder / name, name)

    def make(place: Path, name: str, venv: Path) -> None:
        make_release(place, by_name[name], venv, folder / name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(front_server, "make_app", make)
        # The credential that opens the doors of the rendered configuration.
        patch.setattr(credentials, "read", lambda *_: "root")
        files = {path: True for one in apps for key, path in one.items() if key.startswith("tls_")}
        with running(modules, apps, {"files": files} if files else None, **variables) as front:
            changed = {"door": variables["wsgi_app_door"], "base": str(front.root / "srv")}
            proxies = tuple(variables.get("httpd_trusted_proxies", ()))
            settings = dataclasses.replace(SETTINGS, trusted_proxies=proxies, **changed)
            checked = check_records(apps, SPEC, settings)
            assert [str(problem) for problem in checked.problems] == []
            yield front, {record.name: Served(record, folder / record.name) for record in checked.written}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that every account can reach."""
    path = Path(tempfile.mkdtemp(prefix="grove-world-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def world(mod_wsgi: dict[str, Path], folder: Path) -> Iterator[tuple[Front, dict[str, Served]]]:
    """Applications with and without a name, with TLS, and with what a front may add to a request."""
    make_certificate(folder / "tls", "shop.test")
    program = f"python {{release}}/extras/world.py {folder}/{ONE}"
    apps = [
        app(
            ONE,
            listen=PLAIN,
            migrate=f"{program}/hook.json",
            agents={"worker": {"command": f"{program}/agent.json"}},
            timers={"report": {"command": f"{program}/timer.json", "schedule": "daily"}},
        ),
        app(
            TWO,
            listen=NAMED,
            server_name="shop.test",
            path="/shop",
            directives=['SetEnv GREETING "hello world"', "SetEnv BARE"],
            client_headers=["X-HTTP-Method-Override"],
            health={"path": "/up", "status": [200, 401], "headers": {"Authorization": "Basic abc", "Accept": "a/b"}},
            environment={"NAMES": "shop.test", "STATUS": "401"},
            threads=1,
        ),
        app(
            THREE,
            listen=TLS,
            server_name="shop.test",
            server_aliases=["www.shop.test"],
            tls="given",
            tls_certificate=f"{folder}/tls.crt",
            tls_key=f"{folder}/tls.key",
            health={"host": "www.shop.test"},
            environment={"NAMES": "www.shop.test", "SCHEME": "https"},
        ),
    ]
    for record in apps:
        record |= {"processes": 1, "threads": record.get("threads", 2)}
    with serving(mod_wsgi, folder, apps, wsgi_app_door=f"127.0.0.1:{DOORS}", httpd_tls=True) as served:
        yield served


@pytest.fixture(scope="module")
def behind_proxy(mod_wsgi: dict[str, Path], folder: Path) -> Iterator[tuple[Front, dict[str, Served]]]:
    """An application that redirects to https, behind a proxy that ends TLS."""
    record = app(
        FOUR,
        listen=PROXIED,
        server_name="shop.test",
        health={"headers": {"X-Forwarded-Proto": "https"}},
        environment={"NAMES": "shop.test", "SCHEME": "https"},
        processes=1,
    )
    variables = {"httpd_trusted_proxies": ["192.0.2.1"], "wsgi_app_door": f"127.0.0.1:{PROXIED_DOORS}"}
    with serving(mod_wsgi, folder, [record], **variables) as served:
        yield served


# What differs from one request to the next, in every place.
OF_EVERY_REQUEST = {
    "REMOTE_PORT": "the port of the client's connection",
    "mod_wsgi.request_id": "made for each request",
    "UNIQUE_ID": "the same",
    "HTTP_X_REQUEST_ID": "the same, where no trusted proxy has given the request an id",
    "mod_wsgi.server_pid": "the process of Apache that has the connection",
    "mod_wsgi.thread_id": "the thread that answers",
}
# What differs from the front besides, by the place.
OF_REQUESTS: dict[str, dict[str, str]] = {
    "blue": {},
    "green": {
        "WSGI_SLOT": "the slot that is asked, where the front has the live one",
        "mod_wsgi.process_group": "the same",
    },
    "trial": {
        "apache.version": "a release does not depend on Apache, and is tried before Apache runs for the first time",
        "mod_wsgi.version": "the same",
        "mod_wsgi.request_start": "times in the queues of Apache and mod_wsgi, which the trial does not have",
        "mod_wsgi.queue_start": "the same",
        "mod_wsgi.daemon_start": "the same",
        "mod_wsgi.application_start": "the same",
        "wsgi.input": "an object of Python with the methods of mod_wsgi's, and no body",
        "wsgi.errors": "the application's own log, where the trial has a stream for the run's messages",
    },
}


def environs(served: Served) -> dict[str, dict[str, Any]]:
    """Return the WSGI environment of the health request, by the place that it was made for."""
    app = served.app
    requests = {"front": app.front, **app.doors}
    shown = {}
    for place, request in requests.items():
        answer = ask(request, app.health_path)
        assert app.is_well(answer), answer
        assert answer.release == ("" if place == "front" else "one")
        shown[place] = served.last_report()["environ"]
    verdict = served.trial()
    assert verdict.healthy, verdict.output
    shown["trial"] = served.last_report()["environ"]
    return shown


@pytest.mark.parametrize("name", [ONE, TWO, THREE])
def test_the_request_is_that_of_a_client(world: tuple[Front, dict[str, Served]], name: str) -> None:
    compare(environs(world[1][name]))


def test_the_request_is_that_of_a_proxy(behind_proxy: tuple[Front, dict[str, Served]]) -> None:
    shown = environs(behind_proxy[1][FOUR])
    compare(shown)
    assert (shown["front"]["HTTP_HOST"], shown["front"]["wsgi.url_scheme"]) == ("shop.test", "https")


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs, by key, in both forms."""
    missing = "(missing)"
    return {
        key: (one.get(key, missing), other.get(key, missing))
        for key in {*one, *other}
        if one.get(key, missing) != other.get(key, missing)
    }


def compare(shown: dict[str, dict[str, Any]]) -> None:
    """Every difference is explained, and every explanation but those of each request is needed."""
    for place, explained in OF_REQUESTS.items():
        differing = differences(shown["front"], shown[place])
        unexplained = {key: pair for key, pair in differing.items() if key not in {**OF_EVERY_REQUEST, **explained}}
        assert unexplained == {}, place
        assert set(explained) <= set(differing), place


@pytest.mark.parametrize("name", [ONE, TWO, THREE])
def test_a_slot_is_healthy_by_what_the_record_says(world: tuple[Front, dict[str, Served]], name: str) -> None:
    app = world[1][name].app
    for colour in ("blue", "green"):
        assert health.all_healthy(app, colour, "one", pauses(90))
    health.verify_front(app)
    other = dataclasses.replace(app, statuses=(204, 404))
    assert not health.all_healthy(other, "green", "one", pauses(0))
    with pytest.raises(SwitchError, match=r"it has to answer 204 or 404$"):
        health.verify_front(other)
    assert "is answered by release one" in health.why_unhealthy(app, "green", "two")


def test_without_the_credential_a_slot_is_not_reached(
    world: tuple[Front, dict[str, Served]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "read", lambda *_: "")
    app = world[1][ONE].app
    assert not health.all_healthy(app, "green", "one", pauses(0))
    assert "door.header is missing" in health.why_unhealthy(app, "green", "one")


def test_a_redirect_to_https_names_the_remedy(behind_proxy: tuple[Front, dict[str, Served]]) -> None:
    app = behind_proxy[1][FOUR].app
    health.verify_front(app)
    plain = dataclasses.replace(app, front=dataclasses.replace(app.front, headers={}))
    with pytest.raises(SwitchError, match=r"answered 301 with a redirect to https://shop\.test/.*X-Forwarded-Proto"):
        health.verify_front(plain)


def test_an_older_deployment_is_asked_through_its_own_doors(world: tuple[Front, dict[str, Served]]) -> None:
    """Their ``app.json`` has no ``health_check``."""
    served = world[1][ONE]
    view = serving_view(served.record)
    del view["health_check"]
    app = app_file.app_of(view, served.app.apache)
    assert (app.front.host, app.statuses) == ("127.0.0.1", (200,))
    health.verify_front(app)
    assert health.all_healthy(app, "blue", "one", pauses(90))


# What differs from the daemon process behind the front, by the place. A key of a dictionary stands behind a slash.
OF_PROGRAMS = {
    "sys.argv": "the command's own",
    "sys.path[0]": "Python puts the folder of the script that it runs in front",
    "locale/LC_TIME": "Python sets LC_CTYPE alone, mod_wsgi all of its option locale; C and C.UTF-8 format alike",
    "locale/LC_NUMERIC": "the same",
}
LIMITS = {
    "limits/RLIMIT_NPROC": "a daemon process limits the tasks of its account",
}
OF_PROGRAMS |= LIMITS
OF_PLACES: dict[str, dict[str, str]] = {
    "door": {},
    "trial": LIMITS,
    "run": {**OF_PROGRAMS, "os.environ/TERM": "a person's terminal"},
    "hook": OF_PROGRAMS,
    "timer": OF_PROGRAMS,
    "agent": OF_PROGRAMS,
}


def flat(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report with the dictionaries in it taken apart, without the WSGI environment."""
    result: dict[str, Any] = {}
    for key, value in report.items():
        if key != "environ":
            result |= {f"{key}/{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
    # Apache may open as many files here as whoever runs the test. molecule/options/test_world.py compares that.
    del result["limits/RLIMIT_NOFILE"], result["limits/RLIMIT_OFILE"]
    if result["sys.argv"][0].endswith("world.py"):
        result["sys.path[0]"], *result["sys.path"] = result["sys.path"]
    return result


def places(served: Served) -> dict[str, dict[str, Any]]:
    """Return the report of each place."""
    reports = {}
    for place, request in (("front", served.app.front), ("door", served.app.doors["green"])):
        assert ask(request, served.app.health_path).status == 200
        reports[place] = served.last_report()
    assert served.trial().healthy
    reports["trial"] = served.last_report()
    folder = Path(served.record.folder)
    hooks.run(AppFolder(served.record.name, folder), "one", "migrate", served.account)
    program = ["python", "{release}/extras/world.py"]
    for words in (
        [*program, f"{served.reports}/run.json"],
        ["--timer", "report"],
        ["--agent", "worker"],
    ):
        command: list[str | Path] = [folder / "run", *words]
        subprocess.run(command, env={"TERM": "xterm", "LC_ALL": "C", "SECRET": "of root"}, cwd="/", check=True)
    for place in ("hook", "run", "timer", "agent"):
        reports[place] = json.loads((served.reports / f"{place}.json").read_text())
    return {place: flat(report) for place, report in reports.items()}


def test_every_place_is_the_same_world(world: tuple[Front, dict[str, Served]]) -> None:
    served = world[1][ONE]
    shown = places(served)
    for place, explained in OF_PLACES.items():
        differing = differences(shown["front"], shown[place])
        assert {key: pair for key, pair in differing.items() if key not in explained} == {}, place
        assert set(explained) <= set(differing), place
    front = shown["front"]
    release = served.release
    assert (front["cwd"], front["umask"], front["zone"][:2]) == (str(release), "0o27", ["JST", "JST"])
    assert front["tool"] == [f"{release}/dependencies/bin/pecan", "called\n"]
    assert front["os.environ/NUMBER"] == "5"
    assert front["locale/LC_CTYPE"] == "C.UTF-8"
