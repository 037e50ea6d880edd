"""The first steps of the README: the repository on a fresh host, and one command there, as root."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import machine
import page_commands
import pytest
from served import Host

REPOSITORY = Path(__file__).resolve().parents[2]
# The controller's CA bundle, since its network may inspect TLS, and the cache with the downloads of earlier hosts.
SETTINGS = {"SSL_CERT_FILE": "/usr/local/share/grove-ca.crt", "UV_CACHE_DIR": "/var/cache/grove/uv"}
SITE = ("sh", "-c", "cd /root/grove && ./grove site </dev/null")


@pytest.fixture(scope="module")
def alone(hosts: dict[str, Host]) -> Host:
    """A host with the base system, Python, and the files of the repository."""
    host = hosts["alone"]
    assert host.try_run("sh", "-c", "command -v apache2 || command -v pip || command -v gcc").returncode != 0
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(list_files, cwd=REPOSITORY, capture_output=True, check=True).stdout
    pack = ["tar", "--create", "--null", "--files-from=-"]
    archive = subprocess.run(pack, cwd=REPOSITORY, input=files, capture_output=True, check=True).stdout
    host.run("mkdir", "/root/grove")
    unpack = [*machine.enter(host.container), "tar", "-x", "--no-same-owner", "-C", "/root/grove"]
    subprocess.run(unpack, input=archive, check=True)
    return host


def test_one_command_deploys_the_local_inventory(alone: Host) -> None:
    output = alone.run(*SITE, **SETTINGS)
    urls = {"test1": ":8080/", "test2": ":8081/", "test3": ":8082/shop", "telemetry": ":8777/"}
    for app, url in urls.items():
        healthy = rf"{app}: http://127\.0\.0\.1{url} is healthy, release \w{{12}} in blue"
        assert re.search(healthy, output), output[-3000:]
    assert alone.listeners() == {f"127.0.0.1:{port}" for port in (8080, 8081, 8082, 8777, 9080)}
    program = "import urllib.request as u; print(json.dumps([u.urlopen(a).read().decode() for a in arguments]))"
    addresses = [f"http://127.0.0.1:{place}/catalog" for place in ("8080", "8081/v1", "8082/shop")]
    assert set(alone.python(program, *addresses)) == {"Welcome to the catalog."}


def test_a_second_run_changes_nothing(alone: Host) -> None:
    output = alone.run(*SITE, **SETTINGS)
    assert re.search(r"localhost +: ok=\d+ +changed=0 +unreachable=0 +failed=0", output), output[-3000:]


def test_the_commands_of_the_pages(alone: Host) -> None:
    """The commands of README.md and docs/ that work on an inventory, as they stand there."""
    for run in page_commands.ON_A_CONTROLLER:
        live = alone.live("test1")[1]
        releases = alone.run("ls", "/srv/wsgi/test1/releases").split()
        idle = next((name for name in releases if name != live), "")
        follow(alone, run, idle)
    # The name of the app stands for that of the page in the name of the file, too.
    assert alone.run("cat", "/root/grove/telemetry.json").startswith("{")
    assert "localhost-telemetry.cdx.json" in alone.run("ls", "/root/documents")


def follow(alone: Host, run: page_commands.Run, idle: str = "") -> None:
    """Run a command of a page in the repository's folder, and check what it shows."""
    line = f"cd /root/grove && {run.before or ':'} && {{ {run.words(idle)}; }} </dev/null"
    done = alone.try_run("bash", "-c", line, **SETTINGS)
    shown = done.stdout + done.stderr
    assert done.returncode == run.status, f"{run.words(idle)}\n{shown[-3000:]}"
    assert re.search(run.shows, shown), f"{run.words(idle)}\n{shown[-3000:]}"


def test_timers_are_entries_of_cron_here(alone: Host) -> None:
    entry = alone.run("cat", "/etc/cron.d/grove-telemetry-expire")
    assert "@daily telemetry /srv/wsgi/telemetry/run --timer expire\n" in entry
    assert alone.run("pgrep", "-x", "cron")
    alone.run("/srv/wsgi/telemetry/run", "--timer", "expire")


def test_a_service_that_is_not_named_any_more_goes(alone: Host) -> None:
    """The run removes the app's VirtualHost, port and timer, and keeps its data."""
    command = "cd /root/grove && ./grove site -e '{\"wsgi_services\": []}' </dev/null"
    alone.run("sh", "-c", command, **SETTINGS)
    assert alone.listeners() == {f"127.0.0.1:{port}" for port in (8080, 8081, 8082, 9080)}
    assert alone.try_run("ls", "/etc/cron.d/grove-telemetry-expire").returncode != 0
    alone.run("ls", "/var/lib/telemetry/telemetry.sqlite")
    for run in page_commands.AFTER_THE_REMOVAL:
        follow(alone, run)
    assert alone.try_run("id", "telemetry").returncode != 0
