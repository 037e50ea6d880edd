"""Print what nova's databases hold about servers. Runs on the host, in nova's virtualenv.

Usage: stuck_servers.py FILE SERVER...

FILE is nova.conf. Each line is JSON: the server, the table, and the columns that say how far its build has come.
"""

import json
import sys

from nova import config, context, exception, objects

path, *servers = sys.argv[1:]
config.parse_args(["nova-conductor", "--config-file", path], default_config_files=[path])
objects.register_all()
admin = context.get_admin_context()


def show(server: str, table: str, **columns: object) -> None:
    """Print one row."""
    print(json.dumps({"server": server, "table": table, **columns}, default=str))


for server in servers:
    try:
        mapping = objects.InstanceMapping.get_by_instance_uuid(admin, server)
        cell = mapping.cell_mapping
        show(server, "instance_mappings", cell=cell and cell.name, queued_for_delete=mapping.queued_for_delete)
    except exception.InstanceMappingNotFound:
        show(server, "instance_mappings", missing=True)
    try:
        request = objects.BuildRequest.get_by_instance_uuid(admin, server)
        show(server, "build_requests", created_at=request.created_at)
    except exception.BuildRequestNotFound:
        show(server, "build_requests", missing=True)
    for cell in objects.CellMappingList.get_all(admin):
        with context.target_cell(admin.elevated(read_deleted="yes"), cell) as targeted:
            try:
                instance = objects.Instance.get_by_uuid(targeted, server, expected_attrs=[])
            except exception.InstanceNotFound:
                show(server, "instances", cell=cell.name, missing=True)
                continue
            names = ("host", "vm_state", "task_state", "created_at", "updated_at", "launched_at", "deleted")
            show(server, "instances", cell=cell.name, **{name: getattr(instance, name) for name in names})
