"""The keys of keystone on several API hosts: whether all have the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from served import Host

STATE = "/var/lib/keystone"
FOLDERS = ("fernet-keys", "credential-keys")

READ = """
import hashlib, pathlib, pwd
found = {}
for name in arguments[1:]:
    folder = pathlib.Path(arguments[0], name)
    for path in [folder, *sorted(folder.glob("*"))] if folder.exists() else []:
        status = path.stat()
        text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = [oct(status.st_mode & 0o7777), pwd.getpwuid(status.st_uid).pw_name, text]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Keys:
    """The files of the keys on a host, by path: mode, owner and SHA-256."""

    files: dict[str, list[str]]

    def numbers(self, folder: str) -> list[int]:
        """Return the numbers of the keys in a folder."""
        return sorted(
            int(path.rpartition("/")[2]) for path, one in self.files.items() if f"/{folder}/" in path and one[2]
        )


def keys_of(host: Host) -> Keys:
    """Return the keys of a host."""
    return Keys(host.python(READ, STATE, *FOLDERS))


def assert_same_keys(hosts: Sequence[Host]) -> Keys:
    """All hosts have the same keys, which belong to keystone alone; return them."""
    first = keys_of(hosts[0])
    for name in FOLDERS:
        assert len(first.numbers(name)) >= 2
    for path, (mode, owner, text) in first.files.items():
        assert (mode, owner) == ("0o600" if text else "0o700", "keystone"), path
    for host in hosts[1:]:
        assert keys_of(host) == first, host.name
    return first
