"""Stores samples. A batch of any size takes a handful of statements."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import metadata, timestamps
from telemetry.storage.leaves import typed_leaf
from telemetry.storage.limits import NAME_LENGTH
from telemetry.storage.records import Sample, Stored
from telemetry.storage.sqlalchemy import models
from telemetry.storage.sqlalchemy.dialect import chunks, insert_missing, merge

# Samples in a batch.
BATCH = 1000
# json.dumps would make an encoder for every sample.
ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"))
MeterKey = tuple[str, str, str]


def record(connection: sa.Connection, samples: Iterable[Sample]) -> Stored:
    """Store samples and update the summary tables, in the connection's transaction."""
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
        """Return the stored values of the column `value` by the column `key`, for the keys that are stored."""
        values: dict[Any, Any] = {}
        for chunk in chunks(keys):
            values.update(self.connection.execute(sa.select(key, value).where(key.in_(chunk))).all())
        return values

    def _new(self, samples: Sequence[Sample]) -> list[Sample]:
        by_id = {sample.message_id: sample for sample in reversed(samples)}
        column = models.sample.c.message_id
        stored = self._lookup(column, column, by_id)
        return [sample for sample in reversed(by_id.values()) if sample.message_id not in stored]

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
        """Return the ids of the samples' meters, after inserting new meters."""
        table = models.meter
        keys = sorted({(sample.meter, sample.type, sample.unit) for sample in self.samples})

        def stored() -> dict[MeterKey, int]:
            names = sorted({name for name, _, _ in keys})
            ids: dict[MeterKey, int] = {}
            for chunk in chunks(names):
                for row in self.connection.execute(sa.select(table).where(table.c.name.in_(chunk))):
                    ids[row.name, row.type, row.unit] = row.id
            return ids

        ids = stored()
        missing = [dict(zip(("name", "type", "unit"), key, strict=True)) for key in keys if key not in ids]
        if missing:
            insert_missing(self.connection, table, missing)
            ids = stored()
        return ids

    def _resources(self) -> dict[str, int]:
        """Return the ids of the samples' resources, after inserting new resources."""
        table = models.resource
        names = sorted({sample.resource_id for sample in self.samples})
        ids = self._lookup(table.c.resource_id, table.c.id, names)
        if len(ids) < len(names):
            span = self._spans({sample.message_id: sample.resource_id for sample in self.samples})
            missing = [
                {"resource_id": name, "first_timestamp": span[name][0], "last_timestamp": span[name][1]}
                for name in names
                if name not in ids
            ]
            insert_missing(self.connection, table, missing)
            ids = self._lookup(table.c.resource_id, table.c.id, names)
        return ids

    def _spans(self, keys: dict[str, str]) -> dict[str, tuple[int, int]]:
        """Return the first and the last time of the samples with the same key. `keys` holds a key by message_id."""
        spans: dict[str, tuple[int, int]] = {}
        for sample in self.samples:
            time = timestamps.to_microseconds(sample.timestamp)
            low, high = spans.get(keys[sample.message_id], (time, time))
            spans[keys[sample.message_id]] = (min(low, time), max(high, time))
        return spans

    def _states(self, resources: dict[str, int]) -> tuple[dict[str, int], dict[str, str]]:
        """Return the ids of the samples' states by digest, and the digest by message_id. New states are inserted."""
        table = models.resource_state
        digests: dict[str, str] = {}
        by_digest: dict[str, tuple[Sample, str]] = {}
        for sample in self.samples:
            text = ENCODER.encode(sample.metadata)
            identity = [sample.resource_id, sample.user_id, sample.project_id, sample.source, text]
            digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
            digests[sample.message_id] = digest
            by_digest.setdefault(digest, (sample, text))
        ids = self._lookup(table.c.digest, table.c.id, by_digest)
        missing = sorted(by_digest.keys() - ids.keys())
        if missing:
            spans = self._spans(digests)
            insert_missing(
                self.connection,
                table,
                [
                    {
                        "resource_id": resources[by_digest[digest][0].resource_id],
                        "user_id": by_digest[digest][0].user_id,
                        "project_id": by_digest[digest][0].project_id,
                        "source": by_digest[digest][0].source,
                        "metadata": by_digest[digest][1],
                        "digest": digest,
                        "first_timestamp": spans[digest][0],
                        "last_timestamp": spans[digest][1],
                    }
                    for digest in missing
                ],
            )
            ids = self._lookup(table.c.digest, table.c.id, by_digest)
            leaves = [row for digest in missing for row in _leaf_rows(ids[digest], by_digest[digest][0].metadata)]
            insert_missing(self.connection, models.state_metadata, leaves)
        return ids, digests

    def _summarise(self, rows: Sequence[dict[str, Any]]) -> None:
        """Update the resources, the states and the pairs of meter and resource of the rows of sample."""
        latest: dict[int, tuple[int, int, int]] = {}
        spans: dict[int, tuple[int, int]] = {}
        pairs: dict[tuple[int, int], int] = {}
        for row in rows:
            time, state, resource = row["timestamp"], row["state_id"], row["resource_id"]
            low, high, last_state = latest.get(resource, (time, time, state))
            latest[resource] = (min(low, time), max(high, time), state if time >= high else last_state)
            low, high = spans.get(state, (time, time))
            spans[state] = (min(low, time), max(high, time))
            pairs[row["meter_id"], resource] = state
        # All these resources and states exist: the samples that were just inserted refer to them. So the statements
        # below only ever update. The databases still require a value for every NOT NULL column of an insert, and the
        # empty texts for resource_id, metadata and digest meet that requirement. They are never stored.
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
                    "id": key,
                    "resource_id": owners[key],
                    "metadata": "",
                    "digest": "",
                    "first_timestamp": low,
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
    # MariaDB assigns in this order. The state comes first, since it depends on the old last_timestamp.
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
        # A longer key cannot be indexed, so queries cannot name it. It stays in the metadata of the state.
        if len(key) <= NAME_LENGTH:
            rows[key] = {"state_id": state_id, "key": key, **typed_leaf(value)}
    return list(rows.values())
