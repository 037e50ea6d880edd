"""The facts of a host that Grove needs before anything else, from a few small files of the host."""

from __future__ import annotations

import re
import shlex

COMMAND = """\
cat /etc/os-release
read -r version </etc/debian_version && printf '\\nhost_version=%s\\n' "$version"
read -r program </proc/1/comm && printf 'host_first=%s\\n' "$program"
for path in /usr/bin/apt-get /usr/bin/rpm /sys/fs/selinux/enforce; do
    [ ! -e "$path" ] || echo "host_has_${path##*/}=yes"
done
"""
"""What a shell of the host is asked; it takes a hundredth of the time of M(ansible.builtin.setup)."""

SUBSETS = ("!all", "!min", "distribution", "pkg_mgr", "selinux", "service_mgr")
"""The subsets of M(ansible.builtin.setup) with the same facts."""

NAMES = {"debian": "Debian", "ubuntu": "Ubuntu"}
VERSION = re.compile(r"[0-9]+(\.[0-9]+)?$")


def facts_of(answer: str) -> dict[str, object]:
    """Return the facts that :data:`COMMAND` has printed, with the names and values of M(ansible.builtin.setup).

    Empty for all but Debian and Ubuntu with systemd and without SELinux: the others have more cases, and that module
    knows them.
    """
    try:
        values = dict(word.split("=", 1) for word in shlex.split(answer, comments=True) if "=" in word)
    except ValueError:
        return {}
    name = NAMES.get(values.get("ID", ""))
    release, version = values.get("VERSION_CODENAME"), values.get("VERSION_ID", "")
    plain = values.get("host_has_apt-get") and not values.keys() & {"host_has_rpm", "host_has_enforce"}
    if not name or not release or not plain or values.get("host_first") != "systemd" or not VERSION.match(version):
        return {}
    if name == "Debian":
        # Only this file has the number of the point release. Before a release it has a name.
        version = values.get("host_version", "")
        if not VERSION.match(version):
            return {}
    return {
        "ansible_distribution": name,
        "ansible_distribution_major_version": version.split(".")[0],
        "ansible_distribution_release": release,
        "ansible_distribution_version": version,
        "ansible_os_family": "Debian",
        "ansible_pkg_mgr": "apt",
        "ansible_selinux": {"status": "disabled"},
        "ansible_service_mgr": "systemd",
    }
