"""The tables. Every write of samples updates the small tables, so that lists need not read all samples.

meter, resource      one row for each (name, type, unit), and one for each resource id
resource_state       one row for each owner, source and metadata that samples of a resource had
state_metadata       the values in the metadata of a state, with their types, for queries
resource_meter       the meters of a resource, with the state of the sample that was inserted last
sample               one row for each measurement
alarm_lease          which process evaluates which alarms
alarm_notification   messages about alarms that were not sent yet
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from telemetry.storage.limits import MESSAGE_ID_LENGTH, NAME_LENGTH

# By default, MariaDB ignores case and trailing spaces when it compares text.
PLAIN: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}
# SQLite must not reuse the ids of deleted rows: a marker of a page or another transaction may still hold one.
OPTIONS = {**PLAIN, "sqlite_autoincrement": True}
metadata = sa.MetaData()
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Micros = sa.BigInteger()
Name = sa.String(NAME_LENGTH)
LongText = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def _id() -> sa.Column[int]:
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


meter = sa.Table(
    "meter",
    metadata,
    _id(),
    sa.Column("name", Name, nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("unit", Name, nullable=False),
    sa.UniqueConstraint("name", "type", "unit", name="uq_meter"),
    **OPTIONS,
)
resource = sa.Table(
    "resource",
    metadata,
    _id(),
    sa.Column("resource_id", Name, nullable=False, unique=True),
    sa.Column("state_id", Id, nullable=True),
    sa.Column("first_timestamp", Micros, nullable=False),
    sa.Column("last_timestamp", Micros, nullable=False),
    **OPTIONS,
)
resource_state = sa.Table(
    "resource_state",
    metadata,
    _id(),
    sa.Column("resource_id", Id, sa.ForeignKey("resource.id", name="fk_state_resource"), nullable=False),
    sa.Column("user_id", Name, index=True),
    sa.Column("project_id", Name, index=True),
    sa.Column("source", Name),
    sa.Column("metadata", LongText, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("first_timestamp", Micros, nullable=False),
    sa.Column("last_timestamp", Micros, nullable=False),
    sa.Index("ix_resource_state_resource_id", "resource_id", "last_timestamp"),
    **OPTIONS,
)
state_metadata = sa.Table(
    "state_metadata",
    metadata,
    sa.Column("state_id", Id, sa.ForeignKey("resource_state.id", name="fk_metadata_state"), primary_key=True),
    sa.Column("key", Name, primary_key=True),
    sa.Column("kind", sa.String(5), nullable=False),
    sa.Column("text_value", LongText, nullable=False),
    sa.Column("int_value", sa.BigInteger),
    sa.Column("float_value", sa.Double),
    sa.Index("ix_state_metadata_key", "key"),
    **PLAIN,
)
resource_meter = sa.Table(
    "resource_meter",
    metadata,
    sa.Column("meter_id", Id, sa.ForeignKey("meter.id", name="fk_resource_meter_meter"), primary_key=True),
    sa.Column("resource_id", Id, sa.ForeignKey("resource.id", name="fk_resource_meter_resource"), primary_key=True),
    sa.Column("state_id", Id, nullable=False),
    sa.Index("ix_resource_meter_resource_id", "resource_id"),
    **PLAIN,
)
sample = sa.Table(
    "sample",
    metadata,
    _id(),
    sa.Column("meter_id", Id, sa.ForeignKey("meter.id", name="fk_sample_meter"), nullable=False),
    sa.Column("resource_id", Id, sa.ForeignKey("resource.id", name="fk_sample_resource"), nullable=False),
    sa.Column("state_id", Id, sa.ForeignKey("resource_state.id", name="fk_sample_state"), nullable=False),
    sa.Column("volume", sa.Double, nullable=False),
    sa.Column("timestamp", Micros, nullable=False),
    sa.Column("recorded_at", Micros, nullable=False),
    sa.Column("message_id", sa.String(MESSAGE_ID_LENGTH), nullable=False, unique=True),
    sa.Column("message_signature", sa.String(64)),
    sa.Index("ix_sample_timestamp", "timestamp"),
    # Both indexes contain every column that statistics read, so a query reads one range of an index.
    sa.Index("ix_sample_meter", "meter_id", "timestamp", "volume", "state_id"),
    sa.Index("ix_sample_resource", "resource_id", "timestamp", "meter_id", "volume"),
    sa.Index("ix_sample_state", "state_id"),
    **OPTIONS,
)
alarm = sa.Table(
    "alarm",
    metadata,
    sa.Column("alarm_id", sa.String(128), primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("type", sa.String(50), nullable=False),
    sa.Column("severity", sa.String(50), nullable=False),
    sa.Column("description", LongText),
    sa.Column("timestamp", Micros, nullable=False, index=True),
    sa.Column("user_id", Name, index=True),
    sa.Column("project_id", Name, index=True),
    sa.Column("state", Name, nullable=False),
    sa.Column("state_timestamp", Micros, nullable=False),
    sa.Column("ok_actions", LongText, nullable=False),
    sa.Column("alarm_actions", LongText, nullable=False),
    sa.Column("insufficient_data_actions", LongText, nullable=False),
    sa.Column("repeat_actions", sa.Boolean, nullable=False),
    sa.Column("rule", LongText, nullable=False),
    sa.Column("time_constraints", LongText, nullable=False),
    **PLAIN,
)
alarm_history = sa.Table(
    "alarm_history",
    metadata,
    sa.Column("event_id", sa.String(128), primary_key=True),
    sa.Column("alarm_id", sa.String(128), nullable=False, index=True),
    sa.Column("on_behalf_of", Name),
    sa.Column("project_id", Name),
    sa.Column("user_id", Name),
    sa.Column("type", sa.String(20), nullable=False),
    sa.Column("detail", LongText, nullable=False),
    sa.Column("severity", sa.String(50)),
    sa.Column("timestamp", Micros, nullable=False, index=True),
    **PLAIN,
)
alarm_lease = sa.Table(
    "alarm_lease",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("owner", sa.String(128), nullable=False),
    sa.Column("expires", Micros, nullable=False),
    sa.Column("begun", Micros, nullable=False),
    **PLAIN,
)
alarm_notification = sa.Table(
    "alarm_notification",
    metadata,
    sa.Column("notification_id", sa.String(128), primary_key=True),
    sa.Column("alarm_id", sa.String(128), nullable=False),
    sa.Column("action", LongText, nullable=False),
    sa.Column("receiver", Name, nullable=False),
    # A digest of the alarm and the action: notifications with the same digest are sent one after the other.
    sa.Column("line", sa.String(64), nullable=False),
    sa.Column("body", LongText, nullable=False),
    sa.Column("created", Micros, nullable=False),
    sa.Column("due", Micros, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Index("ix_alarm_notification_due", "due"),
    sa.Index("ix_alarm_notification_line", "line", "created"),
    **PLAIN,
)
event_type = sa.Table(
    "event_type",
    metadata,
    _id(),
    sa.Column("description", Name, nullable=False, unique=True),
    **OPTIONS,
)
event_type_trait = sa.Table(
    "event_type_trait",
    metadata,
    sa.Column("event_type_id", Id, sa.ForeignKey("event_type.id", name="fk_type_trait_type"), primary_key=True),
    sa.Column("key", Name, primary_key=True),
    sa.Column("type", sa.SmallInteger, primary_key=True, autoincrement=False),
    **PLAIN,
)
event = sa.Table(
    "event",
    metadata,
    _id(),
    sa.Column("message_id", Name, nullable=False, unique=True),
    sa.Column("event_type_id", Id, sa.ForeignKey("event_type.id", name="fk_event_type"), nullable=False),
    sa.Column("generated", Micros, nullable=False),
    sa.Column("raw", LongText, nullable=False),
    sa.Index("ix_event_generated", "generated"),
    sa.Index("ix_event_type", "event_type_id", "generated"),
    **OPTIONS,
)
trait = sa.Table(
    "trait",
    metadata,
    sa.Column("event_id", Id, sa.ForeignKey("event.id", name="fk_trait_event"), primary_key=True),
    sa.Column("key", Name, primary_key=True),
    sa.Column("type", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("text_value", LongText),
    sa.Column("int_value", sa.BigInteger),
    sa.Column("float_value", sa.Double),
    sa.Column("datetime_value", Micros),
    sa.Index("ix_trait_key", "key", "type"),
    **PLAIN,
)
