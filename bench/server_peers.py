"""The servers that bench/servers.py compares with Grove: how a user would start each of them, and what it needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

FOLDER = "/opt/bench"
BIN = f"{FOLDER}/venv/bin"
RUN = "/run/bench-peer"
SOCKET = f"{RUN}/peer.sock"
PORT = 9100
DEBIAN_APACHE = "/etc/apache2-debian"


class App(NamedTuple):
    """One application: the record that serves it under Grove, that record's port, and the path of its request."""

    record: str
    port: int
    path: str
    what: str


APPS = {
    "hello": App("served", 9001, "/", "a Pecan method that returns a word"),
    "rest": App("served", 9001, "/item/1", "a Pecan RestController with 1 KB of JSON"),
    "filters": App("filtered", 9002, "/item/1", "the same behind three Paste filters"),
    "meters": App("telemetry", 9003, "/v2/meters", "telemetry's GET /v2/meters with ten meters, in SQLite"),
    "wait": App("served", 9001, "/wait", "a Pecan method with a query of PostgreSQL that waits 20 ms"),
}
ENTRIES = {
    "served": f'from pecan.deploy import deploy\n\napplication = deploy("{FOLDER}/etc/config.py")\n',
    "filtered": f'from paste.deploy import loadapp\n\napplication = loadapp("config:{FOLDER}/etc/filters.ini")\n',
    "telemetry": f'from paste.deploy import loadapp\n\napplication = loadapp("config:{FOLDER}/etc/api_paste.ini")\n',
}


class Setting(NamedTuple):
    """What a peer serves, and with what."""

    module: str
    """Has the WSGI callable `application`, in a package of FOLDER/apps."""
    processes: int
    threads: int
    cores: int
    debian_mod_wsgi: str
    """The path of the module of Debian's package."""
    mod_wsgi: str
    """The path of the module of PyPI's package."""

    @property
    def script(self) -> str:
        """The path of the module."""
        return f"{FOLDER}/apps/{self.module}/__init__.py"


class Peer(NamedTuple):
    """One server: its command, its files, and the directives of nginx for `location /` if nginx is in front of it."""

    name: str
    what: str
    command: Callable[[Setting], list[str]]
    files: Callable[[Setting], dict[str, str]] = lambda setting: {}
    nginx: str = ""
    stop: str = "SIGTERM"
    """The signal that ends the server. For uWSGI, SIGTERM means that it begins anew."""
    root: bool = False
    """Whether the server starts as root and gives the application an account by itself, as Apache does."""


def gunicorn(bind: str, *, threads: bool) -> Callable[[Setting], list[str]]:
    """Return the command of gunicorn. Its documentation recommends 2 x cores + 1 workers of the kind sync."""

    def command(setting: Setting) -> list[str]:
        kind = ["--workers", str(2 * setting.cores + 1)]
        if threads:
            own = ["--workers", str(setting.processes), "--threads", str(setting.threads)]
            kind = ["--worker-class", "gthread", *own]
        return [f"{BIN}/gunicorn", "--bind", bind, *kind, f"{setting.module}:application"]

    return command


def uwsgi(*bind: str) -> Callable[[Setting], list[str]]:
    """Return the command of uWSGI."""

    def command(setting: Setting) -> list[str]:
        size = ["--processes", str(setting.processes), "--threads", str(setting.threads)]
        module = ["--virtualenv", f"{FOLDER}/venv", "--module", f"{setting.module}:application"]
        return [f"{BIN}/uwsgi", "--master", *size, *bind, *module]

    return command


def granian(setting: Setting) -> list[str]:
    """Return the command of granian."""
    size = ["--workers", str(setting.processes), "--blocking-threads", str(setting.threads)]
    listen = ["--host", "127.0.0.1", "--port", str(PORT)]
    return [f"{BIN}/granian", "--interface", "wsgi", *listen, *size, f"{setting.module}:application"]


def express(setting: Setting) -> list[str]:
    """Return the command of mod_wsgi-express."""
    own = ["--server-root", f"{RUN}/express", "--host", "127.0.0.1", "--port", str(PORT)]
    return [f"{BIN}/mod_wsgi-express", "start-server", *own, setting.script]


def pecan_serve(setting: Setting) -> list[str]:
    """Return the command `pecan serve`."""
    return [f"{BIN}/pecan", "serve", f"{FOLDER}/apps/{setting.module}/config.py"]


def virtual_host(setting: Setting) -> str:
    """Return Apache's configuration for a daemon group with the application."""
    size = f"processes={setting.processes} threads={setting.threads}"
    return f"""\
<VirtualHost 127.0.0.1:{PORT}>
    WSGIDaemonProcess peer user=bench group=bench {size} python-home={FOLDER}/venv
    WSGIScriptAlias / {setting.script} process-group=peer application-group=%{{GLOBAL}}
    <Directory {FOLDER}/apps>
        Require all granted
    </Directory>
</VirtualHost>
"""


def bare_files(setting: Setting) -> dict[str, str]:
    """Return the configuration of an Apache with mod_wsgi, Grove's event MPM, and nothing else."""
    modules = "/usr/lib/apache2/modules"
    return {
        f"{FOLDER}/bare.conf": f"""\
ServerRoot {FOLDER}
ServerName localhost
PidFile {RUN}/apache.pid
ErrorLog {RUN}/error.log
User www-data
Group www-data
Listen 127.0.0.1:{PORT}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {setting.mod_wsgi}
Include /etc/apache2/conf-available/zz-grove-mpm.conf
KeepAlive On
MaxKeepAliveRequests 0
WSGISocketPrefix {RUN}/wsgi
WSGIScriptReloading Off
{virtual_host(setting)}"""
    }


def debian_files(setting: Setting) -> dict[str, str]:
    """Return what differs from the configuration that Debian's package of Apache installs."""
    return {
        f"{DEBIAN_APACHE}/ports.conf": f"Listen 127.0.0.1:{PORT}\n",
        f"{DEBIAN_APACHE}/mods-enabled/wsgi.load": f"LoadModule wsgi_module {setting.debian_mod_wsgi}\n",
        f"{DEBIAN_APACHE}/sites-enabled/000-default.conf": virtual_host(setting).replace(
            "    WSGIDaemonProcess", "    CustomLog ${APACHE_LOG_DIR}/access.log combined\n    WSGIDaemonProcess"
        ),
    }


DEBIAN_COMMAND = (
    f". {DEBIAN_APACHE}/envvars && mkdir -p $APACHE_RUN_DIR $APACHE_LOCK_DIR $APACHE_LOG_DIR &&"
    f" exec apache2 -d {DEBIAN_APACHE} -DFOREGROUND"
)
HTTP = f"127.0.0.1:{PORT}"
PROXY = """\
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_redirect off;
        proxy_pass http://peer;"""
UWSGI = """\
        include uwsgi_params;
        uwsgi_pass peer;"""


def nginx_site(pass_on: str) -> str:
    """Return the site of nginx that passes all requests to the server's socket."""
    return f"""\
upstream peer {{
    server unix:{SOCKET} fail_timeout=0;
}}
server {{
    listen 127.0.0.1:{PORT};
    location / {{
{pass_on}
    }}
}}
"""


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "mod_wsgi daemon",
            "Apache with mod_wsgi of PyPI, Grove's MPM, processes and threads, and nothing else",
            lambda setting: ["/usr/sbin/apache2", "-f", f"{FOLDER}/bare.conf", "-DFOREGROUND"],
            bare_files,
            root=True,
        ),
        Peer("mod_wsgi-express", "`mod_wsgi-express start-server` with its defaults", express),
        Peer(
            "Debian's Apache",
            "Debian's configuration of Apache and its mod_wsgi, with Grove's processes and threads",
            lambda setting: ["/bin/sh", "-c", DEBIAN_COMMAND],
            debian_files,
            root=True,
        ),
        Peer("gunicorn sync", "2 x cores + 1 workers", gunicorn(HTTP, threads=False)),
        Peer("nginx + gunicorn sync", "the same behind nginx", gunicorn(f"unix:{SOCKET}", threads=False), nginx=PROXY),
        Peer("gunicorn gthread", "Grove's processes and threads", gunicorn(HTTP, threads=True)),
        Peer(
            "nginx + gunicorn gthread", "the same behind nginx", gunicorn(f"unix:{SOCKET}", threads=True), nginx=PROXY
        ),
        Peer(
            "uWSGI", "`--http11-socket`, Grove's processes and threads", uwsgi("--http11-socket", HTTP), stop="SIGQUIT"
        ),
        Peer(
            "nginx + uWSGI",
            "uwsgi_pass of nginx, Grove's processes and threads",
            uwsgi("--socket", SOCKET, "--chmod-socket=666"),
            nginx=UWSGI,
            stop="SIGQUIT",
        ),
        Peer("granian", "Grove's processes and threads", granian),
        Peer("pecan serve", "one process and thread of wsgiref", pecan_serve),
    )
}


def module_files(record: str, pieces: tuple[str, ...]) -> dict[str, str]:
    """Return the files of the package that has the application of a record, with pieces of Pecan if there are some."""
    name = module(record, bool(pieces))
    text = ENTRIES[record]
    if pieces:
        text += f"""
import importlib
import sys

sys.path.append("{FOLDER}/grove")
for name in {pieces!r}:
    if not importlib.import_module("grove_runtime.pecan_" + name).install():
        raise RuntimeError("pecan_" + name + " does not know this Pecan")
"""
    config = f'server = {{"host": "127.0.0.1", "port": "{PORT}"}}\napp = {{"modules": ["{name}"]}}\n'
    app = f"from {name} import application\n\n\ndef setup_app(config):\n    return application\n"
    folder = f"{FOLDER}/apps/{name}"
    return {f"{folder}/__init__.py": text, f"{folder}/app.py": app, f"{folder}/config.py": config}


def module(record: str, pieces: bool) -> str:
    """Return the name of the module with the application of a record."""
    return f"bench_{record}{'_pieces' if pieces else ''}"


def pieces_of(script: str) -> tuple[str, ...]:
    """Return the pieces of Pecan that an app.wsgi of Grove installs. Raises ValueError if there are none."""
    match = re.search(r"^ *pecan_pieces=\((.*)\),$", script, re.MULTILINE)
    pieces = tuple(re.findall(r"'([a-z]+)'", match[1])) if match else ()
    if not pieces:
        raise ValueError("the app.wsgi names no pieces of Pecan; the record should have them, as its default is")
    return pieces


def size_of(configuration: str) -> tuple[int, int]:
    """Return the processes and threads of a daemon group in a site of Grove. Raises ValueError if there is none."""
    match = re.search(r"^WSGIDaemonProcess .* processes=(\d+) threads=(\d+) ", configuration, re.MULTILINE)
    if not match:
        raise ValueError("the configuration of Apache has no WSGIDaemonProcess with processes and threads")
    return int(match[1]), int(match[2])
