"""The migrations make the same tables as the code defines."""

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from telemetry.storage.sqlalchemy import models, schema


def test_revisions_are_those_of_the_folder() -> None:
    settings = Config()
    settings.set_main_option("script_location", str(schema.MIGRATIONS))
    scripts = ScriptDirectory.from_config(settings)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(schema.REVISIONS)
    assert scripts.get_current_head() == schema.HEAD


def test_migrations_make_the_tables(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.sqlite'}")
    schema.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, models.metadata) == []
