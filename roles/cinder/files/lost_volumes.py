"""Let volumes that nobody creates any more become error.

Usage: lost_volumes.py FILE

FILE is cinder.conf. The program looks once, and wsgi/grove_runtime/repeat.py runs it every two minutes.

The scheduler has taken a volume's message from the broker, and then it lost its database, or its host lost power.
Cinder never looks at such a volume again, and it is shown as creating for ever. This program ends volumes that have
reached no backend: after AGE seconds, and when a scheduler that runs has not gone on with them for GRACE seconds. A
volume that has reached a backend becomes error when cinder-volume starts again: only the backend knows how long its
creation may take.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import Any

AGE = 300
"""Seconds after which a volume that has reached no backend is looked at."""
GRACE = 90
"""Seconds that the scheduler then has to go on, with the messages that an outage has kept from it."""
SERVICE_DOWN = 60
"""Seconds without a report after which a scheduler counts as down, as for cinder itself (service_down_time)."""


def ago(seconds: float) -> dt.datetime:
    """Return the time some seconds ago, as the database stores it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(seconds=seconds)


def look(path: str) -> None:
    """End the lost volumes of now."""
    import sqlalchemy as sa
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("connection")], group="database")
    conf([], project="cinder", default_config_files=[path])
    engine = sa.create_engine(conf.database.connection, poolclass=sa.pool.NullPool)
    flag = sa.column("deleted", sa.Boolean)
    volumes = sa.table("volumes", *map(sa.column, ("id", "status", "host", "created_at", "updated_at")), flag)
    services = sa.table("services", sa.column("binary"), sa.column("updated_at"), sa.column("deleted", sa.Boolean))

    def lost() -> Any:
        one = volumes.c
        return sa.and_(one.status == "creating", one.host.is_(None), one.deleted.is_(False), one.created_at < ago(AGE))

    with engine.connect() as connection:
        first = set(connection.scalars(sa.select(volumes.c.id).where(lost())))
    if not first:
        return
    time.sleep(GRACE)
    runs = sa.and_(
        services.c.binary == "cinder-scheduler",
        services.c.deleted.is_(False),
        services.c.updated_at > ago(SERVICE_DOWN),
    )
    with engine.begin() as connection:
        if not connection.scalar(sa.select(sa.func.count()).select_from(services).where(runs)):
            return
        for volume in sorted(first):
            ended = sa.update(volumes).where(lost(), volumes.c.id == volume).values(status="error", updated_at=ago(0))
            if connection.execute(ended).rowcount:
                print(f"volume {volume}: its creation was interrupted and becomes error", flush=True)


if __name__ == "__main__":
    look(sys.argv[1])
