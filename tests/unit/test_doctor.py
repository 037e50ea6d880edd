"""The examinations of ``./grove doctor``: what they conclude, and how it is shown."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.action import doctor as action
from ansible_collections.grove.wsgi.plugins.filter.hosts import examinations
from ansible_collections.grove.wsgi.plugins.module_utils.doctor import finding, packages, room, served, system
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import OK, PROBLEM, WARNING, Finding
from ansible_collections.grove.wsgi.plugins.module_utils.host.package_locks import Holder
from ansible_collections.grove.wsgi.plugins.module_utils.host.processes import Listener
from ansible_collections.grove.wsgi.plugins.plugin_utils.doctor import controller, report

DEBIAN = {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (DEBIAN, OK),
        ({**DEBIAN, "VERSION_ID": "11"}, WARNING),
        ({"ID": "mint", "ID_LIKE": "ubuntu debian"}, WARNING),
        ({"ID": "alpine"}, PROBLEM),
        ({}, PROBLEM),
    ],
)
def test_distributions(values: dict[str, str], verdict: str) -> None:
    found = system.distribution(values)
    assert found.verdict == verdict
    assert found.remedy or verdict == OK


def test_the_values_of_os_release_lose_their_quotes(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text('NAME="Debian"\nID=debian\n# nothing\n')
    assert system.os_release(str(file)) == {"NAME": "Debian", "ID": "debian"}
    assert system.os_release(str(tmp_path / "missing")) == {}


@pytest.mark.parametrize(
    ("enforce", "profiles", "findings"),
    [
        (None, None, []),
        ("1", None, [(OK, "SELinux", "enforcing; Grove labels its files", "")]),
        ("0", None, [(OK, "SELinux", "it only records", "")]),
        (None, "", [(OK, "AppArmor", "no profile of Apache", "")]),
        (
            None,
            "lsb_release (enforce)\nman_groff (enforce)\n/usr/sbin/mariadbd (enforce)\napache2 (complain)\n",
            [(OK, "AppArmor", "no profile of Apache", "")],
        ),
        (
            None,
            "/usr/sbin/cupsd (enforce)\n/usr/sbin/apache2//DEFAULT_URI (enforce)\n/usr/sbin/apache2 (enforce)\n",
            [(WARNING, "AppArmor", "the profile /usr/sbin/apache2//DEFAULT_URI (enforce)", "/usr/sbin/apache2")],
        ),
        (None, "apache2 (kill)\n", [(WARNING, "AppArmor", "the profile apache2 (kill)", "apache2")]),
    ],
)
def test_labels_and_profiles(
    enforce: str | None, profiles: str | None, findings: list[tuple[str, str, str, str]], tmp_path: Path
) -> None:
    """Files in the form that the kernel gives them: one character, and a line with name and mode for each profile."""
    for name, text in (("fs/selinux/enforce", enforce), ("kernel/security/apparmor/profiles", profiles)):
        if text is not None:
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text(text)
    found = list(system._labels(str(tmp_path)))
    assert [(one.verdict, one.subject, one.actual) for one in found] == [one[:3] for one in findings]
    if findings and findings[0][3]:
        assert found[0].remedy.startswith(f"aa-complain {findings[0][3]}, or ")


def test_the_kernel_tells_whether_the_clock_is_kept() -> None:
    """Read from the real kernel, twice: the question changes nothing."""
    first = system.is_synchronized()
    assert first in (True, False, None)
    assert system.is_synchronized() == first


@pytest.mark.parametrize(
    ("free", "inodes", "new", "verdict"),
    [
        (50_000, 3_000_000, 3, OK),
        (50_000, None, 3, OK),
        (1_000, 3_000_000, 3, WARNING),
        (1_000, 3_000_000, 0, OK),
        (300, None, 0, WARNING),
        (199, None, 0, PROBLEM),
        (50_000, 20_000, 3, WARNING),
        (50_000, 4_999, 0, PROBLEM),
    ],
)
def test_disks(free: int, inodes: int | None, new: int, verdict: str) -> None:
    found = room.disk("/srv/wsgi", free, inodes, new)
    assert found.verdict == verdict, found
    assert str(free) in found.actual


def test_a_file_system_is_examined_once(tmp_path: Path) -> None:
    found = list(room.disks([str(tmp_path), str(tmp_path / "later" / "on")], 0))
    assert [one.actual.partition(" free in ")[2].partition(";")[0] for one in found] == [
        f"{tmp_path}, {tmp_path}/later/on"
    ]


@pytest.mark.parametrize(
    ("free", "whole", "new", "verdict"),
    [
        (4000, 8000, 4, OK),
        (300, 8000, 0, OK),
        (300, 8000, 4, WARNING),
        (100, 8000, 0, PROBLEM),
        (4000, 128, 0, PROBLEM),
    ],
)
def test_memory(free: int, whole: int, new: int, verdict: str) -> None:
    assert room.memory(free, whole, new).verdict == verdict


def test_the_memory_of_this_machine_is_read() -> None:
    assert room.available() > 0


def test_package_locks() -> None:
    assert packages.lock(None).verdict == OK
    held = packages.lock(Holder("/var/lib/dpkg/lock", 712, "unattended-upgr"))
    assert (held.verdict, held.actual) == (WARNING, "unattended-upgr (process 712) holds /var/lib/dpkg/lock")
    assert "-p 712" in held.remedy
    assert "-p" not in packages.lock(Holder("/var/lib/dpkg/lock", 0, "")).remedy


def test_the_state_of_dpkg() -> None:
    audit = (
        "The following packages are only half configured:\n apache2   Apache HTTP Server\n ssl-cert  simple wrapper\n"
    )
    assert packages.dpkg_state("", interrupted=False).verdict == OK
    assert packages.dpkg_state(audit, interrupted=False).actual == "half installed: apache2, ssl-cert"
    assert packages.dpkg_state(audit, interrupted=True).remedy == "dpkg --configure -a"


def test_proxies_of_apt() -> None:
    dump = 'Acquire::http::Proxy "http://proxy:3128";\nAcquire::https::Proxy "DIRECT";\nAcquire::Retries "3";\n'
    assert packages.proxies(dump) == {"http": "http://proxy:3128", "https": "DIRECT"}


def test_sites_of_apt() -> None:
    printed = (
        "'http://mirror.example.org/debian/dists/bookworm/InRelease' mirror.example.org_InRelease 0 \n"
        "'http://mirror.example.org/debian/dists/bookworm/main/i18n/Translation-en.xz' mirror.example.org_debian 0 \n"
        "'https://packages.example.org/flat/InRelease' packages.example.org_flat_InRelease 0 \n"
    )
    assert packages.sites_of(printed) == ["http://mirror.example.org/debian", "https://packages.example.org/flat"]
    assert packages.sites_of("") == []


def test_sources_are_reached_directly_or_by_a_proxy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        here = f"http://127.0.0.1:{port}/debian"
        assert packages.reach(here, {}, ()) == ""
        assert packages.reach("http://192.0.2.1/debian", {"http": f"http://127.0.0.1:{port}"}, ()) == ""
        assert packages.reach("http://192.0.2.1/", {}, [("http_proxy", f"http://127.0.0.1:{port}")]) == ""
        assert packages.reach(here, {"http": "DIRECT"}, ()) == ""
    assert "refused" in packages.reach(here, {}, ())
    assert packages.reach("http://192.0.2.1/debian", {"http": here}, ()).startswith("its proxy 127.0.0.1: ")
    assert packages.reach(f"file:{tmp_path}", {}, ()) == ""
    assert packages.reach(f"file:{tmp_path}/missing", {}, ()) == "there is no such folder"
    assert packages.reach("cdrom:disk", {}, ()) == "", "what has no address cannot be asked"


def test_silent_sources_are_a_problem_for_a_run_that_installs_packages() -> None:
    silent = {"http://a": "timed out"}
    assert packages.reached({"http://a": "", "http://b": ""}, needed=True).verdict == OK
    assert packages.reached({"http://b": "", **silent}, needed=True).verdict == WARNING
    assert packages.reached(silent, needed=False).verdict == WARNING
    found = packages.reached(silent, needed=True)
    assert (found.verdict, found.actual) == (PROBLEM, "no answer from http://a (timed out)")


def test_ports() -> None:
    held = [Listener("*", 80, 12, "nginx"), Listener("127.0.0.1", 8080, 30, "apache2"), Listener("*", 81, None, "?")]
    found = {one.subject: one for one in served.ports([80, 81, 8080, 8081], held, "apache2")}
    assert found["port 80"].actual == "nginx (process 12) holds it on *"
    assert "ss -ltnp" in found["port 81"].remedy
    assert found["ports"] == finding.ok("ports", "8080 of Apache, 8081 free")
    assert list(served.ports([], held, "apache2")) == []


STATE = {
    "app": "shop",
    "state": "served",
    "url": "http://shop/",
    "problem": None,
    "healthy": True,
    "health": "200",
    "agents": [{"agent": "mail", "running": True}],
    "canary_percent": 0.0,
    "ended": None,
}


def test_a_healthy_application_has_no_finding() -> None:
    assert list(served.application(STATE)) == []


@pytest.mark.parametrize(
    ("change", "verdict", "part"),
    [
        ({"problem": "slot blue points to nothing", "healthy": False}, PROBLEM, "points to nothing"),
        ({"healthy": False, "health": "answers 500"}, PROBLEM, "answers 500"),
        ({"agents": [{"agent": "mail", "running": False}]}, PROBLEM, "does not run"),
        (
            {"ended": {"number": 1, "signals": {"SIGSEGV": 1}, "last": "2026-11-29T02:43:07.567398Z"}},
            WARNING,
            "1 process was ended by a signal in the last day (SIGSEGV 1x), the last one at 2026-11-29 02:43:07 UTC",
        ),
        ({"state": "removed"}, PROBLEM, "Apache has no site of it"),
        ({"canary_percent": 12.5}, WARNING, "12.5 %"),
    ],
)
def test_what_is_wrong_with_an_application(change: dict[str, Any], verdict: str, part: str) -> None:
    [found] = served.application({**STATE, **change})
    assert found.verdict == verdict
    assert part in found.actual
    assert found.remedy


@pytest.mark.parametrize(("days", "verdict"), [(31.0, None), (29.0, WARNING), (-1.0, PROBLEM)])
def test_certificates(days: float, verdict: str | None) -> None:
    found = served.certificate("/etc/ssl/shop.crt", days, made=False)
    assert (found.verdict if found else None) == verdict
    assert found is None or "graceful" in found.remedy
    made = served.certificate("/etc/apache2/grove-tls/shop.crt", days, made=True)
    assert made is None or made.remedy == "./grove site"


@pytest.mark.parametrize(
    ("moment", "verdict"), [(100.0, OK), (101.5, OK), (95.0, WARNING), (111.0, WARNING), (170.0, PROBLEM)]
)
def test_clocks(moment: float, verdict: str) -> None:
    """The controller asked at 100 and had the answer at 104; the module worked for 3 seconds."""
    assert action.clock(100.0, 104.0, moment, 3.0).verdict == verdict


def test_the_note_of_a_run_that_has_ended() -> None:
    here = {"controller": os.uname().nodename, "pid": 2**22 + 1, "started": "Mon Jan 1", "user": "me"}
    note = {"app": "shop", "run": here, "text": "me on here", "age": 3.0}
    assert action.run(note).actual == "a run was interrupted: me on here"
    elsewhere = action.run({**note, "run": {**here, "controller": "elsewhere"}})
    assert elsewhere.actual == "a run is at work, or was interrupted: me on here, last seen 3 s ago"


def test_the_versions_of_a_lock_are_compared() -> None:
    lock = (
        "ansible==12.3.0 \\\n    --hash=sha256:00\ndjango==5.2 ; python_version < '3.12'\n"
        "django==6.1 ; python_version >= '3.12'\n"
        "pywin32==311 ; sys_platform == 'win32'\n"
    )
    expected = controller.pinned(lock)
    assert expected == {"ansible": {"12.3.0"}, "django": {"5.2", "6.1"}, "pywin32": {"311"}}
    assert controller.differences(expected, {"ansible": "12.3.0", "django": "6.1", "more": "1"}) == []
    assert controller.differences(expected, {"ansible": "11.0.0"}) == ["ansible 11.0.0 instead of 12.3.0"]
    assert "ansible" in controller.pinned((controller.REPOSITORY / "requirements.lock").read_text())


def test_the_groups_of_an_inventory() -> None:
    assert controller.inventory({"all": ["web1"], "wsgi": ["web1"]}).verdict == OK
    assert controller.inventory({"all": ["web1"], "web": ["web1"]}).verdict == PROBLEM
    found = controller.inventory({"all": ["web1", "db1"], "wsgi": ["web1"], "db": ["db1"]})
    assert (found.verdict, found.actual) == (WARNING, "1 in wsgi; in none of Grove's groups: db1")


def test_what_a_login_by_ssh_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert list(controller.ssh([], [], tmp_path)) == []
    [found] = controller.ssh(["web1"], [], tmp_path)
    assert (found.verdict, found.actual) == (PROBLEM, "no program ssh")
    (programs / "ssh").touch(mode=0o755)
    [found] = controller.ssh(["web1"], [], tmp_path)
    assert found.verdict == WARNING
    [found] = controller.ssh(["web1"], [str(tmp_path / "key")], tmp_path)
    assert found.actual == f"{tmp_path}/key cannot be read"
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").touch()
    (tmp_path / ".ssh" / "id_ed25519.pub").touch()
    [found] = controller.ssh(["web1"], [], tmp_path)
    assert (found.verdict, found.actual) == (OK, f"{tmp_path}/.ssh/id_ed25519")


def test_an_agent_of_ssh_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("agent")
        assert not controller.agent_answers("agent"), "nobody listens"
        server.listen()
        assert controller.agent_answers("agent")
    assert not controller.agent_answers("")


REACHED = {"ping": "pong"}


def findings(*verdicts: str) -> dict[str, Any]:
    return {
        "findings": [Finding(f"part {verdict}", verdict, "is so", "other", "a command").plain() for verdict in verdicts]
    }


def test_a_host_that_does_not_answer_is_a_problem() -> None:
    silent = {"reached": {"unreachable": True, "msg": "No route to host"}, "examined": None, "records": None}
    judged = report.judge({"web1": silent, "web2": {"reached": REACHED, "examined": findings(OK), "records": ""}}, [])
    assert judged["verdict"] == PROBLEM
    assert judged["hosts"]["web1"]["findings"][0]["actual"] == "No route to host"
    assert judged["hosts"]["web2"]["verdict"] == OK
    assert [one["subject"] for one in judged["hosts"]["web2"]["findings"]] == ["reachable", f"part {OK}", "records"]


def test_an_address_that_ssh_cannot_use_is_named() -> None:
    answer = {"unreachable": True, "msg": "Could not resolve hostname [::1]"}
    [found] = report.of_host({"reached": answer, "address": "[::1]"})
    assert found["remedy"] == "ansible_host is '[::1]'; write ::1 without brackets"


@pytest.mark.parametrize(
    ("result", "part"),
    [
        ({"reached": {"msg": "Missing sudo password", "failed": False}}, "Missing sudo password"),
        ({}, "it was not asked"),
        ({"reached": REACHED}, "it was not examined"),
        ({"reached": REACHED, "examined": {"msg": "MODULE FAILURE"}}, "MODULE FAILURE"),
        ({"reached": REACHED, "examined": findings(OK), "records": "2 problems in wsgi_apps"}, "2 problems"),
    ],
)
def test_what_could_not_be_done_is_a_problem(result: dict[str, Any], part: str) -> None:
    problems = [one for one in report.of_host(result) if one["verdict"] == PROBLEM]
    assert part in problems[0]["actual"]


def test_of_few_hosts_everything_is_shown() -> None:
    host = {"reached": REACHED, "examined": findings(OK, WARNING), "records": "one\ntwo"}
    shown = report.text(report.judge({"web1": host}, [finding.ok("Python", "3.11.2").plain()]))
    assert shown == [
        report.CONTROLLER,
        "  ok       Python  3.11.2",
        "",
        "web1",
        "  ok       reachable     it answers",
        "  ok       part ok       is so",
        "  warning  part warning  is so",
        "                         right: other",
        "                         mend:  a command",
        "  problem  records       one",
        "                         two",
        "                         right: records that fit the host",
        "                         mend:  correct what the message names, and ./grove doctor",
        "",
        "1 problem, 1 warning",
    ]


def test_of_many_hosts_the_same_finding_is_shown_once() -> None:
    hosts = {
        f"web{number}": {"reached": REACHED, "examined": findings(WARNING if number < 60 else OK), "records": ""}
        for number in range(100)
    }
    shown = report.text(report.judge(hosts, [finding.ok("Python", "3.11.2").plain()]))
    assert shown[0] == "60 hosts, web0, web1, web2 and 57 more"
    assert shown[-3] == "everything is ok on 41 hosts, (controller), web60, web61 and 38 more"
    assert shown[-1] == "no problem, 60 warnings"
    assert len(shown) == 8


def test_a_host_that_was_lost_on_the_way_lacks_results() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "web1": {"__reached": REACHED, "__examined": findings(OK), "__wsgi_app_checked": {"steps": {"names": []}}},
        "web2": {"__reached": {"unreachable": True}, "ansible_host": "192.0.2.1"},
        "web3": {"__reached": REACHED, "__records": "1 problem", "__wsgi_app_checked": {"failed": True}},
    }
    results = examinations(hostvars, hostvars)
    assert results["web1"]["records"] == ""
    unreached = {"reached": {"unreachable": True}, "examined": None, "records": None}
    assert results["web2"] == {**unreached, "address": "192.0.2.1"}
    assert results["web3"]["records"] == "1 problem"


def test_an_old_list_of_packages_is_noticed(tmp_path: Path) -> None:
    assert packages.age_of_lists(tmp_path) is None
    file = tmp_path / "mirror.example.org_debian_dists_bookworm_main_binary-amd64_Packages"
    file.touch()
    assert packages.lists(packages.age_of_lists(tmp_path)).verdict == OK
    month = time.time() - 40 * 86400
    os.utime(file, (month, month))
    assert packages.lists(packages.age_of_lists(tmp_path)).actual == "40 days old"
    assert packages.lists(None).verdict == OK
