"""Let servers that nobody builds any more become ERROR.

Usage: lost_builds.py FILE

FILE is nova.conf. The program looks once, and wsgi/grove_runtime/repeat.py runs it every two minutes.

The conductor has taken a build from the broker, and then it lost its database, or its host lost power. Nova never looks
at such a build again, and the server is shown as BUILD for ever. Nova's own instance_build_timeout ends builds that
have reached a compute. This program ends those that have not: after AGE seconds, once the conductor answers, and when
the conductor has not gone on with them for GRACE seconds.

The conductor writes an instance, its mapping and its state in transactions of their own, in two databases. So an
interrupted build is in one of these states:

* a build request alone;
* a build request and an instance that is not mapped to its cell, in a cell or in cell0;
* a build request and an instance that is mapped;
* an instance that no compute has, in a cell, or in cell0 where the conductor buries what cannot be scheduled.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

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

    def values(url: str, query: str) -> list[Any]:
        engine = create_engine(url, poolclass=pool.NullPool)
        with engine.connect() as connection:
            return list(connection.execute(text(query), {"before": before()} if ":before" in query else {}).scalars())

    api = conf.api_database.connection
    if values(api, "SELECT id FROM build_requests WHERE created_at < :before"):
        return True
    query = (
        "SELECT id FROM instances WHERE vm_state = 'building' AND host IS NULL AND deleted = 0 AND created_at < :before"
    )
    cells = values(api, "SELECT database_connection FROM cell_mappings")
    return any(values(completed(cell, conf.database.connection), query) for cell in cells)


def completed(template: str, default: str) -> str:
    """Return a cell's URL. Nova completes a template from the parts of [database] connection."""
    parts = urlsplit(default)
    names = ("scheme", "username", "password", "hostname", "port", "query", "fragment")
    return template.format(path=parts.path.lstrip("/"), **{name: getattr(parts, name) for name in names})


def before() -> dt.datetime:
    """Return the time before which a build is old, as the databases store it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(seconds=AGE)


class Builds:
    """The old builds that have reached no compute."""

    def __init__(self, path: str) -> None:
        from nova import config, context, objects

        config.parse_args(["nova-conductor", "--config-file", path], default_config_files=[path])
        objects.register_all()
        self._admin = context.get_admin_context()
        self._cells = list(objects.CellMappingList.get_all(self._admin))

    def old(self) -> set[str]:
        """Return the servers' ids."""
        from nova import objects

        servers = set()
        for _, targeted in self._targeted():
            filters = {"vm_state": "building", "deleted": False}
            for instance in objects.InstanceList.get_by_filters(targeted, filters, expected_attrs=[]):
                if is_unbuilt(instance) and instance.created_at.replace(tzinfo=None) < before():
                    servers.add(instance.uuid)
        for request in objects.BuildRequestList.get_all(self._admin):
            if request.created_at.replace(tzinfo=None) < before():
                servers.add(request.instance_uuid)
        return servers

    def end(self, server: str) -> str:
        """Let a server become ERROR, with the reason as its fault. Returns what was done."""
        from nova import exception, objects
        from nova.compute import utils

        error = exception.NovaException(REASON)
        request = found(objects.BuildRequest.get_by_instance_uuid, self._admin, server)
        mapping = found(objects.InstanceMapping.get_by_instance_uuid, self._admin, server)
        instances = {
            cell.uuid: instance
            for cell, targeted in self._targeted()
            if (instance := found(objects.Instance.get_by_uuid, targeted, server, expected_attrs=[])) is not None
        }
        mapped = mapping.cell_mapping.uuid if mapping and mapping.cell_mapping else None
        if not instances and request and mapping and not mapped:
            self._bury(request, error)
            return "its build was interrupted and becomes ERROR"
        chosen = chosen_cell(instances, mapped)
        done = "its build had an end, and its build request is removed"
        for cell, targeted in self._targeted():
            if (instance := instances.get(cell.uuid)) is None:
                continue
            if cell.uuid != chosen and (cell.is_cell0() or is_unbuilt(instance)):
                # The API shows the server of one cell. Another record of the same server is what a break has left.
                objects.Instance.get_by_uuid(targeted, server).destroy()
            elif cell.uuid == chosen and is_unbuilt(instance):
                instance.vm_state, instance.task_state = "error", None
                instance.save()
                utils.add_instance_fault_from_exc(targeted, instance, error)
                done = "its build was interrupted and becomes ERROR"
            if cell.uuid == chosen and mapping and not mapped:
                mapping.cell_mapping = cell
                mapping.save()
        if request:
            # The API shows a server as BUILD as long as its request exists.
            found(request.destroy)
        return done

    def _bury(self, request: Any, error: Exception) -> None:
        """Make a server with ERROR in cell0, as the conductor does when no host can take it."""
        from nova import objects
        from nova.conductor import manager

        for device in request.block_device_mappings or ():
            # A message brings the conductor devices with a context, and with their values marked as not yet stored.
            device._context = self._admin
            for name in device.fields:
                if device.obj_attr_is_set(name):
                    setattr(device, name, getattr(device, name))
        manager.ComputeTaskManager()._bury_in_cell0(
            self._admin,
            found(objects.RequestSpec.get_by_instance_uuid, self._admin, request.instance_uuid),
            error,
            build_requests=[request],
            block_device_mapping=request.block_device_mappings,
            tags=request.tags,
        )

    def _targeted(self) -> Iterator[tuple[Any, Any]]:
        """Return each cell with a context for it."""
        from nova import context

        for cell in self._cells:
            with context.target_cell(self._admin, cell) as targeted:
                yield cell, targeted


def is_unbuilt(instance: Any) -> bool:
    """Return whether an instance waits for its build, and no compute has it."""
    return instance.host is None and instance.vm_state == "building"


def found(call: Any, *arguments: Any, **named: Any) -> Any:
    """Return what a call of nova's objects returns, and None for what does not exist."""
    from nova import exception

    try:
        return call(*arguments, **named)
    except exception.NotFound:
        return None


def chosen_cell(instances: dict[str, Any], mapped: str | None) -> str | None:
    """Return the cell whose record counts: the mapped one, else one with an instance, cell0 last."""
    from nova import objects

    if mapped in instances:
        return mapped
    return min(instances, key=lambda cell: cell == objects.CellMapping.CELL0_UUID, default=None)


def look(path: str) -> None:
    """End the lost builds of now. Raises SystemExit when one of them could not be ended; the others were tried."""
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
    failed = []
    for server in sorted(first & builds.old()):
        try:
            print(f"server {server}: {builds.end(server)}", flush=True)
        except Exception:
            traceback.print_exc()
            failed.append(server)
    if failed:
        sys.exit(f"lost_builds.py: these servers could not be ended: {', '.join(failed)}")


if __name__ == "__main__":
    look(sys.argv[1])
