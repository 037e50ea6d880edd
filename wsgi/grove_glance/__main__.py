"""Load glance's metadata definitions into its database, and check that they are there.

Usage: python -m grove_glance --config-file FILE

``glance-manage db load_metadefs`` only logs a missing folder, a file that it cannot read, and a row that the database
refuses; its exit status is 0. This program runs it, then compares the database with the files, and ends with status 1
and the missing definitions. What an administrator has changed stays; what is missing is added, also in namespaces that
exist.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from glance.cmd import manage
from glance.db.sqlalchemy import api
from oslo_config import cfg

from grove_glance.definitions import Definition, DefinitionsError, definition, in_files

SHOWN = 10
"""How many missing definitions a message names."""
TABLES = {"property": "metadef_properties", "object": "metadef_objects", "tag": "metadef_tags"}


def in_database(connection: Any) -> Iterator[Definition]:
    """Yield the definitions that are in glance's database."""
    tables = sqlalchemy.MetaData()
    tables.reflect(connection, only=lambda name, _: name.startswith("metadef_"))
    namespaces, links = tables.tables["metadef_namespaces"], tables.tables["metadef_namespace_resource_types"]
    for (namespace,) in connection.execute(sqlalchemy.select(namespaces.c.namespace)):
        yield definition(namespace, "namespace", "")
    for kind, table_name in TABLES.items():
        table = tables.tables[table_name]
        rows = sqlalchemy.select(namespaces.c.namespace, table.c.name).where(table.c.namespace_id == namespaces.c.id)
        for namespace, name in connection.execute(rows):
            yield definition(namespace, kind, name)
    types = tables.tables["metadef_resource_types"]
    rows = sqlalchemy.select(namespaces.c.namespace, types.c.name).where(
        links.c.namespace_id == namespaces.c.id, links.c.resource_type_id == types.c.id
    )
    for namespace, name in connection.execute(rows):
        yield definition(namespace, "resource type", name)


def main() -> None:
    """Load and check."""
    sys.argv = ["glance-manage", *sys.argv[1:], "db", "load_metadefs", "--merge"]
    manage.main()
    try:
        expected = in_files(Path(cfg.CONF.metadata_source_path))
    except DefinitionsError as error:
        sys.exit(str(error))
    with api.get_engine().connect() as connection:
        missing = sorted(expected - set(in_database(connection)))
    if missing:
        names = [f"{kind} {namespace}{' ' if name else ''}{name}" for namespace, kind, name in missing[:SHOWN]]
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        loaded = f"{len(expected) - len(missing)} of {len(expected)} definitions"
        sys.exit(f"glance-manage loaded {loaded}; missing: {', '.join(names)}{more}")


if __name__ == "__main__":
    main()
