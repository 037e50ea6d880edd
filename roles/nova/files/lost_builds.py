"""Let servers that nobody builds any more become ERROR.

Usage: lost_builds.py FILE

FILE is nova.conf. The program looks once, and wsgi/grove_runtime/repeat.py runs it every two minutes.

The conductor has taken a build from the broker, and then it lost its database, or its host lost power. Nova never looks
at such a build again, and the server is shown as BUILD for ever. Nova's own instance_build_timeout ends builds that
have reached a compute. This program ends those that have not: after AGE seconds, once the conductor answers, and when
the conductor has not gone on with them for GRACE seconds.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import time
from typing import Any

AGE = 300
"""Seconds after which a build that has reached no compute is looked at: the longest wait for an answer is 60."""
GRACE = 90
"""Seconds that the conductor then has to go on, with the messages that an outage has kept from it."""
REASON = "The build was interrupted, and nobody continues it. Delete this server and create it again."


def is_needed(path: str) -> bool:
    """Return whether there is an old build. Asks the databases alone, since loading nova takes seconds."""
    from oslo_config import cfg
    from sqlalchemy import create_engine, pool, text

    conf = cfg.ConfigOpts()
    options = [cfg.StrOpt("connection")]
    for section in ("api_database", "database"):
        conf.register_opts(options, group=section)
    conf([], project="nova", default_config_files=[path])
    queries = {
        "api_database": "SELECT count(*) FROM build_requests WHERE created_at < :before",
        "database": "SELECT count(*) FROM instances WHERE vm_state = 'building' AND host IS NULL AND deleted = 0"
        " AND created_at < :before",
    }
    for section, query in queries.items():
        engine = create_engine(conf[section].connection, poolclass=pool.NullPool)
        with engine.connect() as connection:
            if connection.execute(text(query), {"before": before()}).scalar():
                return True
    return False


def before() -> dt.datetime:
    """Return the time before which a build is old, as the databases store it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(seconds=AGE)


class Builds:
    """The old builds that have reached no compute."""

    def __init__(self, path: str) -> None:
        from nova import config, objects

        config.parse_args(["nova-conductor", "--config-file", path], default_config_files=[path])
        objects.register_all()

    def old(self) -> dict[str, Any]:
        """Return build requests, and instances in cells, by the servers' ids."""
        from nova import context, objects

        admin = context.get_admin_context()
        found: dict[str, Any] = {}
        for cell in objects.CellMappingList.get_all(admin):
            if cell.is_cell0():
                continue
            with context.target_cell(admin, cell) as targeted:
                filters = {"vm_state": "building", "deleted": False}
                for instance in objects.InstanceList.get_by_filters(targeted, filters, expected_attrs=[]):
                    if instance.host is None and instance.created_at.replace(tzinfo=None) < before():
                        found[instance.uuid] = (cell, instance)
        for request in objects.BuildRequestList.get_all(admin):
            if request.created_at.replace(tzinfo=None) < before():
                found.setdefault(request.instance_uuid, request)
        return found

    def end(self, build: Any) -> None:
        """Let a server become ERROR, with the reason as its fault."""
        from nova import context, exception, objects
        from nova.compute import utils
        from nova.conductor import manager

        admin = context.get_admin_context()
        error = exception.NovaException(REASON)
        if not isinstance(build, tuple):
            specification = objects.RequestSpec.get_by_instance_uuid(admin, build.instance_uuid)
            manager.ComputeTaskManager()._bury_in_cell0(
                admin,
                specification,
                error,
                build_requests=[build],
                block_device_mapping=build.block_device_mappings,
                tags=build.tags,
            )
            return
        cell, instance = build
        mapping = objects.InstanceMapping.get_by_instance_uuid(admin, instance.uuid)
        if mapping.cell_mapping is None:
            mapping.cell_mapping = cell
            mapping.save()
        with contextlib.suppress(exception.BuildRequestNotFound):
            objects.BuildRequest.get_by_instance_uuid(admin, instance.uuid).destroy()
        with context.target_cell(admin, cell) as targeted:
            fresh = objects.Instance.get_by_uuid(targeted, instance.uuid)
            if fresh.host is None and fresh.vm_state == "building":
                fresh.vm_state, fresh.task_state = "error", None
                fresh.save()
                utils.add_instance_fault_from_exc(targeted, fresh, error)


def look(path: str) -> None:
    """End the lost builds of now."""
    if not is_needed(path):
        return
    from nova import conductor, context

    builds = Builds(path)
    first = builds.old()
    if not first:
        return
    # The conductor has taken the older messages of its queue when it answers.
    conductor.API().wait_until_ready(context.get_admin_context())
    time.sleep(GRACE)
    for server, build in builds.old().items():
        if server in first:
            print(f"server {server}: its build was interrupted and becomes ERROR", flush=True)
            builds.end(build)


if __name__ == "__main__":
    look(sys.argv[1])
