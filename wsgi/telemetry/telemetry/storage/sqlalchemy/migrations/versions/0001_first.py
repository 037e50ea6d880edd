"""The first schema: samples with their summaries, alarms, events."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}


def upgrade() -> None:
    op.create_table(
        "alarm",
        sa.Column("alarm_id", sa.String(128), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("severity", sa.String(50), nullable=False),
        sa.Column("description", LONG_TEXT, nullable=True),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=True),
        sa.Column("project_id", sa.String(255), nullable=True),
        sa.Column("state", sa.String(255), nullable=False),
        sa.Column("state_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("ok_actions", LONG_TEXT, nullable=False),
        sa.Column("alarm_actions", LONG_TEXT, nullable=False),
        sa.Column("insufficient_data_actions", LONG_TEXT, nullable=False),
        sa.Column("repeat_actions", sa.Boolean(), nullable=False),
        sa.Column("rule", LONG_TEXT, nullable=False),
        sa.Column("time_constraints", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("alarm_id"),
        **OPTIONS,
    )
    op.create_index("ix_alarm_project_id", "alarm", ["project_id"])
    op.create_index("ix_alarm_timestamp", "alarm", ["timestamp"])
    op.create_index("ix_alarm_user_id", "alarm", ["user_id"])
    op.create_table(
        "alarm_history",
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("alarm_id", sa.String(128), nullable=False),
        sa.Column("on_behalf_of", sa.String(255), nullable=True),
        sa.Column("project_id", sa.String(255), nullable=True),
        sa.Column("user_id", sa.String(255), nullable=True),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("severity", sa.String(50), nullable=True),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
        **OPTIONS,
    )
    op.create_index("ix_alarm_history_alarm_id", "alarm_history", ["alarm_id"])
    op.create_index("ix_alarm_history_timestamp", "alarm_history", ["timestamp"])
    op.create_table(
        "event_type",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("description"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_table(
        "meter",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("unit", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "type", "unit", name="uq_meter"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_table(
        "resource",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("resource_id", sa.String(255), nullable=False),
        sa.Column("state_id", ID, nullable=True),
        sa.Column("first_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("resource_id"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_table(
        "event",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("event_type_id", ID, nullable=False),
        sa.Column("generated", sa.BigInteger(), nullable=False),
        sa.Column("raw", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(["event_type_id"], ["event_type.id"], name="fk_event_type"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_index("ix_event_generated", "event", ["generated"])
    op.create_index("ix_event_type", "event", ["event_type_id", "generated"])
    op.create_table(
        "event_type_trait",
        sa.Column("event_type_id", ID, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["event_type_id"], ["event_type.id"], name="fk_type_trait_type"),
        sa.PrimaryKeyConstraint("event_type_id", "key", "type"),
        **OPTIONS,
    )
    op.create_table(
        "resource_meter",
        sa.Column("meter_id", ID, nullable=False),
        sa.Column("resource_id", ID, nullable=False),
        sa.Column("state_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"], name="fk_resource_meter_meter"),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name="fk_resource_meter_resource"),
        sa.PrimaryKeyConstraint("meter_id", "resource_id"),
        **OPTIONS,
    )
    op.create_index("ix_resource_meter_resource_id", "resource_meter", ["resource_id"])
    op.create_table(
        "resource_state",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("resource_id", ID, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=True),
        sa.Column("project_id", sa.String(255), nullable=True),
        sa.Column("source", sa.String(255), nullable=True),
        sa.Column("metadata", LONG_TEXT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("first_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_timestamp", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name="fk_state_resource"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_index("ix_resource_state_project_id", "resource_state", ["project_id"])
    op.create_index("ix_resource_state_resource_id", "resource_state", ["resource_id", "last_timestamp"])
    op.create_index("ix_resource_state_user_id", "resource_state", ["user_id"])
    op.create_table(
        "sample",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("meter_id", ID, nullable=False),
        sa.Column("resource_id", ID, nullable=False),
        sa.Column("state_id", ID, nullable=False),
        sa.Column("volume", sa.Double(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("message_signature", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"], name="fk_sample_meter"),
        sa.ForeignKeyConstraint(["resource_id"], ["resource.id"], name="fk_sample_resource"),
        sa.ForeignKeyConstraint(["state_id"], ["resource_state.id"], name="fk_sample_state"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_index("ix_sample_meter", "sample", ["meter_id", "timestamp", "volume", "state_id"])
    op.create_index("ix_sample_resource", "sample", ["resource_id", "timestamp", "meter_id", "volume"])
    op.create_index("ix_sample_state", "sample", ["state_id"])
    op.create_index("ix_sample_timestamp", "sample", ["timestamp"])
    op.create_table(
        "state_metadata",
        sa.Column("state_id", ID, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(5), nullable=False),
        sa.Column("text_value", LONG_TEXT, nullable=False),
        sa.Column("int_value", sa.BigInteger(), nullable=True),
        sa.Column("float_value", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["state_id"], ["resource_state.id"], name="fk_metadata_state"),
        sa.PrimaryKeyConstraint("state_id", "key"),
        **OPTIONS,
    )
    op.create_index("ix_state_metadata_key", "state_metadata", ["key"])
    op.create_table(
        "trait",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("text_value", LONG_TEXT, nullable=True),
        sa.Column("int_value", sa.BigInteger(), nullable=True),
        sa.Column("float_value", sa.Double(), nullable=True),
        sa.Column("datetime_value", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_trait_event"),
        sa.PrimaryKeyConstraint("event_id", "key", "type"),
        **OPTIONS,
    )
    op.create_index("ix_trait_key", "trait", ["key", "type"])


def downgrade() -> None:
    for table in (
        "trait",
        "state_metadata",
        "sample",
        "resource_state",
        "resource_meter",
        "event_type_trait",
        "event",
        "resource",
        "meter",
        "event_type",
        "alarm_history",
        "alarm",
    ):
        op.drop_table(table)
