"""The driver for MongoDB: runs a function of this package's modules on the database."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from oslo_config import cfg

from telemetry.errors import SchemaMismatchError
from telemetry.query.expression import Expression, Ordering
from telemetry.storage import records
from telemetry.storage.filters import (
    AlarmFilter,
    EventFilter,
    HistoryFilter,
    Page,
    PageRequest,
    SampleFilter,
    StatisticsRequest,
)
from telemetry.storage.interface import EVERY_CAPABILITY, Counts, Driver
from telemetry.storage.mongodb import (
    alarms,
    counts,
    evaluation,
    events,
    expiry,
    metering,
    notifications,
    schema,
    statistics,
    writing,
)
from telemetry.storage.mongodb.complex_query import SAMPLE_FIELDS, Compiler
from telemetry.storage.mongodb.connection import Database


class MongoDriver(Driver):
    """Samples, alarms and events in MongoDB."""

    CAPABILITIES = EVERY_CAPABILITY

    def __init__(self, conf: cfg.ConfigOpts, url: str) -> None:
        super().__init__(conf, url)
        self.database = Database(conf, url)

    def check(self) -> None:
        self.database.check()

    def upgrade(self, revision: str = "head") -> str | None:
        if revision not in ("head", *schema.REVISIONS):
            known = ", ".join(schema.REVISIONS)
            raise SchemaMismatchError(f"The schema of MongoDB has no version {revision}, but {known}")
        return self.database.upgrade(schema.HEAD if revision == "head" else revision)

    def apply_retention(self) -> None:
        self.database.apply_retention()

    def close(self) -> None:
        self.database.close()

    def record_samples(self, samples: Iterable[records.Sample]) -> records.Stored:
        with self.database.use() as db:
            return writing.record(db, samples)

    def meters(self, criteria: SampleFilter, page: PageRequest, unique: bool = False) -> Page[records.Meter]:
        with self.database.use() as db:
            return (metering.unique_meters if unique else metering.meters)(db, criteria, page)

    def samples(self, criteria: SampleFilter, page: PageRequest) -> Page[records.Sample]:
        with self.database.use() as db:
            return metering.samples(db, criteria, page)

    def resources(self, criteria: SampleFilter, page: PageRequest, with_meters: bool) -> Page[records.Resource]:
        with self.database.use() as db:
            return metering.resources(db, criteria, page, with_meters)

    def statistics(self, request: StatisticsRequest) -> list[records.Statistics]:
        with self.database.use() as db:
            return statistics.statistics(db, request)

    def query_samples(
        self, expression: Expression | None, order: Sequence[Ordering], limit: int
    ) -> list[records.Sample]:
        compiler = Compiler(SAMPLE_FIELDS)
        where = {} if expression is None else compiler.condition(expression)
        with self.database.use() as db:
            found = db.sample.find(where, {"leaves": 0, "at": 0})
            ordered = found.sort(compiler.order(order, {"timestamp": -1}, {"seq": -1}))
            return metering.with_metadata(db, list(ordered.limit(limit)))

    def stored_samples(self, page: PageRequest) -> Page[records.Sample]:
        with self.database.use() as db:
            return metering.stored(db, page)

    def metering_counts(self) -> Counts:
        with self.database.use() as db:
            return counts.metering(db)

    def expire_samples(self, before: dt.datetime, samples_only: bool) -> int:
        with self.database.use() as db:
            return expiry.samples(db, before, samples_only)

    def alarms(self, criteria: AlarmFilter) -> list[records.Alarm]:
        with self.database.use() as db:
            return alarms.listing(db, criteria)

    def create_alarm(self, alarm: records.Alarm, change: records.AlarmChange | None) -> None:
        with self.database.use() as db:
            alarms.create(db, alarm, change)

    def update_alarm(self, alarm: records.Alarm, change: records.AlarmChange | None) -> None:
        with self.database.use() as db:
            alarms.update(db, alarm, change)

    def delete_alarm(self, alarm_id: str, change: records.AlarmChange | None) -> None:
        with self.database.use() as db:
            alarms.delete(db, alarm_id, change)

    def alarm_changes(self, criteria: HistoryFilter) -> list[records.AlarmChange]:
        with self.database.use() as db:
            return alarms.history(db, criteria)

    def query_alarms(self, expression: Expression | None, order: Sequence[Ordering], limit: int) -> list[records.Alarm]:
        with self.database.use() as db:
            return alarms.query_alarms(db, expression, order, limit)

    def query_alarm_history(
        self, expression: Expression | None, order: Sequence[Ordering], limit: int
    ) -> list[records.AlarmChange]:
        with self.database.use() as db:
            return alarms.query_history(db, expression, order, limit)

    def stored_alarm_changes(self, page: PageRequest) -> Page[records.AlarmChange]:
        with self.database.use() as db:
            return alarms.stored_changes(db, page)

    def record_alarm_changes(self, changes: Sequence[records.AlarmChange]) -> records.Stored:
        with self.database.use() as db:
            return alarms.record_changes(db, changes)

    def alarm_counts(self) -> Counts:
        with self.database.use() as db:
            return counts.alarms(db)

    def expire_alarm_history(self, before: dt.datetime) -> int:
        with self.database.use() as db:
            return expiry.alarm_changes(db, before)

    def alarms_between(self, first: str, end: str | None) -> list[records.Alarm]:
        with self.database.use() as db:
            return evaluation.alarms_between(db, first, end)

    def alarm_states(self, alarm_ids: Sequence[str]) -> dict[str, str]:
        with self.database.use() as db:
            return evaluation.states(db, alarm_ids)

    def change_alarm_state(
        self,
        alarm: records.Alarm,
        state: str,
        now: dt.datetime,
        change: records.AlarmChange | None,
        pending: Sequence[records.Notification],
    ) -> bool:
        with self.database.use() as db:
            return evaluation.change_state(db, alarm, state, now, change, pending)

    def leases(self) -> list[records.Lease]:
        with self.database.use() as db:
            return evaluation.leases(db)

    def take_leases(self, names: Sequence[str], owner: str, now: dt.datetime, expires: dt.datetime) -> list[str]:
        with self.database.use() as db:
            return evaluation.take(db, names, owner, now, expires)

    def renew_leases(self, owner: str, expires: dt.datetime) -> list[str]:
        with self.database.use() as db:
            return evaluation.renew(db, owner, expires)

    def release_leases(self, owner: str, names: Sequence[str]) -> None:
        with self.database.use() as db:
            evaluation.release(db, owner, names)

    def begin_work(self, name: str, owner: str, now: dt.datetime, last: dt.datetime) -> bool:
        with self.database.use() as db:
            return evaluation.begin_work(db, name, owner, now, last)

    def due_notifications(
        self, now: dt.datetime, limit: int, without: Collection[str] = ()
    ) -> list[records.Notification]:
        with self.database.use() as db:
            return notifications.due(db, now, limit, without)

    def claim_notification(self, notification: records.Notification, due: dt.datetime) -> bool:
        with self.database.use() as db:
            if not notifications.claim(db, notification, due):
                return False
        notification.due = due
        notification.attempts += 1
        return True

    def postpone_notification(self, notification: records.Notification, due: dt.datetime) -> None:
        with self.database.use() as db:
            notifications.postpone(db, notification.notification_id, due)

    def delete_notification(self, notification: records.Notification) -> None:
        with self.database.use() as db:
            notifications.delete(db, notification)

    def stored_notifications(self, page: PageRequest) -> Page[records.Notification]:
        with self.database.use() as db:
            return notifications.stored(db, page)

    def record_notifications(self, waiting: Sequence[records.Notification]) -> None:
        with self.database.use() as db:
            notifications.record(db, waiting)

    def expire_notifications(self, before: dt.datetime) -> int:
        with self.database.use() as db:
            return notifications.expire(db, before)

    def record_events(self, events_: Iterable[records.Event]) -> records.Stored:
        with self.database.use() as db:
            return events.record(db, events_)

    def events(self, criteria: EventFilter, page: PageRequest) -> Page[records.Event]:
        with self.database.use() as db:
            return events.listing(db, criteria, page)

    def event_types(self) -> list[str]:
        with self.database.use() as db:
            return events.types(db)

    def trait_descriptions(self, event_type: str) -> list[tuple[str, records.TraitType]]:
        with self.database.use() as db:
            return events.trait_descriptions(db, event_type)

    def traits(self, event_type: str, name: str) -> list[records.Trait]:
        with self.database.use() as db:
            return events.traits(db, event_type, name)

    def event_counts(self) -> Counts:
        with self.database.use() as db:
            return counts.events(db)

    def expire_events(self, before: dt.datetime) -> int:
        with self.database.use() as db:
            return expiry.events(db, before)
