"""The schema version that this code needs, the check of a database, and the upgrade by alembic."""

from pathlib import Path

import sqlalchemy as sa

from telemetry.errors import SchemaMismatchError
from telemetry.storage import versions
from telemetry.storage.sqlalchemy.models import alarm_lease, alarm_notification, metadata

# Oldest first. The API does not load alembic to read them from the folder; a test compares both.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]
VERSION_TABLE = "telemetry_schema"
MIGRATIONS = Path(__file__).parent / "migrations"
# Tables that a release from before their time does not use. They have no version of their own: that release starts and
# serves beside them, during an upgrade and after a rollback.
ADDITIONS = (alarm_lease, alarm_notification)


def require_head(version: str | None) -> None:
    """Raise SchemaMismatchError, which names the command to run, unless `version` is the one that this code needs."""
    versions.require(version, HEAD, REVISIONS)


def require_additions(connection: sa.Connection) -> None:
    """Raise SchemaMismatchError, which names the command to run, unless all additions are there."""
    present = sa.inspect(connection).get_table_names()
    if missing := [table.name for table in ADDITIONS if table.name not in present]:
        raise SchemaMismatchError(f"The database lacks the table {missing[0]}. Run: telemetry-upgrade")


def current(connection: sa.Connection) -> str | None:
    """Return the schema version of the database, or None without a schema."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Change the schema to a revision, newer or older. Raises SchemaMismatchError for an unknown revision."""
    import alembic.command
    import alembic.config
    import alembic.util

    settings = alembic.config.Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        version = current(connection)
        if version is not None and version not in REVISIONS:
            require_head(version)
        try:
            if version is not None and revision in REVISIONS and REVISIONS.index(revision) < REVISIONS.index(version):
                alembic.command.downgrade(settings, revision)
            else:
                alembic.command.upgrade(settings, revision)
        except alembic.util.CommandError as error:
            raise SchemaMismatchError(str(error)) from error
        metadata.create_all(connection, tables=list(ADDITIONS))
