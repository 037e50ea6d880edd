"""Leave builds in the states in which an outage can leave them. Runs on the host, in nova's virtualenv.

Usage: interrupted_builds.py FILE STATE=SERVER...

FILE is nova.conf. Each server has a build request alone, and becomes what STATES says.
"""

import sys
from collections.abc import Callable
from typing import Any

from nova import config, context, objects

path, *words = sys.argv[1:]
config.parse_args(["nova-conductor", "--config-file", path], default_config_files=[path])
objects.register_all()
ADMIN = context.get_admin_context()
CELLS = {cell.is_cell0(): cell for cell in objects.CellMappingList.get_all(ADMIN)}


def create(server: str, cell0: bool = False, **state: Any) -> None:
    """Create the instance in cell1 or in cell0, as the conductor does."""
    instance = objects.BuildRequest.get_by_instance_uuid(ADMIN, server).get_new_instance(ADMIN)
    with context.target_cell(ADMIN, CELLS[cell0]) as targeted:
        instance._context = targeted
        instance.create()
        for name, value in state.items():
            setattr(instance, name, value)
        instance.save()


def place(server: str, cell0: bool = False) -> None:
    """Map the server to its cell."""
    mapping = objects.InstanceMapping.get_by_instance_uuid(ADMIN, server)
    mapping.cell_mapping = CELLS[cell0]
    mapping.save()


def forget(server: str, kind: str = "BuildRequest") -> None:
    """Remove the build request, the request specification or the mapping."""
    getattr(objects, kind).get_by_instance_uuid(ADMIN, server).destroy()


STATES: dict[str, list[Callable[[str], None]]] = {
    "requested": [],
    "without-specification": [lambda one: forget(one, "RequestSpec")],
    "unmapped": [create],
    "mapped": [create, place],
    "uncast": [create, place, forget],
    "unmapped-in-cell0": [lambda one: create(one, cell0=True)],
    "mapped-in-cell0": [lambda one: create(one, cell0=True), lambda one: place(one, cell0=True)],
    "error-in-cell0": [lambda one: create(one, cell0=True, vm_state="error"), lambda one: place(one, cell0=True)],
    "forgotten-in-cell0": [lambda one: create(one, cell0=True), lambda one: place(one, cell0=True), forget],
    "in-both-cells": [create, lambda one: create(one, cell0=True)],
    "built": [lambda one: create(one, vm_state="active", task_state=None, host="elsewhere")],
    "never-acknowledged": [lambda one: forget(one, "InstanceMapping")],
}

for state, server in (word.split("=", 1) for word in words):
    for step in STATES[state]:
        step(server)
print(" ".join(STATES))
