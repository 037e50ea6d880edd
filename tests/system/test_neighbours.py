"""What an application can reach of its neighbours: two applications behind a real Apache with Grove's templates.

One application is hostile. Its virtualenv runs code as soon as Python processes it, before the application is loaded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.client
import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.daemon_python import DaemonPython
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Place, ask
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import apache_view
from httpd_modules import PYTHON, REPOSITORY, make_daemon_python, mod_wsgi_files
from jinja2 import Environment, FileSystemLoader
from open_files import OpenFiles
from ports import free_port
from record_settings import SETTINGS, SPEC

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev")

HTTPD_VARIABLES = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())
# Accounts that every distribution has. ONE is hostile.
ONE, TWO = "daemon", "mail"
# Has the configuration of an older Grove, which the next run of the whole site rewrites.
OLDER = "games"
OLDER_SITE = """
WSGIDaemonProcess {name}-blue user={name} group={name} processes=2 threads=2 \\
    home={folder}/slots/blue python-home={folder}/slots/blue/venv
<VirtualHost 127.0.0.1:{door}>
    ServerName blue.{name}.door
    ErrorLog "|/usr/bin/rotatelogs -l -L {logs}/{name}-error.log {logs}/{name}-error.log-%Y%m%d 86400"
    SetEnv GROVE_DOOR blue
    WSGIRestrictProcess {name}-blue
    WSGIScriptAlias / {folder}/slot.wsgi process-group={name}-blue application-group=%{{GLOBAL}}
    <Location "/">
        Require local
    </Location>
</VirtualHost>
<Directory "{folder}">
    Require all granted
</Directory>
"""
MODULES = (
    *("mpm_event", "alias", "allowmethods", "authz_core", "authz_host", "env", "headers", "reqtimeout", "rewrite"),
    *("setenvif", "status"),
)

# Runs when Python processes the virtualenv, as an installed package may: it keeps what it sees.
EARLY = """
import os, sys
descriptors = {}
for number in map(int, os.listdir("/proc/self/fd")):
    try:
        descriptors[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        pass
"""
APPLICATION = """
import json, logging, os, sys, threading
here = os.path.dirname(os.path.realpath(__file__))
sys.path.append(here + "/runtime")
from grove_runtime import door
import early

def attack(token):
    "Read from and write to every descriptor of this process, also through new ones."
    stolen = []
    for number in map(int, os.listdir("/proc/self/fd")):
        handles = [number]
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            try:
                handles.append(os.open(f"/proc/self/fd/{number}", flags | os.O_NONBLOCK))
            except OSError:
                pass
        for handle in handles:
            try:
                target = os.readlink(f"/proc/self/fd/{handle}")
            except OSError:
                continue
            if not target.startswith("socket:"):
                os.set_blocking(handle, False)
                try:
                    os.write(handle, f"forged {token} in {target}\\n".encode())
                except OSError:
                    pass
                try:
                    stolen.append(os.read(handle, 65536).decode(errors="replace"))
                except OSError:
                    pass
        for handle in handles[1:]:
            os.close(handle)
    # Nothing is read after this line: it could steal what it wrote before from its own log.
    os.write(2, f"forged {token} at last\\n".encode())
    return stolen

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    result = {"path": path, "environ": {name: str(value) for name, value in environ.items()}}
    if path == "/attack":
        result["stolen"] = attack(query)
    if path == "/early":
        result["early"] = early.descriptors
    if path == "/python":
        result.update(prefix=sys.prefix, executable=sys.executable, path=sys.path)
    if path == "/print":
        print("printed " + query, file=environ["wsgi.errors"])
        os.write(2, f"written {query}\\n".encode())
    if path == "/thread":
        threading.Thread(target=int, args=[f"failed {query}"]).start()
        threading.Thread(target=lambda: logging.getLogger().error("logged " + query)).start()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(result).encode()]

application = door.stamp(application, json.load(open(here + "/RELEASE.json"))["id"])
"""


def wait_until(attempt: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not attempt():
        assert time.monotonic() < end
        time.sleep(0.05)


@dataclasses.dataclass
class Server:
    """A running Apache: its folder, the parent's process id, and the ports of the doors and of both applications."""

    root: Path
    pid: int
    door: int
    ports: dict[str, int]

    def ask(self, name: str, path: str, **headers: str) -> tuple[int, str]:
        return request(self.ports[name], path, headers)

    def ask_door(self, name: str, **headers: str) -> tuple[int, str]:
        return request(self.door, "/", {"Host": name, **headers})

    def credential(self, name: str) -> dict[str, str]:
        return {credentials.HEADER: credentials.read(name, self.root)}

    def daemons(self, account: str) -> list[int]:
        uid = pwd.getpwnam(account).pw_uid
        return sorted(pid for pid in processes.children(self.pid) if processes.owner(pid) == uid)

    def open_files(self) -> OpenFiles:
        """The open files of Apache's parent and of all its children."""
        return OpenFiles.read({self.pid, *processes.children(self.pid)})

    def log(self, name: str) -> str:
        path = self.root / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


def request(port: int, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def templates() -> Environment:
    environment = Environment(
        autoescape=False, loader=FileSystemLoader(REPOSITORY / "httpd"), trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(
        comment=lambda text: f"# {text}",
        regex_escape=re.escape,
        flatten=lambda lists: [one for each in lists for one in each],
    )
    environment.tests["version"] = lambda one, other, operator: operator == "<" and int(one[0]) < int(other)
    return environment


def make_release(root: Path, name: str) -> None:
    folder = root / "srv" / name
    release = folder / "releases" / "one"
    release.mkdir(parents=True)
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", release / "venv"], check=True)
    packages = next((release / "venv").glob("lib/python3*/site-packages"))
    (packages / "early.py").write_text(EARLY)
    (packages / "early.pth").write_text("import early\n")
    (release / "app.wsgi").write_text(APPLICATION)
    (release / "RELEASE.json").write_text(json.dumps({"id": f"release-of-{name}"}))
    shutil.copytree(REPOSITORY / "wsgi/grove_runtime", release / "runtime/grove_runtime")
    shutil.copy(REPOSITORY / "wsgi/slot.wsgi", folder)
    (folder / "slots").mkdir()
    for colour in ("blue", "green"):
        (folder / "slots" / colour).symlink_to("../releases/one")
    (folder / "slot.map").write_text(f"live {name}-blue\n")
    (folder / "preload").write_text("blue green\n")


def record(root: Path, name: str, port: int, door: int) -> Any:
    """Return what the template of a site gets."""
    written = {
        "name": name,
        "source": "shop==1",
        "entry": {"module": "shop:application"},
        "listen": f"127.0.0.1:{port}",
        "processes": 2,
        "threads": 2,
    }
    settings = dataclasses.replace(SETTINGS, base=str(root / "srv"), door=f"127.0.0.1:{door}")
    checked = check_records([written], SPEC, settings)
    assert checked.problems == ()
    return apache_view(checked.records[0])


def configuration(root: Path, version: str, module: Path, door: int, ports: dict[str, int]) -> str:
    layout = {
        "rotatelogs": "/usr/bin/rotatelogs",
        "log_dir": str(root / "logs"),
        "prune_logs": "/bin/true",
        "run_dir": str(root / "run"),
    }
    digests = credentials.describe(root)
    common = {
        "layout": layout,
        "ansible_managed": "managed",
        "waf_installed": False,
        "own_names": [],
        "limits": HTTPD_VARIABLES["__httpd_limits"] | {"address_connections": 100},
        "door": f"127.0.0.1:{door}",
        "mod_wsgi": {"version": version, "module": str(module), "python_home": str(root / "python")},
        "server": {
            "name": "test",
            "timeout": 10,
            "keepalive_timeout": 1,
            "buffered_logs": False,
            "trusted_proxies": [],
            "tls": False,
            "door_digests": digests,
        },
    }
    records = {name: record(root, name, port, door) for name, port in ports.items()}
    lines = [f'ServerRoot "{root}"', f'PidFile "{root}/run/httpd.pid"', "User www-data", "Group www-data"]
    lines += [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES]
    lines += ["StartServers 1", "ServerLimit 1", "ThreadsPerChild 16", "MaxRequestWorkers 16"]
    lines += [f"Listen 127.0.0.1:{port}" for port in (door, *ports.values())]
    # What a distribution, or an operator, may have for the whole server.
    lines += ['<Location "/server-status">', "SetHandler server-status", "Require local", "</Location>"]
    environment = templates()
    for name in ("wsgi_module.load.j2", "server.conf.j2", "wsgi_server.conf.j2", "status.conf.j2"):
        lines.append(environment.get_template(name).render(common))
    for one in records.values():
        lines.append(environment.get_template("app.conf.j2").render(common, record=one, mounts=[one]))
    older = {"name": OLDER, "door": door, "folder": f"{root}/srv/{OLDER}", "logs": f"{root}/logs"}
    lines.append(OLDER_SITE.format(**older))
    return "\n".join(lines)


@pytest.fixture(scope="module", params=["4.9.4", "6.1.1"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """An Apache with both applications; it ends with all its processes."""
    version: str = request.param
    module = mod_wsgi_files()[version]
    root = Path(tempfile.mkdtemp(prefix="grove-neighbours-"))
    root.chmod(0o755)
    for name in ("run", "logs"):
        (root / name).mkdir()
    credentials.ensure(ONE, root)
    make_daemon_python(root / "python")
    door, *ports = (free_port() for _ in range(3))
    for name in (ONE, TWO, OLDER):
        make_release(root, name)
    (root / "httpd.conf").write_text(
        configuration(root, version, module, door, dict(zip((ONE, TWO), ports, strict=True)))
    )
    # Descriptors that an Apache in the foreground gets from whoever started it.
    stdout = (root / "output").open("w")
    apache = subprocess.Popen(
        ["/usr/sbin/apache2", "-f", root / "httpd.conf", "-DFOREGROUND"],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
    )
    running = Server(root, apache.pid, door, dict(zip((ONE, TWO), ports, strict=True)))

    def serves() -> bool:
        assert apache.poll() is None, (root / "output").read_text() + running.log("error")
        with contextlib.suppress(OSError):
            daemons = {*running.daemons(ONE), *running.daemons(TWO)}
            return len(daemons) == 8 and answering(running) >= daemons
        return False

    try:
        wait_until(serves)
        yield running
    finally:
        apache.send_signal(signal.SIGTERM)
        apache.wait(90)
        stdout.close()
        shutil.rmtree(root)


def test_every_descriptor_of_a_daemon_process_is_its_own(server: Server) -> None:
    """Also of processes that Apache starts later, which inherit more from its parent."""
    for _ in range(2):
        for name in (ONE, TWO):
            daemons = server.daemons(name)
            assert len(daemons) == 4
            uid = pwd.getpwnam(name).pw_uid
            folder = f"{server.root}/srv/{name}/"
            files = server.open_files()
            left = {pid: files.unexplained(pid, uid, f"{name}-error.log", (folder,)) for pid in daemons}
            assert left == {pid: [] for pid in daemons}
        before = {name: server.daemons(name) for name in (ONE, TWO)}
        for pid in [*before[ONE], *before[TWO]]:
            os.kill(pid, signal.SIGINT)

        def replaced(old: dict[str, list[int]] = before) -> bool:
            now = {name: server.daemons(name) for name in old}
            fresh = all(len(now[name]) == 4 and not set(now[name]) & set(old[name]) for name in old)
            return fresh and answering(server) >= {*now[ONE], *now[TWO]}

        wait_until(replaced)


def answering(server: Server) -> set[int]:
    """Return daemon processes that answer: they have loaded their application."""
    credential = server.credential(credentials.ROOT)[credentials.HEADER]
    doors = [f"{colour}.{name}.door" for name in (ONE, TWO) for colour in ("blue", "green")]
    places = [Place("127.0.0.1", server.door, door, credential=credential) for door in doors for _ in range(12)]
    return {ask(place, "/").process for place in places}


def test_code_of_a_virtualenv_finds_no_descriptor_of_others(server: Server) -> None:
    status, text = server.ask(ONE, "/early")
    assert status == 200
    early = json.loads(text)["early"].values()
    log = server.open_files().log_pipes()[f"{ONE}-error.log"]
    pipes = [target for target in early if target.startswith("pipe:") and target != log]
    assert all(pipes.count(target) == 2 for target in pipes)
    others = OpenFiles.read([server.pid, os.getpid()]).by_process.values()
    assert not set(pipes) & {target for files in others for target in files.values()}
    assert not [target for target in early if "error.log" in target or "output" in target]


def test_a_hostile_application_cannot_touch_the_logs_of_others(server: Server) -> None:
    tokens = [uuid.uuid4().hex for _ in range(60)]
    stolen = []
    for number, token in enumerate(tokens):
        assert server.ask(TWO, f"/print?{token}")[0] == 200
        if number % 5 == 0:
            status, text = server.ask(ONE, f"/attack?{token}")
            assert status == 200
            stolen.append(text.split('"stolen"')[1])
    wait_until(lambda: all(f"?{token} " in server.log(f"{TWO}-access") for token in tokens))
    wait_until(lambda: all(f"written {token}\n" in server.log(f"{TWO}-error") for token in tokens))
    wait_until(lambda: all(f"printed {token}" in server.log(f"{TWO}-error") for token in tokens))
    wait_until(lambda: all(f"forged {token} at last\n" in server.log(f"{ONE}-error") for token in tokens[::5]))
    others = [f"{TWO}-access", f"{TWO}-error", f"{ONE}-access", "error"]
    assert [name for name in others if "forged" in server.log(name)] == []
    own = set(tokens[::5])
    assert not [token for token in tokens if token not in own and any(token in text for text in stolen)]


def test_what_a_background_thread_says_is_in_the_log_of_its_application(server: Server) -> None:
    """Such a thread has no request, and mod_wsgi writes what it says to the log of the whole server."""
    token = uuid.uuid4().hex
    assert server.ask(TWO, f"/thread?{token}")[0] == 200
    wait_until(lambda: all(f"{word} {token}" in server.log(f"{TWO}-error") for word in ("failed", "logged")))
    wait_until(lambda: "Traceback (most recent call last):" in server.log(f"{TWO}-error"))
    assert [name for name in ("error", f"{ONE}-error") if token in server.log(name)] == []


def test_the_hostile_application_would_succeed_with_inherited_descriptors() -> None:
    """The attack is one: a process that inherits a pipe steals from it and forges lines in it."""
    reading, writing = os.pipe()
    os.write(writing, b"a token\n")
    program = APPLICATION[APPLICATION.index("def attack") : APPLICATION.index("def application")]
    command = [sys.executable, "-c", f"import os\n{program}\nprint(attack('lines'))"]
    # The attack changes every descriptor that it has. An input of its own is not that of all tests.
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        pass_fds=(reading, writing),
        capture_output=True,
        text=True,
        check=True,
    )
    rest = os.read(reading, 65536).decode() if select.select([reading], [], [], 0)[0] else ""
    os.close(reading)
    os.close(writing)
    assert "a token" in done.stdout
    assert "forged" in done.stdout + rest


def test_messages_of_a_process_go_to_its_own_log(server: Server) -> None:
    token = uuid.uuid4().hex
    assert server.ask(ONE, f"/print?{token}")[0] == 200
    wait_until(lambda: all(f"{how} {token}" in server.log(f"{ONE}-error") for how in ("printed", "written")))
    assert token not in server.log("error")
    assert token not in server.log(f"{TWO}-error")


def test_a_process_runs_in_the_virtualenv_of_its_release(server: Server) -> None:
    python = json.loads(server.ask(ONE, "/python")[1])
    virtualenv = f"{server.root}/srv/{ONE}/releases/one/venv"
    assert python["prefix"] == virtualenv
    assert python["executable"] == f"{virtualenv}/bin/python"
    assert any(path.startswith(virtualenv) for path in python["path"])
    assert not [path for path in python["path"] if path.startswith(str(server.root / "python"))]


def test_doors_are_for_root(server: Server) -> None:
    name = f"blue.{TWO}.door"
    root, status = server.credential(credentials.ROOT), server.credential(credentials.STATUS)
    assert server.ask_door(name)[0] == 403
    assert server.ask_door(name, **{credentials.HEADER: "0" * 64})[0] == 403
    assert server.ask_door(name, **{credentials.HEADER: ""})[0] == 403
    digest = hashlib.sha1(root[credentials.HEADER].encode()).hexdigest()
    assert server.ask_door(name, **{credentials.HEADER: digest})[0] == 403
    assert server.ask_door(name, **status)[0] == 403
    code, text = server.ask_door(name, **root)
    assert code == 200
    # The application does not learn how it was reached.
    environ = json.loads(text)["environ"]
    assert not [value for value in environ.values() if root[credentials.HEADER] in value]
    assert not [key for key in environ if key.startswith("HTTP_X_GROVE")]
    answer = ask(Place("127.0.0.1", server.door, name, credential=root[credentials.HEADER]), "/")
    assert (answer.status, answer.release) == (200, f"release-of-{TWO}")


def test_an_application_with_an_older_configuration_serves_on(server: Server) -> None:
    """Its door asks for no credential, and takes no notice of one; neither does the application."""
    secret = server.credential(credentials.ROOT)[credentials.HEADER]
    answer = ask(Place("127.0.0.1", server.door, f"blue.{OLDER}.door", credential=secret), "/")
    assert (answer.status, answer.release) == (200, f"release-of-{OLDER}")
    code, text = request(server.door, "/python", {"Host": f"blue.{OLDER}.door", **server.credential(credentials.ROOT)})
    python = json.loads(text)
    assert (code, python["prefix"]) == (200, f"{server.root}/srv/{OLDER}/releases/one/venv")
    assert secret not in text


def test_only_root_and_its_group_read_the_credentials(server: Server) -> None:
    for name, account, readable in (
        (credentials.ROOT, TWO, False),
        (credentials.ROOT, ONE, False),
        (credentials.STATUS, TWO, False),
        (credentials.STATUS, ONE, True),
    ):
        done = subprocess.run(
            ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", "cat", server.root / name],
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) is readable
    before = (server.root / credentials.ROOT).read_text()
    assert credentials.ensure(ONE, server.root)["changed"] is False
    assert (server.root / credentials.ROOT).read_text() == before


def test_the_group_of_the_status_can_be_changed(tmp_path: Path) -> None:
    assert credentials.ensure("", tmp_path, dry=True) == {"changed": True, "digests": {"root": "", "status": ""}}
    assert list(tmp_path.iterdir()) == []
    first = credentials.ensure("", tmp_path)
    assert first["changed"]
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in (credentials.ROOT, credentials.STATUS)] == [0o600] * 2
    assert credentials.ensure(TWO, tmp_path) == first
    assert (tmp_path / credentials.STATUS).stat().st_mode & 0o777 == 0o640
    assert credentials.describe(tmp_path)["group"] == TWO
    assert credentials.ensure(TWO, tmp_path)["changed"] is False
    assert credentials.ensure("", tmp_path) == first
    assert credentials.describe(tmp_path)["group"] == ""
    with pytest.raises(credentials.CredentialError, match="httpd_status_group"):
        credentials.ensure("no-such-group", tmp_path)


def test_the_python_of_daemon_processes_is_written_once(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        python = DaemonPython(tmp_path / "lib/python", PYTHON, "3.11.2", "/usr", {"one/__init__.py": "value = 1\n"})
        assert python.ensure(dry=True)["changed"]
        assert list(tmp_path.iterdir()) == []
        assert python.ensure(dry=False)["changed"]
        assert python.ensure(dry=False) == {"changed": False, "changed_files": []}
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "lib").rglob("*") if not path.is_symlink()}
    assert modes.pop("__init__.py") == modes.pop("pyvenv.cfg") == 0o644
    assert set(modes.values()) == {0o755}
    newer = dataclasses.replace(python, packages={"one/__init__.py": "value = 2\n"})
    assert newer.ensure(dry=False)["changed_files"] == [
        f"{tmp_path}/lib/python/lib/python3.11/site-packages/one/__init__.py"
    ]


def test_a_credential_is_in_no_log_configuration_or_memory_of_a_neighbour(server: Server) -> None:
    secret = server.credential(credentials.ROOT)[credentials.HEADER]
    assert server.ask_door(f"blue.{TWO}.door", **server.credential(credentials.ROOT))[0] == 200
    assert secret not in (server.root / "httpd.conf").read_text()
    for path in (server.root / "logs").iterdir():
        assert secret not in path.read_text(errors="replace")
    for pid in server.daemons(ONE):
        assert not in_memory(pid, secret)


def test_memory_that_apache_shares_with_its_processes_has_no_requests_of_neighbours(server: Server) -> None:
    token = uuid.uuid4().hex
    for _ in range(20):
        server.ask(TWO, f"/{token}")
    assert any(in_memory(pid, token) for pid in processes.children(server.pid) | set(server.daemons(TWO)))
    for pid in server.daemons(ONE):
        assert not in_memory(pid, token)


def in_memory(pid: int, text: str) -> bool:
    """Return whether a text is anywhere in the memory of a process."""
    needle = text.encode()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, access = line.split()[:2]
            begin, end = (int(number, 16) for number in span.split("-"))
            if access.startswith("rw"):
                with contextlib.suppress(OSError, ValueError, OverflowError):
                    memory.seek(begin)
                    if needle in memory.read(end - begin):
                        return True
    return False


def test_the_status_of_the_server_answers_on_its_door_alone(server: Server) -> None:
    for name in (ONE, TWO):
        status, text = server.ask(name, "/server-status?auto")
        assert (status, json.loads(text)["path"]) == (200, "/server-status")
    assert server.ask_door("status.door")[0] == 403
    assert server.ask_door("unknown.door")[0] == 403
    for name in (credentials.ROOT, credentials.STATUS):
        code, text = server.ask_door("status.door", **server.credential(name))
        assert code == 200
        assert "requests currently being processed" in text


def test_an_account_cannot_speak_to_another_ones_processes(server: Server) -> None:
    sockets = sorted((server.root / "run").glob("wsgi.*.sock"))
    assert len(sockets) == 5
    program = """
import socket, sys
for path in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as own:
        try:
            own.connect(path)
            print("connected")
        except PermissionError:
            print("refused")
"""
    for account in (ONE, TWO, "nobody"):
        become = ["setpriv", f"--reuid={account}", "--regid=nogroup", "--clear-groups"]
        done = subprocess.run([*become, PYTHON, "-c", program, *sockets], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["refused"] * 5
    done = subprocess.run([PYTHON, "-c", program, *sockets], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["connected"] * 5


TRAP = """
import os, socket, sys
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
with socket.create_server(("127.0.0.1", 0)) as own:
    print(own.getsockname()[1], flush=True)
    own.settimeout(3)
    try:
        connection, _ = own.accept()
        connection.settimeout(3)
        print(connection.recv(65536))
    except TimeoutError:
        print("nothing")
"""


def test_a_credential_is_not_sent_to_another_accounts_server() -> None:
    """While Apache is down, any account may listen on the port of the doors."""
    account = pwd.getpwnam(TWO)
    command = [sys.executable, "-c", TRAP, str(account.pw_uid), str(account.pw_gid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trap:
        assert trap.stdout is not None
        port = int(trap.stdout.readline())
        answer = ask(Place("127.0.0.1", port, "blue.shop.door", credential="secret"), "/", timeout=5)
        assert answer.status == 0
        assert str(account.pw_uid) in answer.error
        output: Any = trap.stdout.read()
    assert output.strip() == "nothing"
