"""Apache's configuration changes while clients use the application, and handovers are refused."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from handover_host import REFUSAL, TREES, HandoverHost, held, live, parent, reload, running, watched
from load import summary
from load.process import under_load
from switch_host import APP, REPOSITORY, wait_until

SNIPPET = "/etc/apache2/conf-enabled/check.conf"
LONG = ("--slow-seconds", "1", "8")
"""Options of the load client: requests of up to 8 seconds."""
OTHER_VERSION = {
    "mod_wsgi_version": "6.1.0",
    "mod_wsgi_lock": str(REPOSITORY / "molecule" / "handover" / "mod_wsgi-6.1.0.lock"),
}
TLS_PORT = 8400
TLS_NAME = "other.test"


def write_snippet(server: HandoverHost, text: str) -> None:
    """Put a file of an operator into Apache's configuration."""
    server.run("sh", "-c", f"cat >{SNIPPET}", stdin=text)


def settings(server: HandoverHost) -> list[tuple[str, dict[str, Any]]]:
    """Return changes of one application, one after the other, each with the variables of the run."""
    record = server.app(APP)
    return [
        ("directive", {"wsgi_apps": [{**record, "directives": ["Header always set X-Handover 1"]}]}),
        ("directive removed", {"wsgi_apps": [record]}),
        ("three processes", {"wsgi_apps": [{**record, "processes": 3}]}),
        ("two processes", {"wsgi_apps": [record]}),
        ("more threads", {"wsgi_apps": [{**record, "threads": 20}]}),
        ("fewer threads", {"wsgi_apps": [record]}),
    ]


def other_app(server: HandoverHost, **more: object) -> dict[str, Any]:
    return {**server.app(APP), "name": "other", "listen": TLS_PORT, **more}


def places(server: HandoverHost) -> list[tuple[str, dict[str, Any]]]:
    """Return changes of ports and applications."""
    apps = [server.app(APP)]
    return [
        ("port added", {"wsgi_apps": apps, "wsgi_app_extra_listen": ["8399"]}),
        ("port removed", {"wsgi_apps": apps}),
        ("app added", {"wsgi_apps": [*apps, other_app(server)]}),
        ("app removed", {"wsgi_apps": apps}),
    ]


def modules(server: HandoverHost) -> list[tuple[str, dict[str, Any]]]:
    """Return changes of mod_wsgi itself."""
    apps = {"wsgi_apps": [server.app(APP)]}
    return [
        ("mod_wsgi of the distribution", {**apps, "mod_wsgi_source": "package"}),
        ("mod_wsgi of PyPI", apps),
        ("another version of mod_wsgi", {**apps, **OTHER_VERSION}),
        ("the former version of mod_wsgi", apps),
    ]


@pytest.mark.parametrize("changes", [settings, places, modules])
def test_changes_of_the_inventory_lose_no_request(server: HandoverHost, changes: Any) -> None:
    """Each run hands over to one new generation."""
    with watched(server, f"changes of {changes.__name__}", options=LONG) as run:
        for label, variables in changes(server):
            before = live(server)
            with run.window("reload", label):
                server.play("site.yml", **variables)
            assert live(server) == before + 1, label
            assert running(server) == {live(server): "live"}, label


def served_certificate(server: HandoverHost, authority: Path) -> str:
    """Return the number of the certificate that a new connection gets; the authority has to have signed it."""
    context = ssl.create_default_context(cafile=str(authority))
    with (
        socket.create_connection((server.address, TLS_PORT), timeout=20) as connection,
        context.wrap_socket(connection, server_hostname=TLS_NAME) as encrypted,
    ):
        return str((encrypted.getpeercert() or {})["serialNumber"])


def test_renewed_certificates_lose_no_request(server: HandoverHost) -> None:
    """The private authority renews a certificate by which clients connect meanwhile."""
    record = server.app(APP)
    tls = {
        "wsgi_apps": [record, other_app(server, tls="private_ca", server_name=TLS_NAME)],
        # A run renews a certificate that ends within 30 days.
        "wsgi_app_tls_days": 20,
        "wsgi_app_tls_ca_dir": str(server.folder / "authority"),
    }
    authority = server.folder / "authority" / "ca.crt"
    with watched(server, "certificates", options=LONG) as run:
        with run.window("reload", "app with TLS"):
            server.play("site.yml", **tls)
        url = f"https://{server.address}:{TLS_PORT}"
        options = ("--host", TLS_NAME, "--ca", str(authority), "--slow", "2", "--streams", "1", "--pause", "0.1")
        with under_load(url, server.folder / "tls", *options, "--seconds", "6000", "--timeout", "60") as clients:
            for number in (1, 2):
                before, certificate = live(server), served_certificate(server, authority)
                with run.window("reload", f"certificate renewed, {number}"):
                    server.play("site.yml", **tls)
                assert live(server) == before + 1
                assert served_certificate(server, authority) != certificate
        with run.window("reload", "app with TLS removed"):
            server.play("site.yml", wsgi_apps=[record])
    measured = summary.summarize(clients)
    server.check_summary("clients with TLS", measured)
    server.totals.update(requests=measured.total.requests, failed=measured.total.failed)
    assert measured.total.retried == 0


def test_operators_commands(server: HandoverHost) -> None:
    """A reload is a handover, a restart is refused, and an upgrade of the package leaves Apache running."""
    with watched(server, "operators", options=LONG):
        for _ in range(3):
            before = live(server)
            assert reload(server)
            assert live(server) == before + 1
        before, pid = live(server), parent(server)
        refused = server.try_run("systemctl", "restart", "apache2")
        assert refused.returncode != 0
        assert "refused" in refused.stderr
        install = ["apt-get", "install", "--yes", "--reinstall", "apache2", "apache2-bin"]
        for _ in range(2):
            server.run(*install, DEBIAN_FRONTEND="noninteractive")
            assert (live(server), parent(server)) == (before, pid)
            assert server.run("systemctl", "show", "--property=MainPID", "--value", "apache2").strip() == str(pid)
            assert reload(server)
            before, pid = live(server), parent(server)
        server.run("apachectl", "configtest")


STOP = """
mkdir -p /run/systemd/system/apache2.service.d
printf '[Unit]\\nRefuseManualStop=no\\n' >/run/systemd/system/apache2.service.d/90-stop.conf
systemctl daemon-reload && systemctl stop apache2
"""
"""What docs/switching.md says."""


def test_apache_is_stopped_with_a_permission(server: HandoverHost) -> None:
    assert server.try_run("systemctl", "stop", "apache2").returncode != 0
    before = live(server)
    server.run("sh", "-c", STOP)
    assert not [one for one in server.processes() if one.command.startswith("/usr/sbin/apache2")]
    server.run("systemctl", "start", "apache2")
    wait_until(server.is_answering, 60, "it answers")
    assert running(server) == {before: "live"}
    server.run("rm", "/run/systemd/system/apache2.service.d/90-stop.conf")
    server.run("systemctl", "daemon-reload")


BREAKAGES = {
    "an unknown directive": ("NoSuchDirective on\n", "NoSuchDirective"),
    "a module that is not there": ('LoadModule none_module "/nonexistent.so"\n', "nonexistent.so"),
    "an address of another host": ("Listen 192.0.2.1:8398\n", "192.0.2.1:8398"),
}


def check_refusal(server: HandoverHost, named: str) -> None:
    """Try to hand over; the refusal has to name this text, and Apache goes on with what serves."""
    before, pid = live(server), parent(server)
    assert not reload(server)
    assert named in server.run("cat", REFUSAL)
    assert (live(server), parent(server)) == (before, pid)
    assert running(server) == {before: "live"}


@pytest.mark.parametrize("fault", BREAKAGES)
def test_a_broken_configuration_is_refused(server: HandoverHost, fault: str) -> None:
    text, named = BREAKAGES[fault]
    try:
        with watched(server, f"refused {fault}"):
            write_snippet(server, text)
            check_refusal(server, named)
    finally:
        server.run("rm", "-f", SNIPPET)
    assert reload(server)


def test_an_application_that_does_not_come_up_is_named(server: HandoverHost) -> None:
    """The running processes have loaded the release, and those of a new generation cannot."""
    path = f"/srv/wsgi/{APP}/releases/{server.live_release()}/app.wsgi"
    server.run("cp", path, "/root/app.wsgi")
    try:
        with watched(server, "an app fails"):
            server.run("sh", "-c", f"echo 'raise SystemExit(1)' >{path}")
            check_refusal(server, f"app {APP}")
    finally:
        server.run("cp", "/root/app.wsgi", path)
    assert reload(server)


@pytest.mark.short
def test_several_kinds_of_handovers(server: HandoverHost) -> None:
    """An operator changes Apache's files. One change is refused, and the run of one handover is killed."""
    site = server.run("sh", "-c", f"grep -l 'WSGIDaemonProcess {APP}-' -r /etc/apache2/sites-available").strip()
    original = server.run("cat", site)
    assert original.count(" processes=2 ") == 2, original
    with watched(server, "several kinds") as run:
        try:
            with run.window("reload", "nothing changed"):
                assert reload(server)
            with run.window("reload", "directive"):
                write_snippet(server, "Header always set X-Check 1\n")
                assert reload(server)
            assert server.ask(APP, "/").headers["x-check"] == "1"
            with run.window("reload", "port added and directive removed"):
                write_snippet(server, "Listen 8398\n")
                assert reload(server)
            assert any(listener.endswith(":8398") for listener in server.listeners())
            with run.window("fault", "refused"):
                write_snippet(server, "NoSuchDirective on\n")
                check_refusal(server, "NoSuchDirective")
            with run.window("reload", "port removed, and more processes"):
                server.run("rm", SNIPPET)
                server.run("sh", "-c", f"cat >{site}", stdin=original.replace(" processes=2 ", " processes=3 "))
                assert reload(server)
            assert not any(listener.endswith(":8398") for listener in server.listeners())
            assert len(server.daemons(APP, server.live(APP)[0])) == 3
        finally:
            server.run("rm", "-f", SNIPPET)
            server.run("sh", "-c", f"cat >{site}", stdin=original)
        with run.window("fault", "killed"), held(server, "before the new Apache gets connections") as (pid, _):
            server.run("kill", "-9", str(pid))
        with run.window("reload", "after the killed one"):
            assert reload(server)
        assert running(server) == {live(server): "live"}
        assert len(server.daemons(APP, server.live(APP)[0])) == 2


def test_the_way_back(server: HandoverHost) -> None:
    """With reloads, everything is as on a host that never had generations; and back again."""
    server.play("site.yml", wsgi_apps=[server.app(APP)], httpd_handover="reload")
    assert server.try_run("grove-httpd", "status").returncode != 0
    assert server.run("stat", "--format=%F", "/run/apache2/apache2.pid").strip() == "regular file"
    assert TREES not in server.run("ps", "-o", "args=", "-p", str(parent(server)))
    assert "grove-httpd" not in server.run("systemctl", "cat", "apache2")
    server.run("systemctl", "restart", "apache2")
    assert reload(server)
    server.play("site.yml", wsgi_apps=[server.app(APP)])
    assert running(server) == {live(server): "live"}
