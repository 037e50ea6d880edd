"""The answers of the hosts of this scenario, and the effects of later runs with other records."""

from __future__ import annotations

import json
import os
import shutil
import ssl
from pathlib import Path

import main_job
import pytest
from served import Answer, Host

GENERATED = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "generated")
AUTHORITY = str(GENERATED / "ca" / "ca.crt")


@pytest.fixture
def web1(hosts: dict[str, Host]) -> Host:
    """Debian 12, with TLS, virtual hosts by name and by path, and a proxy."""
    return hosts["web1"]


@pytest.fixture
def web2(hosts: dict[str, Host]) -> Host:
    """Debian 13, with wheels and no index, and with a site of the operator's own."""
    return hosts["web2"]


def environ(answer: Answer) -> dict[str, str]:
    """Return the WSGI environment of the request, which an echo app answers with."""
    assert answer.status == 200
    values: dict[str, str] = json.loads(answer.text)["environ"]
    return values


@pytest.mark.parametrize(("name", "version"), [("web1", "4.9.4"), ("web2", "5.0.2")])
def test_the_mod_wsgi_of_the_distribution_runs(hosts: dict[str, Host], name: str, version: str) -> None:
    host = hosts[name]
    app = "plain" if name == "web1" else "sample"
    maps = host.memory_map(host.daemons(app, "blue")[0])
    assert "/usr/lib/apache2/modules/mod_wsgi.so" in maps
    assert "/opt/grove/mod_wsgi" not in maps
    assert host.run("dpkg-query", "-W", "-f", "${Version}", "libapache2-mod-wsgi-py3").startswith(version)


@pytest.mark.parametrize(
    ("name", "path", "app", "script_name"),
    [
        ("shop.test", "/", "shop", ""),
        ("shop.test", "/cart/1", "cart", "/cart"),
        ("shop.test", "/cartoon", "shop", ""),
        ("desk.test", "/", "desk", ""),
        ("help.test", "/", "desk", ""),
    ],
)
def test_tls_by_name_and_by_path(web1: Host, name: str, path: str, app: str, script_name: str) -> None:
    """One port, two names with certificates of their own, and two apps in one VirtualHost."""
    received = environ(web1.ask(8443, path, headers={"Host": f"{name}:8443"}, authority=AUTHORITY))
    assert received["wsgi.url_scheme"] == "https"
    assert received["SCRIPT_NAME"] == script_name
    log = f"{'shop' if name == 'shop.test' else 'desk'}-access"
    web1.log_with(log, f'"request":"GET {path} HTTP/1.1","status":200,.*"app":"{app}"')


def test_tls_is_up_to_date(web1: Host) -> None:
    answer = web1.ask(8443, "/", headers={"Host": "shop.test:8443"}, authority=AUTHORITY)
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    with pytest.raises(ssl.SSLCertVerificationError):
        web1.ask(8444, "/", headers={"Host": "greeter.test"}, authority=AUTHORITY)
    assert web1.run("stat", "-c", "%a %U", "/etc/apache2/grove-tls/shop.key").split() == ["600", "root"]


def test_unknown_names_are_refused(web1: Host) -> None:
    with pytest.raises(ssl.SSLError, match="alert"):
        web1.ask(8443, "/", headers={"Host": "elsewhere.test"}, authority=AUTHORITY)
    with pytest.raises(ssl.SSLError, match="alert"):
        web1.ask(8444, "/", headers={"Host": "shop.test"}, authority=AUTHORITY)


@pytest.mark.parametrize(("name", "app"), [("web1", "plain"), ("web2", "sample")])
def test_the_firewall_blocks_attacks(hosts: dict[str, Host], name: str, app: str) -> None:
    host = hosts[name]
    assert host.ask(app, "/?q=1%27+UNION+SELECT+password+FROM+users--").status == 403
    host.log_with(f"{app}-error", "SQL Injection")
    assert host.ask(app, "/").status == 200


def test_a_given_certificate_and_a_git_source(web1: Host) -> None:
    answer = web1.ask(8444, "/", headers={"Host": "greeter.test"}, authority=str(GENERATED / "greeter.crt"))
    assert answer.text == "Hello from greeter 1.0"


def test_a_requirement_is_enough(web1: Host) -> None:
    """PasteDeploy's static application, from configuration alone. It answers the addresses that the record allows."""
    door = web1.ask_door("licences", "blue", "/GPL-3")[0]
    assert door.status == 200
    assert "GNU GENERAL PUBLIC LICENSE" in door.text
    assert web1.ask("licences", "/GPL-3").status == 403
    local = "import urllib.request as u; print(json.dumps(u.urlopen('http://127.0.0.1:8081/GPL-3').status))"
    assert web1.python(local) == 200


def test_a_trusted_proxy_is_believed(web1: Host) -> None:
    claims = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    received = environ(web1.ask("plain", "/trusted", headers=claims))
    assert received["wsgi.url_scheme"] == "https"
    assert received["REMOTE_ADDR"] == "192.0.2.7"
    web1.log_with("plain-access", r'"client":"192\.0\.2\.7".*"request":"GET /trusted ')


def test_headers_of_untrusted_clients_are_ignored(web1: Host) -> None:
    program = """
import urllib.request
claims = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": "elsewhere.example"}
request = urllib.request.Request("http://127.0.0.1:8080/untrusted", headers=claims)
print(urllib.request.urlopen(request).read().decode())
"""
    received = web1.python(program)["environ"]
    assert received["wsgi.url_scheme"] == "http"
    assert received["REMOTE_ADDR"] == "127.0.0.1"
    assert "HTTP_X_FORWARDED_PROTO" not in received
    assert "HTTP_X_FORWARDED_HOST" not in received
    web1.log_with("plain-access", r'"client":"127\.0\.0\.1".*"request":"GET /untrusted ')


def test_wheels_are_enough(web2: Host) -> None:
    assert web2.ask("sample", "/catalog").text == "Welcome to the catalog."
    assert web2.ask("greeter", "/").text == "Hello from greeter 1.0"
    assert web2.try_run("find", "/var/cache/empty", "-name", "*.whl", "-o", "-name", "*.http").stdout == ""


@pytest.mark.parametrize("port", [8088, 8089])
def test_the_operators_own_sites_are_served(web2: Host, port: int) -> None:
    assert "GNU GENERAL PUBLIC LICENSE" in web2.ask(port, "/GPL-3").text
    grove = {"0.0.0.0:8080", "*:8081", "127.0.0.1:8084", "127.0.0.1:9080"}
    assert web2.listeners() == {*grove, "*:8088", "*:8089"}


def test_each_host_prepares_before_one_migrates_for_both(web1: Host, web2: Host) -> None:
    """Two runs have deployed the application by now."""
    prepared = [host.run("cat", "/var/lib/pair/prepared").split() for host in (web1, web2)]
    assert [len(times) for times in prepared] == [1, 1]
    migrated = web1.run("cat", "/var/lib/pair/migrated").split()
    assert len(migrated) == 1
    assert web2.try_run("test", "-e", "/var/lib/pair/migrated").returncode == 1
    assert max(float(times[0]) for times in prepared) < float(migrated[0])


def test_changes(web1: Host, tmp_path: Path) -> None:
    """One run changes a configuration and a static file and removes two records. The next run changes nothing."""
    source = tmp_path / "echo"
    shutil.copytree(web1.app("cart")["source"], source)
    (source / "static" / "style.css").write_text("body { color: green }\n")
    apps = [{**record, "source": str(source)} if record["name"] == "cart" else record for record in web1.apps]
    apps = [record for record in apps if record["name"] not in ("desk", "licences")]
    before = {name: web1.live(name)[1] for name in ("shop", "cart", "plain", "pair", "greeter")}
    web1.run("touch", "/var/lib/desk/kept")

    outcome = main_job.run(web1, apps, echo_word="second")
    assert (outcome.status, outcome.messages) == (0, [])

    after = {name: web1.live(name)[1] for name in before}
    assert {name for name in before if before[name] != after[name]} == {"shop", "cart", "plain", "pair"}
    # The host remembers that it has prepared; a new release migrates.
    assert [web1.run("wc", "--lines", f"/var/lib/pair/{file}")[0] for file in ("prepared", "migrated")] == ["1", "2"]
    for place, path in ((8443, "/"), (8443, "/cart/")):
        answer = web1.ask(place, path, headers={"Host": "shop.test:8443"}, authority=AUTHORITY)
        assert json.loads(answer.text)["config"] == "second"
    style = {
        path: web1.ask(8443, path, headers={"Host": "shop.test:8443"}, authority=AUTHORITY).text
        for path in ("/static/style.css", "/cart/static/style.css")
    }
    assert style == {
        "/static/style.css": "body { color: black }\n",
        "/cart/static/style.css": "body { color: green }\n",
    }

    virtual_hosts = web1.run("apache2ctl", "-S")
    assert not [name for name in ("desk", "licences") if name in virtual_hosts]
    assert not [process for process in web1.processes() if process.account in ("desk", "licences")]
    all_addresses = {"*:8080", "*:8082", "*:8083", "*:8443", "*:8444"}
    assert web1.listeners() == {*all_addresses, "127.0.0.1:8084", "127.0.0.1:9080"}
    web1.run("test", "-e", "/var/lib/desk/kept", "-a", "-d", "/srv/wsgi/desk/releases", "-a", "-d", "/var/log/desk")
    assert main_job.run(web1, apps, echo_word="second").changed == 0
