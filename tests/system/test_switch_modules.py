"""The modules that switch, and those around the switch, run as Ansible runs them, against folders of their own."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.agents import restart
from ansible_collections.grove.wsgi.plugins.module_utils.agents.units import AgentError
from ansible_collections.grove.wsgi.plugins.module_utils.app import history, lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Interrupted, StepError
from ansible_collections.grove.wsgi.plugins.module_utils.release.trial import CODES
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file
from ansible_collections.grove.wsgi.plugins.module_utils.switching.rollback import Rollback
from module_calls import call
from record_settings import switching_part

REPOSITORY = Path(__file__).resolve().parents[2]
RUN: dict[str, Any] = {"controller": "ctl", "pid": 7, "started": "Mon", "user": "ann"}


@pytest.fixture
def record(tmp_path: Path) -> dict[str, Any]:
    return switching_part(tmp_path, 1)


@pytest.fixture
def folder(record: dict[str, Any]) -> AppFolder:
    app_folder = AppFolder("shop", Path(record["folder"]))
    for identifier in ("one", "two"):
        (app_folder.release(identifier) / "venv" / "bin").mkdir(parents=True)
        (app_folder.release(identifier) / "RELEASE.json").write_text(json.dumps({"id": identifier}))
    shutil.copy(REPOSITORY / "wsgi" / "grove_runtime" / "launch.py", app_folder.path)
    app_folder.point("blue", "one")
    app_folder.point("green", "two")
    app_folder.flip("green")
    history.append(app_folder, "switched", "two", **{"from": "one"})
    app_file.write(record, app_file.apache("no-such-program", None))
    return app_folder


def test_check_mode_reports_the_target_of_a_rollback(folder: AppFolder, tmp_path: Path) -> None:
    result = call("rollback", check=True, app="shop", base=str(tmp_path))
    assert (result["changed"], result["release"], result["live"]) == (True, "one", "blue")
    assert result["diff"] == {"before": "live: two\n", "after": "live: one\n"}
    assert folder.live() == "green"
    assert len(history.read(folder)) == 1


def test_a_rollback_that_fails_leaves_the_old_release_live_and_a_note(folder: AppFolder, tmp_path: Path) -> None:
    result = call("rollback", app="shop", base=str(tmp_path), run=RUN)
    assert result["failed"]
    assert result["msg"].startswith("record shop: key health: / of release one, asked in the idle slot blue, gave no")
    assert folder.live() == "green"
    event = history.read(folder)[-1]
    assert (event["what"], event["release"], event["step"]) == ("refused", "one", "rollback")
    assert lease.holder(folder) is None


def test_a_rollback_begins_and_ends_the_deployment(folder: AppFolder, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"app": "shop", "base": str(tmp_path), "begin": True}
    other: dict[str, Any] = {**RUN, "pid": 8}
    assert not call("deployment", apps=["shop"], base=str(tmp_path), run=RUN).get("failed")
    for check in (True, False):
        refused = call("rollback", check=check, run=other, **arguments)
        assert refused["msg"].startswith("record shop: another deployment (ann on ctl, process 7, started Mon) is at ")
        assert refused["held"] == [RUN]
    assert folder.live() == "green"
    refused = call("rollback", run=other, **{**arguments, "app": "blog"})
    assert "blog" in refused["msg"]
    assert not (tmp_path / "blog").exists()
    # A run that has ended does not block. The canary is withdrawn, which needs no process.
    folder.share_out("green", 10)
    result = call("rollback", run=other, dead=[RUN], **arguments)
    assert (result["changed"], result["release"]) == (True, "two")
    assert lease.holder(folder) is None


def test_a_rollback_to_a_release_that_is_not_there(folder: AppFolder, tmp_path: Path) -> None:
    result = call("rollback", app="shop", base=str(tmp_path), release="nine")
    assert result["msg"] == "record shop: there is no release nine; there are one, two"
    result = call("rollback", app="", base=str(tmp_path))
    assert result["msg"] == "say which application: -e app=NAME; on this host there are: shop"


def test_a_rollback_over_a_contract(folder: AppFolder, tmp_path: Path) -> None:
    history.append(folder, "contracted", "two")
    result = call("rollback", check=True, app="shop", base=str(tmp_path))
    assert result["failed"]
    assert "release one is from before the contract of release two" in result["msg"]
    assert call("rollback", check=True, app="shop", base=str(tmp_path), cross_contract=True)["changed"]


def test_a_rollback_withdraws_a_canary(folder: AppFolder, tmp_path: Path) -> None:
    folder.share_out("green", 10)
    result = call("rollback", app="shop", base=str(tmp_path))
    assert (result["changed"], result["release"]) == (True, "two")
    assert folder.slot_map.read_text() == "live shop-green\n"
    assert history.read(folder)[-1]["what"] == "canary_withdrawn"


@pytest.mark.parametrize("error", [AgentError("down"), Interrupted("SIGINT")])
def test_a_rollback_that_is_not_complete_names_the_release_to_go_on_with(
    folder: AppFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The same command again would go back one release more."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(restart, "follow", fail)
    folder.share_out("green", 10)
    with pytest.raises(StepError, match=r"-e app=shop -e release=two$") as raised:
        Rollback(tmp_path, "shop", None, cross_contract=False, run=None, dry=False).carry_out()
    assert "run again" not in str(raised.value)
    assert history.read(folder)[-1]["step"] == "agents"


def test_a_canary_is_withdrawn_once(folder: AppFolder, tmp_path: Path) -> None:
    folder.share_out("green", 10)
    assert call("canary", check=True, app="shop", base=str(tmp_path), percent=0)["changed"]
    assert folder.canary_share() == 10.0
    assert call("canary", app="shop", base=str(tmp_path), percent=0)["summary"] == "shop: no canary any more"
    assert not call("canary", app="shop", base=str(tmp_path), percent=0)["changed"]


def test_canaries_that_make_no_sense(folder: AppFolder, tmp_path: Path) -> None:
    assert call("canary", app="shop", base=str(tmp_path), percent=101)["msg"] == (
        "percent: found 101; it has to be from 0 to 100"
    )
    assert call("canary", app="shop", base=str(tmp_path), percent=10)["msg"] == (
        "record shop: no release takes a share of the requests; name one: -e release=ID"
    )


def test_what_another_run_is_at_work_on(folder: AppFolder, tmp_path: Path) -> None:
    begun = call("deployment", apps=["shop"], base=str(tmp_path), run=RUN)
    assert not begun.get("failed")
    other: dict[str, Any] = {**RUN, "pid": 8}
    refused = call("deployment", apps=["shop"], base=str(tmp_path), run=other)
    assert refused["msg"] == (
        "record shop: another deployment (ann on ctl, process 7, started Mon) is at work on it; wait for it to end"
    )
    assert refused["held"] == [RUN]
    assert "is at work on shop" in call("rollback", app="shop", base=str(tmp_path), run=other)["msg"]
    assert "is at work on shop" in call("rollback", check=True, app="shop", base=str(tmp_path))["msg"]
    # A run in check mode looked at the leases when it began, and left those of dead runs where they are.
    assert call("deployment", check=True, apps=["shop"], base=str(tmp_path), run=other)["held"] == [RUN]
    assert not call("rollback", check=True, app="shop", base=str(tmp_path), run=other).get("failed")
    assert not call("deployment", apps=["shop"], base=str(tmp_path), run=other, dead=[RUN]).get("failed")
    holder = lease.holder(folder)
    assert holder is not None
    assert holder[0] == Run(**other)
    call("deployment", apps=["shop"], base=str(tmp_path), run=other, state="ended")
    assert lease.holder(folder) is None


@pytest.mark.parametrize("name", ["shpo", "", "no-such", "../shop"])
def test_an_application_that_was_never_deployed(folder: AppFolder, tmp_path: Path, name: str) -> None:
    """A mistyped name leaves nothing behind, which would look like an application."""
    for check in (True, False):
        refused = call("deployment", check=check, apps=[name], base=str(tmp_path), run=RUN, deployed=True)
        assert refused["failed"]
        assert "shop" in refused["msg"]
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
    assert not call("deployment", apps=["shop"], base=str(tmp_path), run=RUN, deployed=True).get("failed")


def test_a_hook_is_run_once_and_noted_elsewhere(folder: AppFolder, record: dict[str, Any]) -> None:
    content = {
        "migrate": "sh -c 'echo done >> {release}/ran'",
        "environment": {},
        "home": "/",
        "state": "/",
        "logs": "/",
    }
    (folder.release("two") / "commands.json").write_text(json.dumps(content))
    arguments: dict[str, Any] = {"record": record, "release": "two", "what": "migrate"}
    assert call("hook", check=True, **arguments)["due"]
    assert not (folder.release("two") / "ran").exists()
    assert call("hook", **arguments)["due"]
    assert not call("hook", **arguments)["due"]
    assert (folder.release("two") / "ran").read_text() == "done\n"
    (folder.path / history.NAME).unlink()
    assert call("hook", **arguments, done_by="web1")["due"]
    assert (folder.release("two") / "ran").read_text() == "done\n"
    assert history.read(folder)[-1]["by"] == "web1"
    assert not call("hook", **{**arguments, "what": "after"})["due"]


def test_a_release_with_the_same_migration_as_the_last_one_is_not_migrated(
    folder: AppFolder, record: dict[str, Any]
) -> None:
    def migrated(release: str, migration: str) -> bool:
        content = {"migrate": "true", "migration": migration, "environment": {}, "home": "/", "state": "/", "logs": "/"}
        (folder.release(release) / "commands.json").write_text(json.dumps(content))
        return bool(call("hook", record=record, release=release, what="migrate")["due"])

    assert migrated("one", "abc")
    assert not migrated("two", "abc")
    assert migrated("two", "def")
    # What the first release has done may be undone by now.
    (folder.path / history.NAME).write_text(
        "".join(line for line in (folder.path / history.NAME).read_text().splitlines(True) if '"one"' not in line)
    )
    assert migrated("one", "abc")
    assert migrated("two", "") is False


def test_a_migration_that_fails_says_what_was_done(folder: AppFolder, record: dict[str, Any]) -> None:
    (folder.release("one") / "commands.json").write_text(
        json.dumps(
            {"migrate": "sh -c 'echo no table; exit 2'", "environment": {}, "home": "/", "state": "/", "logs": "/"}
        )
    )
    result = call("hook", record=record, release="one", what="migrate", run=RUN)
    assert result["failed"]
    assert result["msg"].startswith("record shop: key migrate: sh failed (exit status 2) after ")
    assert "s:\nno table\nrelease two serves on; done: release one is built and tried" in result["msg"]
    event = history.read(folder)[-1]
    assert (event["what"], event["step"]) == ("failed", "migrate")
    assert lease.holder(folder) is None


def test_a_release_is_tried_again_after_its_migration(folder: AppFolder, record: dict[str, Any]) -> None:
    release = folder.release("three")
    (release / "venv" / "bin").mkdir(parents=True)
    (release / "venv" / "bin" / "python").symlink_to(sys.executable)
    (release / "runtime").symlink_to(REPOSITORY / "wsgi")
    (release / "app.wsgi").write_text(
        "import os\n"
        "if not os.path.exists(os.path.dirname(__file__) + '/table'):\n"
        "    raise OSError('no table')\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return []\n"
    )
    request = {"environ": {"PATH_INFO": "/"}, "multithread": True, "locale": "C.UTF-8", "statuses": [200]}
    trial = {"script_name": "/", "health": "/", "seconds": 60, "request": request, "codes": CODES}
    (release / "RELEASE.json").write_text(json.dumps({"id": "three", "trial": trial}))
    commands = {"migrate": "true", "environment": {}, "home": "/", "state": "/", "logs": "/"}
    (release / "commands.json").write_text(json.dumps(commands))
    arguments: dict[str, Any] = {"record": record, "release": "three", "what": "migrate"}
    for _ in range(2):  # The second run has nothing to do.
        result = call("hook", **arguments)
        assert "the release does not work after its preparation and migration either" in result["msg"]
        assert "OSError: no table" in result["msg"]
        assert "release two serves on" in result["msg"]
    (release / "table").touch()
    assert not call("hook", **arguments).get("failed")


def test_the_trial_of_an_older_release(folder: AppFolder, record: dict[str, Any]) -> None:
    """Its program takes path, health and host as arguments, and the standard input is empty."""
    release = folder.release("three")
    (release / "venv" / "bin").mkdir(parents=True)
    (release / "venv" / "bin" / "python").symlink_to(sys.executable)
    (release / "runtime" / "grove_runtime").mkdir(parents=True)
    shutil.copy(REPOSITORY / "wsgi/grove_runtime/launch.py", release / "runtime" / "grove_runtime")
    program = "import sys; assert sys.argv[2:] == ['/shop', '/up', 'shop.test'] and not sys.stdin.read(), sys.argv"
    (release / "runtime" / "grove_runtime" / "trial.py").write_text(program)
    trial = {"script_name": "/shop", "health": "/up", "seconds": 60, "host": "shop.test"}
    (release / "RELEASE.json").write_text(json.dumps({"id": "three", "trial": trial}))
    commands = {"migrate": "true", "environment": {}, "home": "/", "state": "/", "logs": "/"}
    (release / "commands.json").write_text(json.dumps(commands))
    result = call("hook", record=record, release="three", what="migrate")
    assert not result.get("failed"), result


def test_a_first_release_that_failed_never_served(folder: AppFolder, tmp_path: Path) -> None:
    """Both slots point to the first release, and blue is live, before it is verified."""
    (folder.path / history.NAME).unlink()
    for colour in ("blue", "green"):
        folder.point(colour, "one")
    folder.flip("blue")
    history.append(folder, "built", "one")
    history.append(folder, "refused", "one")
    result = call("rollback", app="shop", base=str(tmp_path), release="two")
    assert "the old release serves on" not in result["msg"]
    assert history.serving(folder) is None
    folder.point("green", "two")
    folder.flip("green")
    history.append(folder, "switched", "two")
    result = call("rollback", app="shop", base=str(tmp_path))
    assert result["failed"]
    assert result["msg"].endswith("there are two")
    assert (history.serving(folder), history.previous(folder, history.read(folder))) == ("two", None)


def test_the_switch_notes_no_origin_that_never_served(folder: AppFolder, record: dict[str, Any]) -> None:
    (folder.path / history.NAME).unlink()
    history.append(folder, "built", "two")
    result = call("switch", record=record, release="one", run=RUN)
    assert result["msg"].endswith("no release has served yet")
    assert [event["what"] for event in history.read(folder)] == ["built", "refused"]
    assert folder.release_of("blue") == "one"


def plan(folder: AppFolder, release: str) -> dict[str, Any]:
    """Return what the module pending gets of an application, with the folders that it is to have."""
    return {
        "name": "shop",
        "folder": str(folder.path),
        "account": pwd.getpwuid(os.getuid()).pw_name,
        "idle": "cold",
        "writable": [str(folder.path / "state")],
        "private": [],
        "served": [],
        "release": release,
        "inputs": {"a": release},
    }


SCRIPTS = {"slot_wsgi": "slot\n", "run_script": "run\n", "run": None}


@pytest.fixture
def complete(folder: AppFolder) -> AppFolder:
    """An application of which nothing is to be done for the release two."""
    (folder.path / "slot.wsgi").write_text("slot\n")
    (folder.path / "run").write_text("run\n")
    (folder.path / "state").mkdir(mode=0o750)
    for release in ("one", "two"):
        (folder.release(release) / "commands.json").write_text(json.dumps({"migrate": "true", "after": "true"}))
    history.append(folder, "migrated", "two")
    history.append(folder, "after", "two")
    return folder


def steps(folder: AppFolder, release: str = "two") -> tuple[list[str], ...]:
    result = call("pending", applications=[plan(folder, release)], common=SCRIPTS)
    assert (result["changed"], result["releases"]) == (False, {"shop": release}), result
    assert result["missing"] == ([] if folder.describe(release) else ["shop"])
    return result["build"], result["migrate"], result["switch"]


def test_nothing_is_pending_where_the_host_is_as_planned(complete: AppFolder) -> None:
    assert steps(complete) == ([], [], [])


def test_nothing_is_compared_while_another_run_is_at_work(complete: AppFolder) -> None:
    begin: dict[str, Any] = {"apps": ["shop"], "base": str(complete.path.parent)}
    arguments: dict[str, Any] = {"applications": [plan(complete, "two")], "common": {**SCRIPTS, "run": RUN}}
    assert call("pending", begin=begin, **arguments)["run"] == RUN
    holder = lease.holder(complete)
    assert holder is not None
    assert holder[0] == Run(**RUN)
    arguments["common"] = {**SCRIPTS, "run": {**RUN, "pid": 8}}
    refused = call("pending", begin=begin, **arguments)
    assert (refused["failed"], refused["held"]) == (True, [RUN])
    assert "build" not in refused
    assert call("pending", begin={**begin, "dead": [RUN]}, **arguments)["build"] == []


def test_a_release_that_is_not_there_is_pending(complete: AppFolder) -> None:
    assert steps(complete, "three") == (["shop"], ["shop"], ["shop"])
    (complete.release("two") / "RELEASE.json").unlink()
    assert steps(complete) == (["shop"], ["shop"], ["shop"])


def test_a_release_that_is_not_live_is_pending(complete: AppFolder) -> None:
    # It is there, and was not migrated.
    assert steps(complete, "one") == ([], ["shop"], ["shop"])


@pytest.mark.parametrize("name", ["slot.wsgi", "run", "state"])
def test_what_somebody_has_changed_is_pending(complete: AppFolder, name: str) -> None:
    path = complete.path / name
    if path.is_dir():
        path.chmod(0o777)
    else:
        path.unlink()
    assert steps(complete) == (["shop"], [], [])


def test_a_folder_that_cannot_be_read_is_pending_for_the_steps_to_report(complete: AppFolder) -> None:
    complete.slot_map.write_text("nonsense\n")
    assert steps(complete) == (["shop"], [], ["shop"])


def test_every_application_is_verified_whatever_happens_to_others(
    complete: AppFolder, record: dict[str, Any], tmp_path: Path
) -> None:
    one = {"record": record, "release": "two"}
    other = {"record": {**record, "name": "blog", "folder": str(tmp_path / "blog")}, "release": "one"}
    result = call("served", applications=[one, other], program="no-such-program", run=RUN)
    assert result["failed"]
    first, second = result["msg"].split("\n")
    assert first.startswith("record shop: key health: ")
    assert second.startswith("record blog: ")
    assert history.read(complete)[-1]["step"] == "switch"


def test_the_last_step_ends_the_deployment(complete: AppFolder, record: dict[str, Any], tmp_path: Path) -> None:
    begun: dict[str, Any] = {"apps": ["shop"], "base": str(tmp_path)}
    arguments: dict[str, Any] = {"applications": [{"record": record, "release": "two"}], "switched": ["shop"]}
    assert not call("deployment", run=RUN, **begun).get("failed")
    # Further steps follow, or the hook after is due.
    assert call("served", run=RUN, **arguments)["ended"] is False
    assert call("served", run=RUN, end={**begun, "after": ["shop"]}, **arguments)["ended"] is False
    # A dry run leaves the note where it is.
    assert call("served", check=True, run=RUN, end={**begun, "after": []}, **arguments)["ended"] is True
    assert lease.holder(complete) is not None
    # The application has no such hook.
    assert call("served", run=RUN, end={**begun, "after": []}, **arguments)["ended"] is True
    assert lease.holder(complete) is None


def test_the_switch_of_a_run_with_one_application_ends_the_deployment(
    complete: AppFolder, record: dict[str, Any], tmp_path: Path
) -> None:
    begun: dict[str, Any] = {"apps": ["shop"], "base": str(tmp_path)}
    arguments: dict[str, Any] = {"check": True, "record": record, "release": "one", "run": RUN}
    assert not call("deployment", run=RUN, **begun).get("failed")
    # Further steps follow, or the hook after is due.
    assert call("switch", **arguments)["ended"] is False
    assert call("switch", **arguments, end={**begun, "after": ["shop"]})["ended"] is False
    # A dry run leaves the note where it is.
    assert call("switch", **arguments, end={**begun, "after": []})["ended"] is True
    assert lease.holder(complete) is not None


def test_applications_that_were_switched_are_not_verified_again(complete: AppFolder, record: dict[str, Any]) -> None:
    applications = [{"record": record, "release": "two"}]
    result = call("served", applications=applications, switched=["shop"], run=RUN)
    assert (result["changed"], result["summaries"], result["after"]) == (False, {}, ["shop"])
    # In check mode nothing is asked for its health.
    result = call("served", check=True, applications=applications)
    assert list(result["summaries"]) == ["shop"]
    assert result["after"] == []
    history.append(complete, "switched", "two")
    assert call("served", check=True, applications=applications)["after"] == ["shop"]
