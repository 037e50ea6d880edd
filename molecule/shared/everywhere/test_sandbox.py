"""The sandbox of every unit, and what the account of one application sees of the others. For every scenario."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from served import BASE, COLOURS, Host

APACHE_LIMIT, PROGRAM_LIMIT = 4.0, 3.0
# CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, NET_BIND_SERVICE.
APACHE_CAPABILITIES = {0, 1, 3, 5, 6, 7, 10}
# What other accounts may read of an application's folder: Apache's own account reads the map and serves static files,
# and the scripts are the same for all applications.
PUBLIC = {"agents", "launch.py", "preload", "run", "slot.map", "slot.wsgi", "slots", "static"}
OPEN_FOLDERS = {
    "/dev/mqueue": "queues of POSIX; each unit has its own",
    "/dev/shm": "shared memory; each unit has its own",
    "/run/lock": "lock files of Debian's programs",
    "/tmp": "each unit has its own",
    "/var/tmp": "each unit has its own",
}
# The folders that systemd makes for sockets of X in each /tmp, and the /tmp of a unit, which is in a folder of root's.
OTHER_OPEN_FOLDERS = re.compile(
    r"((/var)?/tmp/systemd-private-[^/]+/tmp|/tmp(/systemd-private-[^/]+/tmp)?/\.(X11|ICE|XIM|font|Test)-unix)"
)


def has_systemd(host: Host) -> bool:
    return host.try_run("test", "-d", "/run/systemd/system").returncode == 0


def can_mount(host: Host) -> bool:
    """Return whether systemd gives the host's units their own view of the files."""
    status = host.run("cat", "/proc/1/status")
    return bool(int(re.search(r"(?m)^CapEff:\s*(\S+)$", status)[1], 16) & 1 << 21)  # type: ignore[index]


def can_filter_calls_of_accounts(host: Host) -> bool:
    """Return whether systemd can sandbox agents and timers: from version 255 on, not without CAP_SYS_ADMIN."""
    return can_mount(host) or int(host.run("systemctl", "--version").split()[1]) < 255


def applications(host: Host) -> list[str]:
    return host.run("ls", str(BASE)).split()


def programs(host: Host) -> list[str]:
    """Return the units of agents and timers."""
    return re.findall(r"grove-\S+\.service", host.run("sh", "-c", "ls /etc/systemd/system"))


def exposure(host: Host, unit: str) -> float:
    output = host.run("systemd-analyze", "security", "--no-pager", unit)
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", output)[1])  # type: ignore[index]


def test_the_figures_of_the_units(any_host: Host) -> None:
    if not has_systemd(any_host):
        assert any_host.try_run("test", "-e", "/etc/systemd/system/apache2.service.d").returncode == 1
        return
    figures = {unit: exposure(any_host, unit) for unit in ["apache2.service", *programs(any_host)]}
    print(json.dumps(figures))
    assert figures.pop("apache2.service") <= APACHE_LIMIT
    if can_filter_calls_of_accounts(any_host):
        assert {unit: figure for unit, figure in figures.items() if figure > PROGRAM_LIMIT} == {}
    assert any_host.run("systemctl", "show", "--property=NeedDaemonReload", "--value", "apache2").strip() == "no"


def test_every_process_of_apache_is_in_the_sandbox(any_host: Host) -> None:
    """The sandbox takes effect when Apache is started: the run has started Apache with it."""
    if not has_systemd(any_host):
        return
    parent = any_host.run("cat", "/run/apache2/apache2.pid").strip()
    daemons = [pid for app in applications(any_host) for colour in COLOURS for pid in any_host.daemons(app, colour)]
    assert daemons
    for pid in (parent, *daemons):
        status = dict(line.split(":\t", 1) for line in any_host.run("cat", f"/proc/{pid}/status").splitlines())
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        bounding = int(status["CapBnd"], 16)
        assert {number for number in range(64) if bounding >> number & 1} == APACHE_CAPABILITIES
        if pid != parent:
            assert int(status["CapEff"], 16) == 0
            limits = any_host.run("cat", f"/proc/{pid}/limits")
            assert re.search(r"(?m)^Max processes +4096 +4096 ", limits), "slot.wsgi limits the tasks of an account"


PROBE = """
import errno, os, subprocess, sys
pid, account, paths = arguments
program = '''
import json, os, sys
done = {}
for path in json.loads(sys.argv[1]):
    try:
        handle = os.open(path + "/probe", os.O_CREAT | os.O_WRONLY, 0o600)
        os.close(handle)
        os.unlink(path + "/probe")
        done[path] = "written"
    except OSError as error:
        done[path] = error.strerror
done["bus"] = os.access("/run/dbus/system_bus_socket", os.W_OK)
owners = set()
for name in filter(str.isdigit, os.listdir("/proc")):
    try:
        owners.add(os.stat(f"/proc/{name}").st_uid)
    except OSError:
        pass  # It has ended meanwhile.
done["processes"] = sorted(owners)
done["home"] = os.access("/home", os.R_OK)
done["devices"] = sorted(os.listdir("/dev"))
done["tmp"] = os.listdir("/tmp")
print(json.dumps(done))
'''
command = ["nsenter", "--target", str(pid), "--mount", "--", "setpriv", "--reuid", account, "--regid", account]
command += ["--init-groups", "--no-new-privs", "/usr/bin/python3", "-c", program, json.dumps(paths)]
print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
"""


def test_a_daemon_process_sees_its_own_files_alone(any_host: Host) -> None:
    """Only a host that may mount gives units their own view; the other hosts have the accounts' permissions alone."""
    if not has_systemd(any_host) or not can_mount(any_host):
        return
    any_host.run("touch", "/tmp/of-the-host")
    for app in applications(any_host):
        pid = any_host.daemons(app, "blue")[0]
        own = [f"/var/lib/{app}", f"/var/log/{app}", f"/var/lib/{app}/tmp", "/tmp", "/var/tmp", "/dev/shm"]
        fixed = ["/etc", "/usr", str(BASE / app), "/opt"]
        probed: dict[str, Any] = any_host.python(PROBE, pid, app, [*own, *fixed])
        assert {path: probed[path] for path in own} == dict.fromkeys(own, "written")
        assert {path: probed[path] for path in fixed} == dict.fromkeys(fixed, "Read-only file system")
        assert not probed["bus"]
        assert not probed["home"]
        account = int(any_host.run("id", "-u", app))
        assert set(probed["processes"]) == {account}
        assert "of-the-host" not in probed["tmp"]
        assert not [name for name in probed["devices"] if re.match(r"(sd|vd|loop|mem|kmsg)", name)]


SEEN = """
import glob, os, pwd
account, patterns = arguments
paths = [path for pattern in patterns for path in glob.glob(pattern)]
entry = pwd.getpwnam(account)
os.initgroups(account, entry.pw_gid)
os.setgid(entry.pw_gid)
os.setuid(entry.pw_uid)
print(json.dumps([path for path in paths if os.access(path, os.R_OK)]))
"""


def test_an_account_reads_nothing_of_others(any_host: Host) -> None:
    """Neither Apache's configuration, nor other applications' units, files and temporary files."""
    names = applications(any_host)
    written = any_host.run("grep", "-rl", "Written by Grove", "/etc/apache2").split()
    assert len(written) > len(names)
    for account in names:
        others = [name for name in names if name != account]
        closed = [*written, "/etc/apache2/grove-tls/*", "/var/log/apache2"]
        closed += ["/etc/systemd/system/apache2.service.d/*", "/etc/systemd/system/grove-*"]
        closed += ["/etc/cron.d/grove-*", "/var/lib/grove/*", "/run/grove/*"]
        for name in others:
            closed += [f"/var/lib/{name}", f"/var/lib/{name}/tmp", f"/var/log/{name}"]
            closed += [f"{BASE}/{name}/{below}" for below in ("*", ".*", "venvs/*", "releases/*/*")]
        seen = any_host.python(SEEN, account, closed)
        assert [path for path in seen if path.rpartition("/")[2] not in PUBLIC] == []


def test_units_hold_no_secret(any_host: Host) -> None:
    """A unit names its program; the command line and the environment stand in the release."""
    if not has_systemd(any_host):
        return
    for unit in programs(any_host):
        text = any_host.run("cat", f"/etc/systemd/system/{unit}")
        starts = re.findall(r"(?m)^Exec\w+=(.*)$", text)
        assert len(starts) == 1
        assert re.fullmatch(rf"{BASE}/[a-z0-9-]+/run --(agent|timer) [a-z0-9-]+", starts[0])
        assert not re.findall(r"(?m)^(Environment|PassEnvironment|SetCredential|LoadCredential)", text)


@pytest.mark.parametrize("kind", ["f", "d"])
def test_nothing_is_open_to_everybody(any_host: Host, kind: str) -> None:
    """Files and folders to which every account may write: no file, and folders of the distribution, each explained."""
    places = ["/", "/run", "/tmp", "/var/tmp", "/dev"]
    found = any_host.run("find", *places, "-xdev", "-type", kind, "-perm", "-0002").splitlines()
    unexplained = {path for path in found if path not in OPEN_FOLDERS and not OTHER_OPEN_FOLDERS.fullmatch(path)}
    assert unexplained == set()


def test_temporary_files_have_a_folder_for_each_application(any_host: Host) -> None:
    for app in applications(any_host):
        mode, owner = any_host.run("stat", "-c", "%a %U", f"/var/lib/{app}/tmp").split()
        assert (mode, owner) == ("700", app)
        program = "import tempfile; print(tempfile.gettempdir())"
        assert any_host.run(f"{BASE}/{app}/run", "python", "-c", program).strip() == f"/var/lib/{app}/tmp"
        if has_systemd(any_host):
            assert f"e /var/lib/{app}/tmp " in any_host.run("cat", "/etc/tmpfiles.d/grove.conf")
