"""The addresses by which OpenSSH reaches the hosts of an inventory."""

from __future__ import annotations

import ipaddress
import re

PROGRAMS = ("ssh", "smart", "ansible.builtin.ssh")
"""The connections that call OpenSSH; the value ``smart`` stands for ``ssh``."""
BRACKETED = re.compile(r"\[(?P<address>[^\[\]]*)\](:(?P<port>[0-9]{1,5}))?")
WITH_PORT = re.compile(r"(?P<address>[^\s:@/\[\]]+):(?P<port>[0-9]{1,5})")


def address_remedy(address: str) -> str:
    """Return what is right in the place of an ``ansible_host`` that OpenSSH cannot use; empty for any other one.

    OpenSSH takes ``name``, ``user@name`` and ``ssh://user@name:port``. It reads brackets and a port after a colon as a
    part of the name, and says that the name cannot be resolved.
    """
    if address != address.strip() or re.search(r"\s", address):
        return "it has to be a host name or an address, without spaces"
    bracketed = BRACKETED.fullmatch(address)
    if bracketed:
        bare = bracketed["address"]
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            bare = ""
        named = f"write {bare} without brackets" if bare else "it has to be a host name or an address, without brackets"
        return named + (f", and ansible_port: {bracketed['port']}" if bracketed["port"] else "")
    with_port = WITH_PORT.fullmatch(address)
    if with_port:
        return f"write {with_port['address']}, and ansible_port: {with_port['port']}"
    return ""
