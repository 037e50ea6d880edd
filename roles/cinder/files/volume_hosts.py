"""Refuse a cinder-volume that would leave volumes to a host name which nobody has any more.

Usage: volume_hosts.py FILE

FILE is cinder.conf. Cinder sends the requests for a volume to the cinder-volume whose host and backend are those of the
volume. When several hosts get cinder, their cinder-volume gets one name for all of them (backend_host), and the volumes
that the single host has made have that host's name. This program ends with an error if there are such volumes.
"""

from __future__ import annotations

import configparser
import sys


def strays(hosts: list[str], names: dict[str, str]) -> dict[str, int]:
    """Return how many volumes have another host than the backend's, by that host.

    hosts: those of all volumes, as HOST@BACKEND or HOST@BACKEND#POOL. names: the host of each backend.
    """
    found: dict[str, int] = {}
    for text in hosts:
        host, _, backend = text.partition("#")[0].partition("@")
        if names.get(backend, host) != host:
            found[host] = found.get(host, 0) + 1
    return found


def look(path: str) -> None:
    """Compare the volumes with the file at ``path``. Raises SystemExit with what to do for volumes of other hosts."""
    import sqlalchemy as sa

    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    with open(path, encoding="utf-8") as stream:
        parser.read_file(stream)
    backends = [name.strip() for name in parser.get("DEFAULT", "enabled_backends").split(",")]
    names = {name: parser.get(name, "backend_host") for name in backends if parser.has_option(name, "backend_host")}
    engine = sa.create_engine(parser.get("database", "connection"), poolclass=sa.pool.NullPool)
    volumes = sa.table("volumes", sa.column("host"), sa.column("deleted", sa.Boolean))
    query = sa.select(volumes.c.host).where(volumes.c.host.is_not(None), volumes.c.deleted.is_(False))
    with engine.connect() as connection:
        hosts = list(connection.scalars(query))
    if found := strays(hosts, names):
        counts = ", ".join(f"{number} of {host}" for host, number in sorted(found.items()))
        most = max(found, key=lambda host: found[host])
        sys.exit(
            f"there are volumes of other hosts than {', '.join(sorted(set(names.values())))}: {counts}. No"
            f" cinder-volume would serve them. Set cinder_volume_host to {most}, or give the volumes the new name first"
            " (cinder-manage volume update_host), as docs/scaling.md says"
        )


if __name__ == "__main__":
    look(sys.argv[1])
