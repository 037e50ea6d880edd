"""Samples into tables: a batch in a handful of statements, whatever its size."""

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import metadata, timestamps
from telemetry.storage.limits import BIGGEST_INT, NAME_LENGTH
from telemetry.storage.records import Sample, Stored
from telemetry.storage.sqlalchemy import models
from telemetry.storage.sqlalchemy.dialect import chunks, insert_missing, merge

BATCH = 1000
# json.dumps would make one for every sample.
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
MeterKey = tuple[str, str, str]


def record(connection: sa.Connection, samples: Iterable[Sample]) -> Stored:
    """Store samples in the connection's transaction and bring the summary tables up to date."""
    total = Stored()
    for batch in chunks(samples, BATCH):
        stored = _Batch(connection, batch).store()
        total.stored += stored
        total.duplicates += len(batch) - stored
    return total


class _Batch:
    def __init__(self, connection: sa.Connection, samples: Sequence[Sample]) -> None:
        self.connection = connection
        self.samples = self._new(samples)

    def _lookup(self, key: Any, value: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for chunk in chunks(keys):
            found.update(self.connection.execute(sa.select(key, value).where(key.in_(chunk))).all())
        return found

    def _new(self, samples: Sequence[Sample]) -> list[Sample]:
        by_id = {sample.message_id: sample for sample in reversed(samples)}
        column = models.sample.c.message_id
        known = self._lookup(column, column, by_id)
        return [sample for sample in reversed(by_id.values()) if sample.message_id not in known]

    def store(self) -> int:
        if not self.samples:
            return 0
        meters = self._meters()
        resources = self._resources()
        states, state_of = self._states(resources)
        now = timestamps.to_microseconds(timestamps.utcnow())
        rows = [
            {
                "meter_id": meters[sample.meter, sample.type, sample.unit],
                "resource_id": resources[sample.resource_id],
                "state_id": states[state_of[sample.message_id]],
                "volume": sample.volume,
                "timestamp": timestamps.to_microseconds(sample.timestamp),
                "recorded_at": timestamps.to_microseconds(sample.recorded_at) if sample.recorded_at else now,
                "message_id": sample.message_id,
                "message_signature": sample.message_signature,
            }
            for sample in self.samples
        ]
        insert_missing(self.connection, models.sample, rows)
        self._summarise(rows)
        return len(rows)

    def _meters(self) -> dict[MeterKey, int]:
        table = models.meter
        wanted = sorted({(sample.meter, sample.type, sample.unit) for sample in self.samples})

        def known() -> dict[MeterKey, int]:
            names = sorted({name for name, _, _ in wanted})
            found: dict[MeterKey, int] = {}
            for chunk in chunks(names):
                for row in self.connection.execute(sa.select(table).where(table.c.name.in_(chunk))):
                    found[row.name, row.type, row.unit] = row.id
            return found

        found = known()
        missing = [{"name": n, "type": t, "unit": u} for n, t, u in wanted if (n, t, u) not in found]
        if missing:
            insert_missing(self.connection, table, missing)
            found = known()
        return found

    def _resources(self) -> dict[str, int]:
        table = models.resource
        wanted = sorted({sample.resource_id for sample in self.samples})
        found = self._lookup(table.c.resource_id, table.c.id, wanted)
        if len(found) < len(wanted):
            span = self._spans({sample.message_id: sample.resource_id for sample in self.samples})
            missing = [
                {"resource_id": name, "first_timestamp": span[name][0], "last_timestamp": span[name][1]}
                for name in wanted if name not in found
            ]
            insert_missing(self.connection, table, missing)
            found = self._lookup(table.c.resource_id, table.c.id, wanted)
        return found

    def _spans(self, keys: dict[str, str]) -> dict[str, tuple[int, int]]:
        spans: dict[str, tuple[int, int]] = {}
        for sample in self.samples:
            time = timestamps.to_microseconds(sample.timestamp)
            low, high = spans.get(keys[sample.message_id], (time, time))
            spans[keys[sample.message_id]] = (min(low, time), max(high, time))
        return spans

    def _states(self, resources: dict[str, int]) -> tuple[dict[str, int], dict[str, str]]:
        """Return state ids by digest, and each sample's digest."""
        table = models.resource_state
        digests: dict[str, str] = {}
        wanted: dict[str, tuple[Sample, str]] = {}
        for sample in self.samples:
            text = ENCODER.encode(sample.metadata)
            identity = [sample.resource_id, sample.user_id, sample.project_id, sample.source, text]
            digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
            digests[sample.message_id] = digest
            wanted.setdefault(digest, (sample, text))
        found = self._lookup(table.c.digest, table.c.id, wanted)
        missing = sorted(wanted.keys() - found.keys())
        if missing:
            spans = self._spans(digests)
            insert_missing(self.connection, table, [
                {
                    "resource_id": resources[wanted[digest][0].resource_id],
                    "user_id": wanted[digest][0].user_id,
                    "project_id": wanted[digest][0].project_id,
                    "source": wanted[digest][0].source,
                    "metadata": wanted[digest][1],
                    "digest": digest,
                    "first_timestamp": spans[digest][0],
                    "last_timestamp": spans[digest][1],
                }
                for digest in missing
            ])
            found = self._lookup(table.c.digest, table.c.id, wanted)
            leaves = [
                row for digest in missing for row in _leaf_rows(found[digest], wanted[digest][0].metadata)
            ]
            insert_missing(self.connection, models.state_metadata, leaves)
        return found, digests

    def _summarise(self, rows: Sequence[dict[str, Any]]) -> None:
        latest: dict[int, tuple[int, int, int]] = {}
        spans: dict[int, tuple[int, int]] = {}
        pairs: dict[tuple[int, int], int] = {}
        for row in rows:
            time, state, resource = row["timestamp"], row["state_id"], row["resource_id"]
            low, high, of = latest.get(resource, (time, time, state))
            latest[resource] = (min(low, time), max(high, time), state if time >= high else of)
            low, high = spans.get(state, (time, time))
            spans[state] = (min(low, time), max(high, time))
            pairs[row["meter_id"], resource] = state
        # The rows are there and stay: the samples just inserted refer to them. What a row must have but is not
        # changed here is therefore never stored, and need not be true.
        merge(
            self.connection,
            models.resource,
            [
                {"id": key, "resource_id": "", "state_id": state, "first_timestamp": low, "last_timestamp": high}
                for key, (low, high, state) in sorted(latest.items())
            ],
            _resource_changes,
        )
        owners = {row["state_id"]: row["resource_id"] for row in rows}
        merge(
            self.connection,
            models.resource_state,
            [
                {
                    "id": key, "resource_id": owners[key], "metadata": "", "digest": "", "first_timestamp": low,
                    "last_timestamp": high,
                }
                for key, (low, high) in sorted(spans.items())
            ],
            lambda new: _widened(models.resource_state, new),
        )
        merge(
            self.connection,
            models.resource_meter,
            [
                {"meter_id": meter, "resource_id": resource, "state_id": state}
                for (meter, resource), state in sorted(pairs.items())
            ],
            lambda new: [("state_id", new.state_id)],
            lambda new: models.resource_meter.c.state_id != new.state_id,
        )


def _resource_changes(new: Any) -> list[tuple[str, Any]]:
    table = models.resource
    state = sa.case(
        (table.c.last_timestamp <= new.last_timestamp, new.state_id),
        (table.c.state_id.is_(None), new.state_id),
        else_=table.c.state_id,
    )
    # The state first: it is decided by the time that the next assignment changes.
    return [("state_id", state), *_widened(table, new)]


def _widened(table: sa.Table, new: Any) -> list[tuple[str, Any]]:
    first, last = table.c.first_timestamp, table.c.last_timestamp
    return [
        ("first_timestamp", sa.case((first > new.first_timestamp, new.first_timestamp), else_=first)),
        ("last_timestamp", sa.case((last < new.last_timestamp, new.last_timestamp), else_=last)),
    ]


def _leaf_rows(state_id: int, nested: metadata.Metadata) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for key, value in metadata.leaves(nested):
        # Longer keys stay readable in the state's metadata, but cannot be searched for.
        if len(key) <= NAME_LENGTH:
            rows[key] = {"state_id": state_id, "key": key, **typed_leaf(value)}
    return list(rows.values())


def typed_leaf(value: Any) -> dict[str, Any]:
    """Return the columns that hold a metadata value: its kind, its text, and its number where it has one."""
    columns: dict[str, Any] = {"kind": "text", "text_value": str(value), "int_value": None, "float_value": None}
    if isinstance(value, bool):
        columns.update(kind="bool", int_value=int(value))
    elif isinstance(value, int) and abs(value) <= BIGGEST_INT:
        columns.update(kind="int", int_value=value)
    elif isinstance(value, int | float) and abs(value) <= sys.float_info.max:
        columns.update(kind="float", float_value=float(value))
    return columns
