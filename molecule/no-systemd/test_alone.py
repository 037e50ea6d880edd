"""The first steps of the README: the repository on a fresh host, and one command there, as root.

The host is less kind than a new machine. Root has a strict umask and a locale that nobody has made. No program may run
in /tmp.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import machine
import page_commands
import pytest
from served import Host

REPOSITORY = Path(__file__).resolve().parents[2]
# The controller's CA bundle, since its network may inspect TLS, and the cache with the downloads of earlier hosts.
# On a busy machine, three attempts of ten seconds each may all fail.
SETTINGS = {
    "SSL_CERT_FILE": "/usr/local/share/grove-ca.crt",
    "UV_CACHE_DIR": "/var/cache/grove/uv",
    "UV_HTTP_RETRIES": "8",
    "PIP_RETRIES": "8",
}
SITE = ("sh", "-c", "cd /root/grove && ./grove site </dev/null")
# An account that is asked for its password by sudo, an SSH server, and a way to it through a bastion.
OVER_SSH = """
apt-get -qq install --yes --no-install-recommends openssh-server openssh-client sudo >/dev/null
useradd --create-home --shell /bin/bash ops
echo 'ops:a word of its own' | chpasswd
echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/ops
echo 'umask 077' >>/home/ops/.bashrc
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
install -D --owner=ops --mode=600 /root/.ssh/id_ed25519.pub /home/ops/.ssh/authorized_keys
chown ops /home/ops/.ssh
printf 'Host bastion\\nHostName 127.0.0.1\\nUser ops\\n' >/root/.ssh/config
printf 'Host *\\nStrictHostKeyChecking accept-new\\n' >>/root/.ssh/config
mkdir -p /run/sshd
/usr/sbin/sshd
"""
ORDINARY_ACCOUNT = {
    "ansible_connection": "ssh",
    "ansible_host": "::1",
    "ansible_user": "ops",
    "ansible_ssh_common_args": "-o ProxyJump=bastion",
    "ansible_become": True,
    "ansible_become_password": "a word of its own",
}

# As apt does it that reads its lists.
HOLD = """
import fcntl, os, time
lists = open("/var/lib/apt/lists/lock", "w")
fcntl.lockf(lists, fcntl.LOCK_EX)
print(os.getpid(), flush=True)
time.sleep(600)
"""


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


@pytest.fixture(scope="module")
def doctor(alone: Host) -> Host:
    """The host, with the packages of ``./grove``, which the first command installs when another program has ended."""
    holding = [*machine.enter(alone.container), "python3", "-c", HOLD]
    status = [*machine.enter(alone.container, **SETTINGS), "sh", "-c", "cd /root/grove && ./grove status </dev/null"]
    with subprocess.Popen(holding, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        number = holder.stdout.readline().strip()
        started = subprocess.Popen(status, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert started.stderr is not None
        first = started.stderr.readline()
        alone.run("sh", "-c", f"kill {number}")
    _, errors = started.communicate()
    assert first.startswith(
        f"grove: waiting for python3 (process {number}), which holds /var/lib/apt/lists/lock, at most"
    )
    assert started.returncode == 0, errors
    return alone


def test_an_examination_of_a_fresh_host_changes_nothing(doctor: Host) -> None:
    doctor.run("sh", "-c", "touch /root/examined && sleep 1")
    line = "cd /root/grove && ./grove doctor -e json=/root/doctor.json </dev/null"
    done = doctor.try_run("sh", "-c", line, **SETTINGS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(?m)^  ok +Apache +not installed yet", done.stdout), done.stdout
    assert re.search(r"(?m)^  ok +ports +8080, 8081, 8082, 8777, 9080 free$", done.stdout), done.stdout
    assert re.search(r"(?m)^  warning +systemd +", done.stdout), done.stdout
    assert "\nno problem, " in done.stdout
    hosts = json.loads(doctor.run("cat", "/root/doctor.json"))["hosts"]
    assert [*hosts] == ["(controller)", "localhost"]
    written = "find / -xdev -cnewer /root/examined -not -type d"
    aside = "/root/doctor.json$|/(run|tmp|dev|root/.ansible|root/grove)/"
    assert doctor.run("sh", "-c", f"{written} | grep -Ev '^({aside})' || true") == ""


def test_an_examination_says_who_holds_a_port(doctor: Host) -> None:
    program = (
        "import os, socket, time; s = socket.create_server(('', 8080)); print(os.getpid(), flush=True); time.sleep(600)"
    )
    command = [*machine.enter(doctor.container), "python3", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        number = holder.stdout.readline().strip()
        done = doctor.try_run("sh", "-c", "cd /root/grove && ./grove doctor </dev/null", **SETTINGS)
        doctor.run("sh", "-c", f"kill {number}")
    assert done.returncode == 2, done.stdout
    held = f"record test1, key listen: found port 8080, which python3 (process {number}) holds"
    assert re.search(r"(?m)^  problem +records +1 problem in wsgi_apps", done.stdout), done.stdout
    assert held in done.stdout
    assert "\n1 problem, " in done.stdout


def test_one_command_deploys_the_local_inventory(alone: Host) -> None:
    alone.mount("-t", "tmpfs", "-o", "noexec,mode=1777", "tmpfs", "/tmp")
    output = alone.run("sh", "-c", f"umask 077 && {SITE[-1]}", LC_ALL="de_DE.ISO-8859-1", **SETTINGS)
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


def test_metrics_need_systemd(alone: Host) -> None:
    """The run that is to turn the metrics on ends with the check."""
    alone.run("sh", "-c", "touch /root/before && sleep 1")
    done = alone.try_run("sh", "-c", "cd /root/grove && ./grove site -e httpd_metrics=true </dev/null", **SETTINGS)
    assert done.returncode == 2, done.stdout
    message = (
        "systemd has to run the program that answers Prometheus, and does not run localhost; set httpd_metrics to false"
    )
    assert message in " ".join(done.stdout.split())
    assert alone.run("find", "/opt", "/etc", "/srv", "/usr", "-cnewer", "/root/before", "-not", "-type", "d") == ""


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
    """The run removes the app's VirtualHost, port and timer, and keeps its data.

    An ordinary account does it, over ssh and IPv6, through a bastion, with the password of sudo.
    """
    alone.run("bash", "-e", "-c", OVER_SSH)
    variables = json.dumps({"wsgi_services": [], **ORDINARY_ACCOUNT})
    command = f"cd /root/grove && ./grove site -e {shlex.quote(variables)} </dev/null"
    alone.run("sh", "-c", command, **SETTINGS)
    ssh = {"0.0.0.0:22", "[::]:22"}
    assert alone.listeners() - ssh == {f"127.0.0.1:{port}" for port in (8080, 8081, 8082, 9080)}
    assert alone.try_run("ls", "/etc/cron.d/grove-telemetry-expire").returncode != 0
    shown = alone.run("sh", "-c", "cd /root/grove && ./grove status </dev/null", **SETTINGS)
    assert re.search(r"(?m)^localhost +telemetry .* removed, files kept ", shown), shown
    # The account has to become root for this verb, too, as the command line says.
    own = json.dumps({key: value for key, value in ORDINARY_ACCOUNT.items() if key != "ansible_become"})
    for app, status, text in (
        ("test1", 0, "controller /my_restcontroller "),
        ("telemetry", 2, "telemetry was removed"),
    ):
        command = f"cd /root/grove && ./grove routes -b -e app={app} -e {shlex.quote(own)} </dev/null"
        done = alone.try_run("sh", "-c", command, **SETTINGS)
        assert (done.returncode, text in done.stdout) == (status, True), done.stdout + done.stderr
    alone.run("ls", "/var/lib/telemetry/telemetry.sqlite")
    for run in page_commands.AFTER_THE_REMOVAL:
        follow(alone, run)
    assert alone.try_run("id", "telemetry").returncode != 0
