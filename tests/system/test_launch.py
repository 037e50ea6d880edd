"""The launcher of releases, ``run`` on the host, and the file that makes the application, in real processes."""

from __future__ import annotations

import json
import os
import pwd
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from grove_runtime import launch

REPOSITORY = Path(__file__).resolve().parents[2]
WSGI = REPOSITORY / "wsgi"
ACCOUNT = pwd.getpwnam("nobody")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
REPORT = """
import json, os, sys
print(json.dumps({"environment": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0), "argv": sys.argv[1:],
                  "ids": [os.getuid(), os.getgid(), os.getgroups()], "path": sys.path}))
"""
COMMANDS: dict[str, Any] = {
    "argv": ["shop-api", "--config", "{etc}/a b"],
    "environment": {"CONF": "{etc}/shop.ini", "TZ": "Asia/Tokyo", "BRACES": "{other} {logs}", "NUMBER": 5},
    "extras": True,
    "home": "/var/lib/shop",
    "state": "/var/lib/shop",
    "logs": "/var/log/shop",
    "timers": {"report": "python report.py '{state}/x y'"},
    "agents": {
        "quiet": {"command": "python report.py quiet", "restart": "after", "settle": 4, "notify": False},
        "notifies": {"command": "python report.py notifies", "restart": "after", "settle": 4, "notify": True},
    },
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of an application whose name is that of its account, in a folder that every account can reach."""
    base = Path(tempfile.mkdtemp(prefix="grove-test-", dir="/var/tmp"))
    base.chmod(0o755)
    folder = base / "nobody"
    for name in ("slots", "agents"):
        (folder / name).mkdir(parents=True)
    shutil.copy(WSGI / "run", folder / "run")
    (folder / "run").chmod(0o755)
    shutil.copy(WSGI / "grove_runtime" / "launch.py", folder / "launch.py")
    (folder / "slot.map").write_text("live nobody-blue|nobody-blue|nobody-green\n")
    make_release(folder, "one")
    (folder / "slots" / "blue").symlink_to("../releases/one")
    for agent in COMMANDS["agents"]:
        (folder / "agents" / agent).symlink_to("../releases/one")
    yield folder
    shutil.rmtree(base)


def make_release(folder: Path, name: str) -> Path:
    release = folder / "releases" / name
    for part in ("venv/bin", "dependencies/bin", "extras", "etc", "runtime"):
        (release / part).mkdir(parents=True)
    (release / "venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    (release / "commands.json").write_text(json.dumps(COMMANDS))
    (release / "RELEASE.json").write_text(json.dumps({"id": name}))
    (release / "report.py").write_text(REPORT)
    shutil.copytree(WSGI / "grove_runtime", release / "runtime" / "grove_runtime")
    return release


def make_older(release: Path) -> None:
    """Turn a release into one of the version before the launcher existed."""
    older = {name: value for name, value in COMMANDS.items() if name not in ("argv", "extras")}
    (release / "commands.json").write_text(json.dumps(older))
    (release / "runtime" / "grove_runtime" / "launch.py").unlink()


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [folder / "run", *words]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def report_of(completed: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert completed.returncode == 0, completed.stderr
    report: dict[str, Any] = json.loads(completed.stdout)
    return report


def expected_environment(release: Path) -> dict[str, str]:
    return {
        "PATH": f"{release}/venv/bin:{release}/dependencies/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/var/lib/shop",
        "USER": "nobody",
        "LOGNAME": "nobody",
        "TMPDIR": "/var/lib/shop/tmp",
        "VIRTUAL_ENV": f"{release}/venv",
        "PYTHONPATH": f"{release}/extras",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GROVE_RELEASE": release.name,
        "CONF": f"{release}/etc/shop.ini",
        "TZ": "Asia/Tokyo",
        "BRACES": "{other} /var/log/shop",
        "NUMBER": "5",
    }


@AS_ROOT
@pytest.mark.parametrize("older", [False, True])
def test_commands_timers_and_agents_have_one_environment(folder: Path, older: bool) -> None:
    release = folder / "releases" / "one"
    if older:
        make_older(release)
    caller = {"TERM": "xterm", "SECRET": "of root", "PYTHONPATH": "/nonexistent", "NOTIFY_SOCKET": "@nobody-listens"}
    command = report_of(run(folder, "python", "report.py", "{state}", "--timer", **caller))
    timer = report_of(run(folder, "--timer", "report", **caller))
    agent = report_of(run(folder, "--agent", "notifies", **caller))
    assert [one["argv"] for one in (command, timer, agent)] == [
        ["/var/lib/shop", "--timer"],
        ["/var/lib/shop/x y"],
        ["notifies"],
    ]
    expected = expected_environment(release)
    assert command["environment"] == {**expected, "TERM": "xterm"}
    assert timer["environment"] == expected
    assert agent["environment"] == {**expected, "NOTIFY_SOCKET": "@nobody-listens"}
    for one in (command, timer, agent):
        assert (one["cwd"], one["umask"]) == (str(release), 0o027)
        assert one["ids"][:2] == [ACCOUNT.pw_uid, ACCOUNT.pw_gid]
        assert 0 not in one["ids"][2]


@AS_ROOT
def test_a_program_inherits_nothing_but_the_standard_streams(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of root")
    program = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"
    (folder / "releases/one/files.py").write_text(program)
    with (tmp_path / "secret").open() as secret:
        command: list[str | Path] = [folder / "run", "python", "files.py"]
        done = subprocess.run(
            command, cwd="/", pass_fds=[secret.fileno()], capture_output=True, text=True, check=True, env={}
        )
    assert done.stdout == "[0, 1, 2]\n"


@AS_ROOT
def test_an_agent_notes_its_release_and_is_reported_ready(folder: Path, tmp_path: Path) -> None:
    runtime = folder / "runtime"
    runtime.mkdir()
    os.chown(runtime, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + folder.parent.name)
        systemd.settimeout(5)
        address = "@" + folder.parent.name
        completed = run(folder, "--agent", "quiet", NOTIFY_SOCKET=address, RUNTIME_DIRECTORY=str(runtime))
        assert systemd.recv(100) == b"READY=1"
    assert "NOTIFY_SOCKET" not in report_of(completed)["environment"]
    assert (runtime / "release").read_text().split()[1] == "one"


@AS_ROOT
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--timer", "none"], "run: --timer takes one of the live release's timers: report"),
        (["--agent", "none"], "run: nobody has no release that can be used: "),
        (["--timer"], "run: --timer takes one name"),
        (["--agent"], "run: --agent takes one name"),
        (["no-such-program"], "run: no-such-program: No such file or directory"),
        (["--"], "run: no command: "),
    ],
)
def test_what_cannot_be_run(folder: Path, words: list[str], message: str) -> None:
    completed = run(folder, *words)
    assert (completed.returncode, completed.stderr.startswith(message)) == (1, True), completed.stderr


@AS_ROOT
def test_another_account_may_not_run_commands(folder: Path) -> None:
    completed = subprocess.run([folder / "run", "id"], user=33, group=33, capture_output=True, text=True, check=False)
    assert completed.returncode == 1
    assert completed.stderr == "run: only root and nobody may run commands of nobody\n"


@AS_ROOT
def test_root_starts_no_launcher_that_the_account_can_change(folder: Path) -> None:
    launcher = folder / "releases" / "one" / "runtime" / "grove_runtime" / "launch.py"
    os.chown(launcher, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
    assert "can be changed by others than root" in run(folder, "id").stderr
    os.chown(launcher, 0, 0)
    launcher.chmod(0o666)
    assert "can be changed by others than root" in run(folder, "id").stderr


@AS_ROOT
def test_nothing_of_a_callers_folder_or_path_is_imported(folder: Path) -> None:
    trap = folder / "trap"
    trap.mkdir()
    for name in ("json", "pwd", "sitecustomize"):
        (trap / f"{name}.py").write_text("raise SystemExit('trapped')\n")
    command: list[str | Path] = [folder / "run", "python", "report.py"]
    completed = subprocess.run(
        command, env={"PYTHONPATH": str(trap)}, cwd=trap, capture_output=True, text=True, check=False
    )
    assert report_of(completed)["argv"] == []


ENTER = """
import json, os, sys, time
sys.argv = ["mod_wsgi"]
sys.path.append(sys.path.pop(0))
from grove_runtime import launch
launch.enter(os.environ["RELEASE"])
print(json.dumps({"environment": dict(os.environ), "cwd": os.getcwd(), "argv": sys.argv, "path": sys.path[0],
                  "zone": time.strftime("%Z"), "child": os.popen("env").read().splitlines()}))
"""


def test_a_daemon_process_gets_the_same_environment(folder: Path) -> None:
    release = folder / "releases" / "one"
    environment = {"RELEASE": str(release), "APACHE_LOG_DIR": "/x", "LC_ALL": "C", "PYTHONPATH": str(WSGI)}
    command = [sys.executable, "-c", ENTER]
    report = report_of(subprocess.run(command, env=environment, capture_output=True, text=True, check=False))
    account = pwd.getpwuid(os.getuid()).pw_name
    expected = {**expected_environment(release), "USER": account, "LOGNAME": account}
    assert report["environment"] == expected
    assert {f"{name}={value}" for name, value in expected.items()} <= set(report["child"])
    assert not any(line.startswith(("APACHE", "LC_ALL")) for line in report["child"])
    assert (report["cwd"], report["zone"]) == (str(release), "JST")
    assert report["argv"] == ["shop-api", "--config", f"{release}/etc/a b"]
    assert report["path"] == f"{release}/extras"


SEEN = """
import json, locale, os, resource, sys
umask = os.umask(0)
print(json.dumps({"umask": umask, "files": resource.getrlimit(resource.RLIMIT_NOFILE), "argv": sys.argv[1:],
                  "locale": locale.setlocale(locale.LC_CTYPE), "encoding": locale.getpreferredencoding(False).lower(),
                  "LC_CTYPE": os.environ.get("LC_CTYPE")}))
"""
ENTERED = "import os, sys\nfrom grove_runtime import launch\nlaunch.enter(os.environ['RELEASE'])\n" + SEEN


def change_commands(release: Path, environment: dict[str, str], **more: str) -> None:
    content = {**COMMANDS, "environment": environment, **more}
    (release / "commands.json").write_text(json.dumps(content))
    (release / "report.py").write_text(SEEN)


@AS_ROOT
@pytest.mark.parametrize(
    ("environment", "encoding"),
    [
        ({}, "utf-8"),
        ({"LANG": "C"}, "utf-8"),
        ({"LANG": "POSIX", "LC_CTYPE": ""}, "utf-8"),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, "utf-8"),
        ({"LC_ALL": "C"}, "utf-8"),
        ({"LC_ALL": "xx_XX.UTF-8"}, "utf-8"),
        ({"LANG": "xx_XX.UTF-8"}, "utf-8"),
    ],
)
def test_a_daemon_process_has_the_character_set_of_a_command(
    folder: Path, environment: dict[str, str], encoding: str
) -> None:
    """Python decides when it starts; in a daemon process it has started before the release is known."""
    release = folder / "releases" / "one"
    change_commands(release, environment)
    command = report_of(run(folder, "python", "report.py"))
    caller = {"RELEASE": str(release), "PYTHONPATH": str(WSGI), "LC_ALL": "C.UTF-8"}
    daemon = report_of(
        subprocess.run([sys.executable, "-c", ENTERED], env=caller, capture_output=True, text=True, check=False)
    )
    assert daemon["encoding"] == command["encoding"] == encoding
    assert daemon["LC_CTYPE"] == command["LC_CTYPE"]


@AS_ROOT
def test_the_umask_of_the_record_counts_for_every_program(folder: Path) -> None:
    change_commands(folder / "releases" / "one", {}, umask="0007")
    for words in (["python", "report.py"], ["--timer", "report"], ["--agent", "quiet"]):
        assert report_of(run(folder, *words))["umask"] == 0o007


@AS_ROOT
@pytest.mark.parametrize(
    ("limits", "command", "agent"),
    [
        ((1024, 20000), [8192, 20000], [8192, 20000]),
        ((16384, 20000), [8192, 20000], [16384, 20000]),
        ((512, 4096), [4096, 4096], [4096, 4096]),
    ],
)
def test_every_program_may_open_as_many_files(
    folder: Path, limits: tuple[int, int], command: list[int], agent: list[int]
) -> None:
    """An agent keeps a higher limit, which somebody has given to its unit."""
    change_commands(folder / "releases" / "one", {})
    for words, expected in ((["python", "report.py"], command), (["--agent", "quiet"], agent)):
        completed = subprocess.run(
            [folder / "run", *words],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
            capture_output=True,
            text=True,
            check=False,
        )
        assert report_of(completed)["files"] == expected


def test_a_release_without_a_required_key(tmp_path: Path) -> None:
    (tmp_path / "RELEASE.json").write_text('{"id": "one"}')
    (tmp_path / "commands.json").write_text('{"environment": {}, "home": "/", "state": "/s"}')
    with pytest.raises(ValueError, match="has no key logs"):
        launch.Release.read(str(tmp_path))


PIECES = ("signatures", "requests", "routing", "accept", "responses")


def rendered(**record: Any) -> str:
    record = {
        "name": "shop",
        "request_timeout": 60,
        "pecan_pieces": True,
        **{f"pecan_{piece}": True for piece in PIECES},
        "servers": {"config": None, "queues": []},
        **record,
    }
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string((WSGI / "app.wsgi.j2").read_text()).render(record=record)


ODD_NAMES = ["a.ini", "a'b.ini", 'a"b.ini', "a\\b\\n.ini", "ü/ß.ini", "{etc}.ini", "#a.ini", "null", "a\u2028b.ini"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_values_stay_what_they_are_in_the_file_that_makes_the_application(name: str) -> None:
    calls: list[Any] = []
    stubs = """
import sys, types
pecan, paste, runtime, deploy, loadwsgi = (types.ModuleType(name) for name in ("a", "b", "c", "d", "e"))
pecan.deploy = deploy; paste.deploy = loadwsgi
deploy.deploy = lambda path: calls.append(path)
loadwsgi.loadapp = lambda uri, name: calls.append((uri, name))
runtime.launch = types.SimpleNamespace(enter=lambda release: None)
runtime.own_log = types.SimpleNamespace(begin=lambda release: None)
runtime.serving = types.SimpleNamespace(wrap=lambda application, release, **options: calls.append(options))
runtime.paste_logging = types.SimpleNamespace(configure=calls.append)
stubs = {"pecan": pecan, "pecan.deploy": deploy, "paste": paste, "paste.deploy": loadwsgi, "grove_runtime": runtime}
former = {name: sys.modules.get(name) for name in stubs}, list(sys.path)
sys.modules.update(stubs)
"""
    restore = """
sys.path[:] = former[1]
for name, module in former[0].items():
    sys.modules.pop(name) if module is None else sys.modules.__setitem__(name, module)
"""
    for kind, entry in (("pecan", {"pecan": name}), ("paste", {"paste": name, "name": name})):
        code = stubs + rendered(kind=kind, entry=entry).partition('"""\n')[2] + restore
        exec(compile(code, "app.wsgi", "exec"), {"__file__": "/release/app.wsgi", "calls": calls})
    path = f"/release/etc/{name}"
    options = {"request_timeout": 60, "pecan_pieces": PIECES}
    assert calls == [path, options, path, (f"config:{path}", name), options]


def test_the_file_shows_how_the_application_is_made() -> None:
    pecan = rendered(kind="pecan", entry={"pecan": "config.py"}).splitlines()
    assert "application = deploy(RELEASE + '/etc/config.py')" in pecan
    paste = rendered(kind="paste", entry={"paste": "api.ini", "name": "main"}).splitlines()
    assert "config = RELEASE + '/etc/api.ini'" in paste
    assert "application = loadapp(\"config:\" + config, name='main')" in paste
    entry = {"module": "shop.web:api.wsgi"}
    module = rendered(kind="module", call=None, entry=entry, request_timeout=0, pecan_pieces=False)
    assert "application = import_module('shop.web').api.wsgi" in module.splitlines()
    assert "    request_timeout=0,\n    pecan_pieces=(),\n" in module
    assert len(module.splitlines()) < 30
    slower = rendered(kind="module", call=None, entry=entry, pecan_requests=False, pecan_accept=False)
    assert "    pecan_pieces=('signatures', 'routing', 'responses', ),\n" in slower
    needed = {"config": "sh'op.conf", "queues": ["orders"]}
    needing = rendered(kind="module", call=None, entry={"module": "shop:app"}, servers=needed)
    assert needing.index("servers.wait_for_databases()") < needing.index("import_module('shop')")
    assert 'servers = away.Servers.read(RELEASE + "/etc/sh\'op.conf")' in needing
    assert "    servers=servers,\n    queues=['orders'],\n" in needing
