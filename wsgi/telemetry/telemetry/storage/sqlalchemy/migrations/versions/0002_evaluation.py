"""Tables for the evaluation of alarms: leases, and notifications to be sent."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}


def upgrade() -> None:
    op.create_table(
        "alarm_lease",
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **OPTIONS,
    )
    op.create_table(
        "alarm_notification",
        sa.Column("notification_id", sa.String(128), nullable=False),
        sa.Column("alarm_id", sa.String(128), nullable=False),
        sa.Column("action", LONG_TEXT, nullable=False),
        sa.Column("receiver", sa.String(255), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("notification_id"),
        **OPTIONS,
    )
    op.create_index("ix_alarm_notification_due", "alarm_notification", ["due"])
    op.create_index("ix_alarm_notification_line", "alarm_notification", ["line", "created"])


def downgrade() -> None:
    op.drop_table("alarm_notification")
    op.drop_table("alarm_lease")
