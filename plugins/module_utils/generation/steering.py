"""Which of two generations gets new connections: a program of the kernel on the listening sockets that they share.

All listening sockets of one address and port with SO_REUSEPORT are a group. They have numbers in the order in which
they began to listen; when one closes, the last takes its number. A program of one instruction returns the number of the
socket that gets a connection. If there is no such number, the kernel chooses by a hash of the addresses.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import GenerationError
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

SO_ATTACH_REUSEPORT_CBPF = 51
"""A number of Linux that Python does not name (include/uapi/asm-generic/socket.h)."""
PIDFD_GETFD = 438
"""The number of the system call on every architecture that is newer than alpha."""
BPF_RETURN = 0x06
"""BPF_RET | BPF_K: return a number (include/uapi/linux/bpf_common.h)."""
INTERNET = (socket.AF_INET, socket.AF_INET6)
Address = tuple[str, int]

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def listening_sockets(pid: int) -> Iterator[dict[Address, socket.socket]]:
    """Copy the listening TCP sockets of a process, by address and port, and close the copies at the end.

    Raises GenerationError when the kernel does not let this process have them.
    """
    with ExitStack() as stack:
        handle = os.pidfd_open(pid)
        stack.callback(os.close, handle)
        found: dict[Address, socket.socket] = {}
        for name in os.listdir(processes.PROC / str(pid) / "fd"):
            if not _is_socket(pid, name):
                continue
            copied = _libc.syscall(PIDFD_GETFD, handle, int(name), 0)
            if copied < 0:
                error = ctypes.get_errno()
                raise GenerationError(
                    f"the kernel does not show the listening sockets of process {pid} (pidfd_getfd:"
                    f" {os.strerror(error)}); SELinux's deny_ptrace or kernel.yama.ptrace_scope=3 forbid that"
                )
            one = stack.enter_context(socket.socket(fileno=copied))
            if one.family in INTERNET and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                address, port = one.getsockname()[:2]
                found[address, port] = one
        yield found


def shares_ports(pid: int) -> bool:
    """Return whether a second Apache can listen beside the process: all its sockets allow that, and there is one."""
    with listening_sockets(pid) as sockets:
        return bool(sockets) and all(one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for one in sockets.values())


def steer(target: int, other: int | None) -> None:
    """Let new connections go to the Apache whose parent is ``target``, of which ``other`` listens beside it.

    ``other`` began to listen before ``target``; None if there is none.
    """
    with listening_sockets(target) as own:
        shared: set[Address] = set()
        if other is not None:
            with listening_sockets(other) as others:
                shared = set(others)
        for address, one in own.items():
            _attach(one, 1 if address in shared else 0)


def admit(target: int, *, only: Collection[Address] = ()) -> None:
    """Let new connections go to the Apache whose parent is ``target``, and not to those that listened before it.

    This needs no parent of the other ones, which may have been killed. ``keep`` has to follow when these sockets are
    closed. only: at these addresses alone.
    """
    with listening_sockets(target) as own:
        for address, one in own.items():
            # Where nobody else listens, there is no socket with this number, and the only one gets the connections.
            _attach(one, 1 if not only or address in only else 0)


def keep(current: int) -> None:
    """Let new connections go on to the Apache whose parent is ``current``, although another begins to listen."""
    with listening_sockets(current) as own:
        for one in own.values():
            _attach(one, 0)


def _attach(listener: socket.socket, number: int) -> None:
    instruction = ctypes.create_string_buffer(struct.pack("=HBBI", BPF_RETURN, 0, 0, number))
    program = struct.pack("@HP", 1, ctypes.addressof(instruction))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)


def _is_socket(pid: int, name: str) -> bool:
    try:
        return os.readlink(processes.PROC / str(pid) / "fd" / name).startswith("socket:")
    except OSError:
        return False
