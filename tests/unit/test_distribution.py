"""The facts of a host that one command of its shell tells."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.distribution import COMMAND, facts_of

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
BUG_REPORT_URL="https://bugs.debian.org/"

host_version=12.15
host_first=systemd
host_has_apt-get=yes
"""
UBUNTU = """\
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian

host_version=trixie/sid
host_first=systemd
host_has_apt-get=yes
"""
# What the module setup tells of such hosts.
COMMON = {
    "ansible_os_family": "Debian",
    "ansible_pkg_mgr": "apt",
    "ansible_selinux": {"status": "disabled"},
    "ansible_service_mgr": "systemd",
}


def test_debian_and_ubuntu_have_the_facts_of_setup() -> None:
    assert facts_of(DEBIAN) == {
        **COMMON,
        "ansible_distribution": "Debian",
        "ansible_distribution_major_version": "12",
        "ansible_distribution_release": "bookworm",
        "ansible_distribution_version": "12.15",
    }
    assert facts_of(UBUNTU) == {
        **COMMON,
        "ansible_distribution": "Ubuntu",
        "ansible_distribution_major_version": "24",
        "ansible_distribution_release": "noble",
        "ansible_distribution_version": "24.04",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ID=debian", "ID=rocky"),
        ("ID=debian", "ID='debian"),
        ("host_first=systemd", "host_first=init"),
        ("host_has_apt-get=yes\n", ""),
        ("host_has_apt-get=yes", "host_has_apt-get=yes\nhost_has_rpm=yes"),
        ("host_has_apt-get=yes", "host_has_apt-get=yes\nhost_has_enforce=yes"),
        ("host_version=12.15", "host_version=forky/sid"),
        ("VERSION_CODENAME=bookworm\n", ""),
        ('VERSION_ID="12"\n', ""),
    ],
)
def test_any_other_host_is_left_to_setup(old: str, new: str) -> None:
    assert old in DEBIAN
    assert facts_of(DEBIAN.replace(old, new)) == {}


def test_the_command_prints_what_this_machine_has() -> None:
    printed = subprocess.run(["sh", "-c", COMMAND], capture_output=True, text=True, check=False).stdout
    with open("/proc/1/comm") as file:
        assert f"host_first={file.read().strip()}\n" in printed
    with open("/etc/os-release") as file:
        assert printed.startswith(file.read())
