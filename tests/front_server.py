"""A real Apache with the roles' configuration, in front of applications that answer with their environment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from httpd_modules import PYTHON, REPOSITORY, guard_file, make_daemon_python
from system.test_templates import Case, render, write

APP = """
import json, os, time

def hold(file):
    yield b"held"
    end = time.monotonic() + 120
    while os.path.exists(file) and time.monotonic() < end:
        time.sleep(0.02)

def application(environ, start_response):
    status = environ["PATH_INFO"].rpartition("/status/")[2] or "200"
    extra = json.loads(environ.get("HTTP_ANSWER", "{}"))
    headers = {"Content-Type": "application/json", **extra}
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    if environ["PATH_INFO"] == "/hold":
        start_response("200 Answer", [])
        return hold(environ["QUERY_STRING"])
    if environ["PATH_INFO"].startswith("/long/"):
        headers["X-Long"] = "x" * int(environ["PATH_INFO"][6:])
    if environ["PATH_INFO"] == "/read":
        shown["read"] = str(len(environ["wsgi.input"].read()))
    elif environ["REQUEST_METHOD"] == "HEAD":
        # An application that answers HEAD by itself.
        headers |= {"Seen": "HEAD", "Content-Length": "123", **extra}
        start_response((status if status.isdigit() else "200") + " Answer", list(headers.items()))
        return []
    start_response((status if status.isdigit() else "200") + " Answer", list(headers.items()))
    return [json.dumps({"app": "NAME", **shown}).encode()]
"""

# What host_info returns of a host that fits every record.
BARE_HOST: dict[str, Any] = {
    "cores": 2,
    "pythons": {PYTHON: {"version": "3", "abi": "cpython", "prefix": "/usr"}},
    **{key: {} for key in ("accounts", "addresses", "folders", "files", "key_pairs")},
    **{key: [] for key in ("listeners", "units")},
    "systemd": True,
    "httpd": {"foreign_sites": [], "foreign_listen": [], "ports_ours": True},
}


@dataclass(frozen=True)
class Answer:
    """Status, headers by their names in lower case (several of one name in one list), and the body."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    @classmethod
    def of(cls, received: bytes) -> Answer:
        """Read what a server has sent until it closed the connection."""
        head, _, body = received.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        headers: dict[str, list[str]] = {}
        for field in fields:
            key, _, value = field.partition(":")
            headers.setdefault(key.lower(), []).append(value.strip())
        if "chunked" in headers.get("transfer-encoding", []):
            body = dechunked(body)
        return cls(int(status.split()[1]), headers, body)

    @property
    def environ(self) -> dict[str, str]:
        """The environment that the application has got."""
        assert self.status == 200, self
        shown: dict[str, str] = json.loads(self.body)
        return shown


@dataclass(frozen=True)
class Front:
    """A running Apache."""

    root: Path

    def send(self, port: int, request: bytes, tls: ssl.SSLContext | None = None, name: str | None = None) -> bytes:
        """Send bytes on a connection of its own, and return what comes back until it is closed."""
        with contextlib.ExitStack() as stack:
            connection: socket.socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            if tls is not None:
                connection = stack.enter_context(tls.wrap_socket(connection, server_hostname=name))
            connection.sendall(request)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received

    def ask(
        self,
        port: int,
        path: str = "/",
        *headers: str,
        host: str | None = "127.0.0.1",
        method: str = "GET",
        tls: ssl.SSLContext | None = None,
        name: str | None = None,
        content: str = "",
    ) -> Answer:
        """Send one request with these lines as headers, and what follows them."""
        lines = [f"{method} {path} HTTP/1.{0 if host is None else 1}", *([] if host is None else [f"Host: {host}"])]
        text = "\r\n".join([*lines, *headers, "Connection: close", "", content])
        return Answer.of(self.send(port, text.encode("latin-1"), tls, name))

    def error_log(self) -> str:
        """Return what Apache has logged of itself."""
        return "".join(path.read_text() for path in self.root.glob("logs/*error.log"))


def dechunked(body: bytes) -> bytes:
    """Return the content of a chunked body."""
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        content += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return content


def make_app(folder: Path, name: str, venv: Path) -> None:
    """Make the folder of an application whose release has nothing of Grove in it, as if it was made long ago."""
    release = folder / "releases" / "one"
    release.mkdir(parents=True)
    (release / "venv").symlink_to(venv)
    (release / "app.wsgi").write_text(APP.replace("NAME", name))
    (release / "static" / "0").mkdir(parents=True)
    (release / "static" / "0" / "style.css").write_text("body {}\n")
    (release / "static" / "0" / "below").mkdir()
    (release / "static" / "1").mkdir()
    (release / "static" / "1" / "index.html").write_text("<p>A page</p>\n")
    (folder / "slots").mkdir()
    for colour in ("blue", "green"):
        (folder / "slots" / colour).symlink_to("../releases/one")
    shutil.copy(REPOSITORY / "wsgi" / "slot.wsgi", folder)


@contextlib.contextmanager
def running(
    mod_wsgi: dict[str, Path],
    apps: list[dict[str, Any]],
    host: dict[str, Any] | None = None,
    waf: Path | None = None,
    **variables: Any,
) -> Iterator[Front]:
    """Run Apache for these records; the accounts are those of the distribution with the records' names.

    ``host`` replaces parts of what the module ``host_info`` would return. ``waf`` is a folder with the files of the
    packages of ModSecurity.
    """
    facts = {**BARE_HOST, **host} if host else None
    base = Path(tempfile.mkdtemp(prefix="grove-front-"))
    base.chmod(0o755)
    root = base / "front"
    places = {"log_dir": str(root / "logs"), "run_dir": str(root / "run"), "pid_file": str(root / "run" / "pid")}
    environment = {
        **os.environ,
        "APACHE_RUN_USER": "www-data",
        "APACHE_RUN_GROUP": "www-data",
        "APACHE_PID_FILE": places["pid_file"],
        "APACHE_RUN_DIR": places["run_dir"],
        "APACHE_LOCK_DIR": places["run_dir"],
        "APACHE_LOG_DIR": places["log_dir"],
        "LANG": "C",
    }
    process = None
    try:
        if waf is not None:
            places |= {"waf_setup": f"{waf}/etc/modsecurity", "waf_rules": f"{waf}/usr/share/modsecurity-crs/rules"}
            places |= {"waf_data": f"{root}/waf"}
            variables |= {"httpd_waf_for_applications": True}
        variables |= {"mod_wsgi_daemon_python": str(base / "python")}
        case = Case("Debian", "6.1.1", apps, variables, facts)
        result = render({"front": case}, base, mod_wsgi, guard_file(), **places)["front"]
        for folder in ("logs", "run"):
            (root / folder).mkdir()
        if waf is not None:
            lines = [f'LoadFile "{path}"\n' for path in sorted(waf.glob("usr/lib/*/*.so.*")) if not path.is_symlink()]
            lines.append(f'LoadModule security2_module "{waf}/usr/lib/apache2/modules/mod_security2.so"\n')
            Path(result.layout.root, "mods-available", "security2.load").write_text("".join(lines))
            (root / "waf").mkdir()
            shutil.chown(root / "waf", "www-data")
        write(result)
        for home in set(re.findall(r"python-home=(\S+)", "".join(result.sites.values()))):
            make_daemon_python(Path(home))
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", root / "venv"], check=True)
        for app in apps:
            make_app(root / "srv" / app["name"], app["name"], root / "venv")
        command = ["/usr/sbin/apache2", "-d", result.layout.root, "-f", f"{result.layout.root}/apache2.conf"]
        # Programs that Apache starts may let their standard input, which would be this process's own, not block.
        process = subprocess.Popen([*command, "-D", "FOREGROUND"], env=environment, stdin=subprocess.DEVNULL)
        front = Front(root)
        wait_until_served([int(str(app["listen"]).rpartition(":")[2]) for app in apps], process, root / "run" / "pid")
        yield front
    finally:
        if process is not None:
            process.terminate()
            process.wait(90)
        shutil.rmtree(base)


def wait_until_served(ports: list[int], process: subprocess.Popen[bytes], pid_file: Path) -> None:
    """Wait until Apache accepts connections to every port, and has written its process id, which it does after that."""
    end = time.monotonic() + 90
    for port in ports:
        while True:
            assert process.poll() is None, "Apache has ended"
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert time.monotonic() < end, f"Apache does not listen on {port}"
            time.sleep(0.05)
    while not pid_file.exists():
        assert process.poll() is None, "Apache has ended"
        assert time.monotonic() < end, "Apache does not write its process id"
        time.sleep(0.05)
