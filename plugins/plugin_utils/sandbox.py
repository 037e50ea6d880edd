"""The sandbox of Apache's unit of systemd, and of the units of agents and timers.

``DIRECTIVES`` is the one place for what is set, to which value, and why; the units show the reasons as comments. A
record relaxes its programs' units by its key ``sandbox``. The daemon processes of all applications run in Apache's
unit, which therefore gets the laxest value of all records.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .mpm import DESCRIPTORS, Mpm

# What a directive is set to: one value, the elements of a list, or None for no restriction.
Value = str | tuple[str, ...] | None

UNLIMITED = "infinity"
HOMES = ("/home", "/root", "/run/user")
SWITCH = ("yes", "no")
SHARED_MEMORY = "/dev/shm:rw,nosuid,nodev,mode=1777,size=25%"
SYSTEM_BUS = "-/run/dbus/system_bus_socket"


@dataclass(frozen=True)
class Directive:
    """A directive of systemd and its reason.

    apache, program: the value in Apache's unit, and in a unit of an agent or a timer; None if it is not set there.
    values: the values that a directive may have, from the strictest to the laxest. element: what an element of a list
    looks like; a record adds elements. quantity: what a number looks like. implies_no_new_privileges: systemd sets
    NoNewPrivileges for a unit with an account and this directive. own_mounts: the directive needs a mount namespace,
    and systemd refuses to start the unit where the host can make none, as in a container.
    """

    name: str
    reason: str
    apache: Value
    program: Value
    values: tuple[str, ...] = ()
    element: re.Pattern[str] | None = None
    quantity: re.Pattern[str] | None = None
    expected: str = ""
    implies_no_new_privileges: bool = False
    own_mounts: bool = False


PATH = re.compile(r"/(?!\.\.?(/|$))[A-Za-z0-9_.@+=,-]+(/(?!\.\.?(/|$))[A-Za-z0-9_.@+=,-]+)*")
CAPABILITY = re.compile(r"CAP_[A-Z_]+")
FAMILY = re.compile(r"AF_[A-Z0-9]+")
SYSTEM_CALL = re.compile(r"@?[a-z0-9][a-z0-9_-]*")
SIZE = re.compile(r"[1-9][0-9]*[KMGT]?|[1-9][0-9]?%|100%|infinity")
COUNT = re.compile(r"[1-9][0-9]*|[1-9][0-9]?%|100%|infinity")

DIRECTIVES = (
    Directive(
        "ProtectSystem",
        "Everything is read-only but the folders below: programs, settings and releases stay as root has made them.",
        *("strict", "strict"),
        values=("strict", "full", "yes", "no"),
    ),
    # Apache has whole folders of the host, for applications that come after its start: the list is read at the start. A
    # program has its application's folders, which come from the caller.
    Directive(
        "ReadWritePaths",
        "What may be written where the account may, too: state, logs, caches, sockets.",
        *(("/run", "/var/cache", "/var/lib", "/var/log"), ()),
        element=PATH,
        expected="absolute paths of letters, digits and ._@+=,-",
    ),
    Directive(
        "ProtectHome",
        "The homes of people are none of an application's business.",
        *("yes", "yes"),
        values=("yes", "tmpfs", "read-only", "no"),
    ),
    Directive("PrivateTmp", "/tmp and /var/tmp are the unit's own.", *("yes", "yes"), values=SWITCH),
    Directive(
        "TemporaryFileSystem",
        "Shared memory (/dev/shm) is the unit's own, and takes a quarter of the memory at most.",
        *(SHARED_MEMORY, SHARED_MEMORY),
        values=(SHARED_MEMORY, "no"),
        own_mounts=True,
    ),
    Directive(
        "PrivateIPC",
        "Queues and shared memory of System V and POSIX queues are the unit's own.",
        *("yes", "yes"),
        values=SWITCH,
    ),
    Directive(
        "PrivateDevices",
        "No disks, no memory, no other device than null, zero, random and the like.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "InaccessiblePaths",
        "Over the system bus every account can ask systemd about all units.",
        *(SYSTEM_BUS, SYSTEM_BUS),
        values=(SYSTEM_BUS, "no"),
    ),
    Directive(
        "ProtectProc",
        "A process sees no other account's processes, nor their command lines.",
        *("invisible", "invisible"),
        values=("ptraceable", "invisible", "noaccess", "default"),
    ),
    Directive(
        "ProtectKernelTunables",
        "/proc/sys and /sys are root's to change, from outside.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "ProtectKernelModules",
        "A web server loads no code into the kernel.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "ProtectKernelLogs",
        "The kernel's log shows addresses that an attack needs.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "ProtectControlGroups",
        "The limits below are not to be lifted from inside.",
        *("yes", "yes"),
        values=SWITCH,
    ),
    Directive(
        "ProtectClock",
        "Tokens and certificates depend on the clock.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "ProtectHostname",
        "The host keeps its name.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "NoNewPrivileges",
        "No program of the unit gains rights by a setuid bit: no sudo, su or mount.",
        *("yes", "yes"),
        values=SWITCH,
    ),
    Directive(
        "CapabilityBoundingSet",
        "Of root's rights, Apache's parent needs these: NET_BIND_SERVICE binds ports below 1024; SETUID and SETGID"
        " start daemon processes as their accounts, and KILL ends them; CHOWN, FOWNER and DAC_OVERRIDE make sockets and"
        " locks in folders of other accounts. Programs of applications need none.",
        (
            *("CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"),
            *("CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE"),
        ),
        (),
        element=CAPABILITY,
        expected="names of capabilities such as CAP_NET_RAW",
    ),
    Directive(
        "AmbientCapabilities",
        "Rights of root that the programs have, by the record's own wish.",
        None,
        (),
        element=CAPABILITY,
        expected="names of capabilities such as CAP_NET_BIND_SERVICE",
    ),
    Directive(
        "RestrictSUIDSGID",
        "No process leaves a setuid program behind.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "RestrictNamespaces",
        "In a user namespace, everybody reaches the parts of the kernel that only root should reach.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "RestrictRealtime",
        "A realtime process can stop all others.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "RestrictAddressFamilies",
        "Sockets of the network and of the host. C libraries list addresses with NETLINK.",
        *(("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"), ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK")),
        element=FAMILY,
        expected="names of address families such as AF_PACKET",
        implies_no_new_privileges=True,
    ),
    Directive(
        "LockPersonality",
        "The personality of old programs weakens the protection of memory.",
        *("yes", "yes"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "SystemCallArchitectures",
        "Calls of another architecture would pass by the next filter.",
        *("native", "native"),
        values=("native", "no"),
        implies_no_new_privileges=True,
    ),
    Directive(
        "SystemCallFilter",
        "The calls of a usual service: none that mounts, traces, loads modules, reboots or sets the clock.",
        *(("@system-service",), ("@system-service",)),
        element=SYSTEM_CALL,
        expected="names of system calls or of groups such as @mount",
        implies_no_new_privileges=True,
    ),
    Directive(
        "MemoryDenyWriteExecute",
        "Compilers at run time write code and run it; others need not.",
        *("no", "no"),
        values=SWITCH,
        implies_no_new_privileges=True,
    ),
    Directive(
        "MemoryMax",
        "A program that takes too much memory is ended, and the host goes on.",
        *("80%", "50%"),
        quantity=SIZE,
        expected="a number of bytes, with K, M, G or T, a percentage, or infinity",
    ),
    Directive(
        "TasksMax",
        "A program that starts itself again and again stops here.",
        # Apache has the tasks of its workers, and some for its applications: Mpm.tasks.
        *(None, "1024"),
        quantity=COUNT,
        expected="a number, a percentage, or infinity",
    ),
)
BY_NAME = {directive.name: directive for directive in DIRECTIVES}
# Limits of one unit: a record's own concern its programs, and not Apache.
OF_ONE_UNIT = frozenset({"AmbientCapabilities", "MemoryMax", "TasksMax"})


def problems_of(written: Mapping[Any, Any]) -> list[tuple[str, object, str]]:
    """Return the faults of a ``sandbox`` as it was written: the directive, the actual value and the remedy."""
    problems: list[tuple[str, object, str]] = []
    for name, value in written.items():
        directive = BY_NAME.get(str(name))
        if directive is None:
            near = difflib.get_close_matches(str(name), list(BY_NAME), n=1)
            hint = f"did you mean {near[0]}?" if near else f"the directives are {', '.join(BY_NAME)}"
            problems.append((str(name), value, f"Grove sets no directive of that name; {hint}"))
        elif not _is_usable(directive, value):
            problems.append((directive.name, value, _remedy(directive)))
    return problems


def usable(written: Mapping[Any, Any]) -> dict[str, Value]:
    """Return the directives of a ``sandbox`` without those that have a fault, with systemd's own values."""
    return {
        str(name): _value(BY_NAME[str(name)], value)
        for name, value in written.items()
        if str(name) in BY_NAME and _is_usable(BY_NAME[str(name)], value)
    }


def laxest(sandboxes: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    """Return the laxest value of each directive that one of the sandboxes has."""
    result: dict[str, Value] = {}
    for sandbox in sandboxes:
        for name, value in sandbox.items():
            result[name] = _laxer(BY_NAME[name], result[name], value) if name in result else value
    return result


def needed_by(record_sandbox: Mapping[Any, Any], paths: Iterable[str], options: Mapping[str, str]) -> dict[str, Value]:
    """Return what the daemon processes of one record need of Apache's unit.

    paths: what these processes read, or write. options: the record's options of WSGIDaemonProcess.
    """
    needed = [{name: value for name, value in usable(record_sandbox).items() if name not in OF_ONE_UNIT}]
    if any(_is_below(path, HOMES) for path in paths):
        needed.append({"ProtectHome": "read-only"})
    if options.get("cpu-priority", "0").startswith("-"):
        needed.append({"CapabilityBoundingSet": ("CAP_SYS_NICE",)})
    if "chroot" in options:
        needed.append({"CapabilityBoundingSet": ("CAP_SYS_CHROOT",), "SystemCallFilter": ("chroot",)})
    return laxest(needed)


def apache_unit(
    needed: Mapping[str, Value], own: Mapping[Any, Any], size: Mpm, *, own_mounts: bool
) -> list[dict[str, str]]:
    """Return the lines of Apache's unit: each has ``name``, ``value`` and ``reason``.

    needed: what the applications need. own: the operator's variable ``httpd_sandbox``, which has the last word.
    own_mounts: whether systemd can make mount namespaces on the host.
    """
    values = laxest([{one.name: one.apache for one in DIRECTIVES if one.apache is not None}, needed])
    values["TasksMax"] = str(size.tasks)
    values |= _over(values, usable(own))
    lines = _lines(values, own_mounts=own_mounts)
    lines.append(
        {
            "name": "LimitNOFILE",
            "value": str(DESCRIPTORS),
            "reason": "Connections, sockets to applications and files of buffers of one process.",
        }
    )
    lines.append(
        {
            "name": "OOMPolicy",
            "value": "continue",
            "reason": "A daemon process that the kernel ends for want of memory does not end Apache.",
        }
    )
    return lines


def program_unit(
    own: Mapping[Any, Any], writable: Iterable[str], read: Iterable[str], *, own_mounts: bool, call_filters: bool
) -> list[dict[str, str]]:
    """Return the lines of the unit of an agent or a timer, as ``apache_unit`` does.

    own: the record's key ``sandbox``. writable: the folders that the programs write; ``read``: those that they read.
    call_filters: whether systemd can filter the system calls of a unit with an account; nearly all directives do.
    """
    values: dict[str, Value] = {one.name: one.program for one in DIRECTIVES}
    values["ReadWritePaths"] = tuple(writable)
    if any(_is_below(path, HOMES) for path in (*writable, *read)):
        values["ProtectHome"] = "read-only"
    written = usable(own)
    values |= _over(values, written)
    ambient = written.get("AmbientCapabilities")
    if isinstance(ambient, tuple) and isinstance(values["CapabilityBoundingSet"], tuple):
        values["CapabilityBoundingSet"] = tuple(dict.fromkeys((*values["CapabilityBoundingSet"], *ambient)))
    if not ambient:
        del values["AmbientCapabilities"]
    omitted: set[str] = set()
    if values["NoNewPrivileges"] == "no" or not call_filters:
        # systemd filters system calls for these, and sets NoNewPrivileges for that in a unit with an account.
        omitted |= {one.name for one in DIRECTIVES if one.implies_no_new_privileges}
    if values["NoNewPrivileges"] == "no":
        # sudo needs root's rights.
        omitted.add("CapabilityBoundingSet")
    values = {name: value for name, value in values.items() if name not in omitted}
    return _lines(values, own_mounts=own_mounts)


def _over(values: Mapping[str, Value], written: Mapping[str, Value]) -> dict[str, Value]:
    """Return what the written values make of ``values``: a list is added to, another value is replaced."""
    return {
        name: _laxer(BY_NAME[name], values.get(name, ()), value) if isinstance(value, tuple) else value
        for name, value in written.items()
    }


def _lines(values: Mapping[str, Value], *, own_mounts: bool) -> list[dict[str, str]]:
    lines = []
    for directive in DIRECTIVES:
        value = values.get(directive.name)
        omitted = value is None or (value == "no" and "yes" not in directive.values)
        unset = value == "no" and directive.apache == "no"
        if omitted or unset or (directive.own_mounts and not own_mounts):
            continue
        # A folder that is not there stops no unit.
        mark = "-" if directive.name == "ReadWritePaths" else ""
        text = " ".join(mark + element for element in value) if isinstance(value, tuple) else str(value)
        lines.append({"name": directive.name, "value": text, "reason": directive.reason})
        if directive.name == "SystemCallFilter":
            reason = "A refused call is an error that the program sees, and does not end it."
            lines.append({"name": "SystemCallErrorNumber", "value": "EPERM", "reason": reason})
    return lines


def _laxer(directive: Directive, one: Value, other: Value) -> Value:
    if one is None or other is None:
        return None
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(dict.fromkeys((*one, *other)))
    if directive.values:
        return max(one, other, key=lambda value: directive.values.index(str(value)))
    return other


def _is_usable(directive: Directive, value: object) -> bool:
    if directive.element is not None:
        if value is False:
            return directive.name not in ("ReadWritePaths", "AmbientCapabilities")
        elements = [value] if isinstance(value, str) else value
        return (
            isinstance(elements, (list, tuple))
            and bool(elements)
            and all(isinstance(element, str) and directive.element.fullmatch(element) for element in elements)
        )
    if directive.quantity is not None:
        return not isinstance(value, bool) and directive.quantity.fullmatch(str(value)) is not None
    is_default = value is True and "no" in directive.values
    return is_default or _word(value) in directive.values


def _value(directive: Directive, value: Any) -> Value:
    if directive.element is not None:
        if value is False:
            return None
        return (value,) if isinstance(value, str) else tuple(value)
    if value is True and "yes" not in directive.values and directive.values:
        return directive.values[0]
    return _word(value)


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _remedy(directive: Directive) -> str:
    if directive.element is not None:
        allowed = directive.name not in ("ReadWritePaths", "AmbientCapabilities")
        return f"it has to be a list of {directive.expected}{', or false for no restriction' if allowed else ''}"
    if directive.quantity is not None:
        return f"it has to be {directive.expected}"
    if directive.values == SWITCH or len(directive.values) == 2:
        return "it has to be true or false"
    return f"it has to be one of {', '.join(directive.values)}"


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
