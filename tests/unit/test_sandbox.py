"""The directives of Apache's unit and of the units of agents and timers, with what records and the operator change."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import record_settings
from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.filter.sandbox import apache_sandbox
from ansible_collections.grove.wsgi.plugins.plugin_utils import sandbox
from ansible_collections.grove.wsgi.plugins.plugin_utils.mpm import Mpm
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import Checked, check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import steps

HOST = {"mount_namespaces": True, "call_filters": True}
IMPLIED = ("SystemCallFilter", "RestrictAddressFamilies", "PrivateDevices", "ProtectClock", "CapabilityBoundingSet")


def record(name: str, **more: Any) -> dict[str, Any]:
    entry = {"module": f"{name}:application"}
    return {"name": name, "source": f"{name}==1", "entry": entry, "listen": 8000 + sum(name.encode()), **more}


def check(*records: dict[str, Any], **settings: Any) -> Checked:
    return check_records(list(records), record_settings.SPEC, dataclasses.replace(record_settings.SETTINGS, **settings))


def work(*records: dict[str, Any], host: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    checked = check(*records, **settings)
    assert [str(problem) for problem in checked.problems] == []
    changed = dataclasses.replace(record_settings.SETTINGS, **settings)
    return steps(checked, changed, HOST if host is None else host)


def unit(lines: list[dict[str, str]]) -> dict[str, str]:
    assert all(line["reason"] for line in lines)
    assert len({line["name"] for line in lines}) == len(lines)
    return {line["name"]: line["value"] for line in lines}


def apache(*records: dict[str, Any], own: dict[str, Any] | None = None, **host: Any) -> dict[str, str]:
    size = {"servers": 2, "threads": 64}
    return unit(apache_sandbox(work(*records)["sandbox"], own or {}, size, {**HOST, **host}))


def timer(sandbox_of_record: dict[str, Any], host: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    timers = {"expire": {"command": "expire", "schedule": "daily"}}
    [values] = work(record("shop", timers=timers, sandbox=sandbox_of_record, **more), host=host)["timers"]
    return unit(values["sandbox"])


def test_a_program_writes_its_applications_folders_alone() -> None:
    values = timer({})
    assert (values["ProtectSystem"], values["ReadWritePaths"]) == ("strict", "-/var/lib/shop -/var/log/shop")
    assert values["CapabilityBoundingSet"] == ""
    assert "AmbientCapabilities" not in values
    assert "MemoryDenyWriteExecute" not in values
    assert values["SystemCallErrorNumber"] == "EPERM"


def test_apache_writes_the_folders_of_all_applications() -> None:
    assert apache(record("shop"))["ReadWritePaths"] == "-/run -/var/cache -/var/lib -/var/log"
    result = work(record("shop"), state_base="/data/state")
    assert result["sandbox"]["ReadWritePaths"] == ("/data/state", "/var/log")


def test_a_record_relaxes_its_programs_and_apache() -> None:
    written = {
        "ReadWritePaths": ["/mnt/covers"],
        "ProtectHome": "read-only",
        "RestrictAddressFamilies": "AF_PACKET",
        "SystemCallFilter": ["@mount"],
        "PrivateDevices": False,
        "MemoryMax": "2G",
        "TasksMax": 20,
        "TemporaryFileSystem": False,
        "InaccessiblePaths": False,
    }
    values = timer(written)
    assert values["ReadWritePaths"] == "-/var/lib/shop -/var/log/shop -/mnt/covers"
    assert (values["MemoryMax"], values["TasksMax"]) == ("2G", "20")
    both = apache(record("shop", sandbox=written), record("blog"))
    assert both["ReadWritePaths"].endswith(" -/mnt/covers")
    assert (both["MemoryMax"], both["TasksMax"]) == ("80%", str(Mpm(2, 64).tasks))
    for one in (values, both):
        assert (one["ProtectHome"], one["PrivateDevices"]) == ("read-only", "no")
        assert one["RestrictAddressFamilies"] == "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET"
        assert one["SystemCallFilter"] == "@system-service @mount"
        assert not {"TemporaryFileSystem", "InaccessiblePaths"} & set(one)
    assert apache(record("blog")) == apache(record("blog", sandbox={"MemoryMax": "1G"}))


def test_apache_gets_the_laxest_value_of_all_records() -> None:
    strict, lax = {"ProtectHome": True, "MemoryDenyWriteExecute": True}, {"ProtectHome": False}
    for order in ((strict, lax), (lax, strict)):
        values = apache(*(record(f"app{number}" * (number + 1), sandbox=one) for number, one in enumerate(order)))
        assert values["ProtectHome"] == "no"
        assert "MemoryDenyWriteExecute" not in values
    assert timer(strict)["MemoryDenyWriteExecute"] == "yes"


def test_a_deployment_of_one_record_keeps_what_its_neighbours_need() -> None:
    neighbour = record("blog", sandbox={"PrivateDevices": False})
    assert work(record("shop"), neighbour, only=("shop",))["sandbox"]["PrivateDevices"] == "no"
    faulty = record("cart", max_body=-1, sandbox={"PrivateDevices": False, "ProtectHome": "perhaps"})
    only = dataclasses.replace(record_settings.SETTINGS, only=("shop",))
    checked = check_records([record("shop"), faulty], record_settings.SPEC, only)
    needed = steps(checked, only, HOST)["sandbox"]
    assert needed == {"ReadWritePaths": ("/var/lib", "/var/log"), "PrivateDevices": "no"}


def test_what_a_record_says_elsewhere_is_possible_in_the_sandbox() -> None:
    assert timer({}, home="/home/shop")["ProtectHome"] == "read-only"
    assert apache(record("shop", home="/home/shop"))["ProtectHome"] == "read-only"
    given = {"tls": "given", "tls_certificate": "/root/a.crt", "tls_key": "/root/a.key"}
    assert apache(record("shop", **given))["ProtectHome"] == "read-only"
    assert work(record("shop"), base="/home/wsgi")["sandbox"]["ProtectHome"] == "read-only"
    assert "CAP_SYS_NICE" in apache(record("shop", daemon_options={"cpu-priority": -5}))["CapabilityBoundingSet"]
    assert "CAP_SYS_NICE" not in apache(record("shop", daemon_options={"cpu-priority": 5}))["CapabilityBoundingSet"]
    values = apache(record("shop", daemon_options={"chroot": "/srv/root"}))
    assert "CAP_SYS_CHROOT" in values["CapabilityBoundingSet"]
    assert values["SystemCallFilter"] == "@system-service chroot"


def test_a_program_may_have_a_capability_or_use_sudo() -> None:
    values = timer({"AmbientCapabilities": ["CAP_NET_BIND_SERVICE"]})
    assert values["AmbientCapabilities"] == values["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    values = timer({"NoNewPrivileges": False})
    assert values["NoNewPrivileges"] == "no"
    assert (values["ProtectSystem"], values["PrivateTmp"]) == ("strict", "yes")
    assert not set(IMPLIED) & set(values)
    # Apache's parent is root, for which systemd sets NoNewPrivileges only where it stands in the unit.
    values = apache(record("shop", sandbox={"NoNewPrivileges": False}))
    assert values["NoNewPrivileges"] == "no"
    assert set(IMPLIED) <= set(values)


def test_the_operator_has_the_last_word() -> None:
    lax = record("shop", sandbox={"ProtectHome": False})
    values = apache(lax, own={"ProtectHome": True, "MemoryMax": "infinity", "SystemCallFilter": False})
    assert (values["ProtectHome"], values["MemoryMax"]) == ("yes", "infinity")
    assert "SystemCallFilter" not in values
    assert apache(own={"ReadWritePaths": ["/var/www"]})["ReadWritePaths"].endswith("-/var/www")
    with pytest.raises(AnsibleFilterError, match=r"httpd_sandbox\.ProtectHome"):
        apache(own={"ProtectHome": "perhaps"})
    [problem] = check(record("shop"), sandbox={"ProtectHom": True}).problems
    assert (problem.record, problem.key) == ("(all)", "httpd_sandbox.ProtectHom")
    assert "did you mean ProtectHome?" in problem.remedy


def test_a_host_without_mount_namespaces_gets_no_directive_that_stops_the_unit() -> None:
    assert "TemporaryFileSystem" in timer({})
    assert "TemporaryFileSystem" not in timer({}, host={})
    assert "TemporaryFileSystem" not in apache(record("shop"), mount_namespaces=False)


def test_a_host_that_cannot_filter_calls_of_accounts_gets_no_directive_that_stops_the_unit() -> None:
    """systemd 255 and newer, in a container without CAP_SYS_ADMIN."""
    values = timer({}, host={"mount_namespaces": False})
    implying = {one.name for one in sandbox.DIRECTIVES if one.implies_no_new_privileges}
    assert implying.isdisjoint(values)
    assert (values["NoNewPrivileges"], values["CapabilityBoundingSet"], values["MemoryMax"]) == ("yes", "", "50%")
    assert not implying.isdisjoint(apache(record("shop"), call_filters=False))


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("ProtectHome", "maybe"),
        ("ProtectHome", ["yes"]),
        ("ProtectHome", None),
        ("PrivateTmp", "yes\nExecStartPre=/bin/sh"),
        ("ProtectProc", True),
        ("ReadWritePaths", []),
        ("ReadWritePaths", "relative"),
        ("ReadWritePaths", ["/mnt/a b"]),
        ("ReadWritePaths", ["/mnt/../etc"]),
        ("ReadWritePaths", ["/mnt/%h"]),
        ("ReadWritePaths", ["/mnt/a\n"]),
        ("ReadWritePaths", ["/"]),
        ("ReadWritePaths", [["/mnt"]]),
        ("ReadWritePaths", False),
        ("ReadWritePaths", {"/mnt": True}),
        ("CapabilityBoundingSet", ["SYS_ADMIN"]),
        ("CapabilityBoundingSet", "~CAP_SYS_ADMIN"),
        ("AmbientCapabilities", False),
        ("RestrictAddressFamilies", "none"),
        ("SystemCallFilter", "~@mount"),
        ("MemoryMax", True),
        ("MemoryMax", 0),
        ("MemoryMax", "2 GB"),
        ("MemoryMax", "150%"),
        ("TasksMax", -1),
        ("TasksMax", "1024\n"),
        ("ExecStart", "/bin/sh"),
        (7, "yes"),
    ],
)
def test_a_value_that_systemd_would_misunderstand_is_refused(directive: Any, value: Any) -> None:
    [problem] = check(record("shop", sandbox={directive: value})).problems
    # A value in a list has its number, as in sandbox.ReadWritePaths[0].
    assert (problem.record, problem.key.partition("[")[0]) == ("shop", f"sandbox.{directive}")


def test_a_sandbox_that_is_no_dictionary_is_refused() -> None:
    for value in ("off", ["ProtectHome"], False):
        [problem] = check(record("shop", sandbox=value)).problems
        assert (problem.record, problem.key) == ("shop", "sandbox")
