"""Give a fresh machine the identity that nova-compute had on a host of its name.

Usage: compute_identity.py FILE

FILE is nova.conf. Nova keeps the identity of a host's compute in the file ``compute_id`` of its state, and in the
table ``compute_nodes``. Where the table has the host, and the file is lost, nova-compute refuses to start. So this
program writes the file on a machine that takes the place of a lost host, or that follows a restored database. It runs
once on a host, before its first nova-compute. A file that is lost later stays lost, as nova wants it: the state may
only be unmounted.
"""

from __future__ import annotations

import os
import socket
import sys


def identities(connection_url: str, host: str) -> list[str]:
    """Return the ids of a host's computes; empty for a database without nova's tables. Raises sqlalchemy's errors."""
    import sqlalchemy as sa

    nodes = sa.table("compute_nodes", sa.column("uuid"), sa.column("host"), sa.column("deleted"))
    engine = sa.create_engine(connection_url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("compute_nodes"):
            return []
        query = sa.select(nodes.c.uuid).where(nodes.c.host == host, nodes.c.deleted == 0)
        return sorted(connection.scalars(query))


def restore(path: str) -> str:
    """Write the file that the configuration at ``path`` needs; return what was done. Raises OSError."""
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("host", default=socket.gethostname()), cfg.StrOpt("state_path")])
    conf.register_opts([cfg.StrOpt("connection")], group="database")
    conf([], project="nova", default_config_files=[path])
    target = os.path.join(conf.state_path, "compute_id")
    if os.path.lexists(target):
        return f"{target} exists"
    known = identities(conf.database.connection, conf.host)
    if not known:
        return f"nova knows no compute of {conf.host}, so nova-compute makes an identity"
    if len(known) > 1:
        return f"nova knows several computes of {conf.host}, and {target} has to be written by hand: {', '.join(known)}"
    with open(target, "x", encoding="ascii") as stream:
        stream.write(known[0])
    return f"{target} has the identity {known[0]} that nova knows of {conf.host}"


if __name__ == "__main__":
    print(restore(sys.argv[1]))
