"""The driver for SQLite, PostgreSQL and MariaDB: runs a function of this package's modules in a transaction."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence

from oslo_config import cfg

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
from telemetry.storage.sqlalchemy import (
    alarms,
    complex_query,
    counts,
    evaluation,
    events,
    expiry,
    meters,
    notifications,
    resources,
    samples,
    schema,
    statistics,
    writing,
)
from telemetry.storage.sqlalchemy.engine import Database


class SQLDriver(Driver):
    """Samples, alarms and events in an SQL database."""

    CAPABILITIES = EVERY_CAPABILITY

    def __init__(self, conf: cfg.ConfigOpts, url: str) -> None:
        super().__init__(conf, url)
        self.database = Database(conf, url)

    def check(self) -> None:
        self.database.check()

    def upgrade(self, revision: str = "head") -> str | None:
        engine = self.database.engine(create=True)
        try:
            schema.upgrade(engine, revision)
            with engine.connect() as connection:
                return schema.current(connection)
        finally:
            engine.dispose()

    def close(self) -> None:
        self.database.dispose()

    def record_samples(self, samples: Iterable[records.Sample]) -> records.Stored:
        batch = list(samples) if isinstance(samples, Iterator) else samples
        return self.database.write(lambda connection: writing.record(connection, batch))

    def meters(self, criteria: SampleFilter, page: PageRequest, unique: bool = False) -> Page[records.Meter]:
        with self.database.read() as connection:
            return (meters.unique if unique else meters.listing)(connection, criteria, page)

    def samples(self, criteria: SampleFilter, page: PageRequest) -> Page[records.Sample]:
        with self.database.read() as connection:
            return samples.listing(connection, criteria, page)

    def resources(self, criteria: SampleFilter, page: PageRequest, with_meters: bool) -> Page[records.Resource]:
        with self.database.read() as connection:
            return resources.listing(connection, criteria, page, with_meters)

    def statistics(self, request: StatisticsRequest) -> list[records.Statistics]:
        with self.database.read() as connection:
            return statistics.statistics(connection, request)

    def query_samples(
        self, expression: Expression | None, order: Sequence[Ordering], limit: int
    ) -> list[records.Sample]:
        with self.database.read() as connection:
            return complex_query.query_samples(connection, expression, order, limit)

    def stored_samples(self, page: PageRequest) -> Page[records.Sample]:
        with self.database.read() as connection:
            return samples.stored(connection, page)

    def metering_counts(self) -> Counts:
        with self.database.read() as connection:
            return counts.metering(connection)

    def expire_samples(self, before: dt.datetime, samples_only: bool) -> int:
        return expiry.samples(self.database, before, samples_only)

    def alarms(self, criteria: AlarmFilter) -> list[records.Alarm]:
        with self.database.read() as connection:
            return alarms.listing(connection, criteria)

    def create_alarm(self, alarm: records.Alarm, change: records.AlarmChange | None) -> None:
        self.database.write(lambda connection: alarms.create(connection, alarm, change))

    def update_alarm(self, alarm: records.Alarm, change: records.AlarmChange | None) -> None:
        self.database.write(lambda connection: alarms.update(connection, alarm, change))

    def delete_alarm(self, alarm_id: str, change: records.AlarmChange | None) -> None:
        self.database.write(lambda connection: alarms.delete(connection, alarm_id, change))

    def alarm_changes(self, criteria: HistoryFilter) -> list[records.AlarmChange]:
        with self.database.read() as connection:
            return alarms.history(connection, criteria)

    def query_alarms(self, expression: Expression | None, order: Sequence[Ordering], limit: int) -> list[records.Alarm]:
        with self.database.read() as connection:
            return alarms.query_alarms(connection, expression, order, limit)

    def query_alarm_history(
        self, expression: Expression | None, order: Sequence[Ordering], limit: int
    ) -> list[records.AlarmChange]:
        with self.database.read() as connection:
            return alarms.query_history(connection, expression, order, limit)

    def stored_alarm_changes(self, page: PageRequest) -> Page[records.AlarmChange]:
        with self.database.read() as connection:
            return alarms.stored_changes(connection, page)

    def record_alarm_changes(self, changes: Sequence[records.AlarmChange]) -> records.Stored:
        return self.database.write(lambda connection: alarms.record_changes(connection, changes))

    def alarm_counts(self) -> Counts:
        with self.database.read() as connection:
            return counts.alarms(connection)

    def expire_alarm_history(self, before: dt.datetime) -> int:
        return expiry.alarm_changes(self.database, before)

    def check_evaluation(self) -> None:
        with self.database.read() as connection:
            schema.require_additions(connection)

    def alarms_between(self, first: str, end: str | None) -> list[records.Alarm]:
        with self.database.read() as connection:
            return evaluation.alarms_between(connection, first, end)

    def alarm_states(self, alarm_ids: Sequence[str]) -> dict[str, str]:
        with self.database.read() as connection:
            return evaluation.states(connection, alarm_ids)

    def change_alarm_state(
        self,
        alarm: records.Alarm,
        state: str,
        now: dt.datetime,
        change: records.AlarmChange | None,
        pending: Sequence[records.Notification],
    ) -> bool:
        return self.database.write(
            lambda connection: evaluation.change_state(connection, alarm, state, now, change, pending)
        )

    def leases(self) -> list[records.Lease]:
        with self.database.read() as connection:
            return evaluation.leases(connection)

    def take_leases(self, names: Sequence[str], owner: str, now: dt.datetime, expires: dt.datetime) -> list[str]:
        return self.database.write(lambda connection: evaluation.take(connection, names, owner, now, expires))

    def renew_leases(self, owner: str, expires: dt.datetime) -> list[str]:
        return self.database.write(lambda connection: evaluation.renew(connection, owner, expires))

    def release_leases(self, owner: str, names: Sequence[str]) -> None:
        self.database.write(lambda connection: evaluation.release(connection, owner, names))

    def begin_work(self, name: str, owner: str, now: dt.datetime, last: dt.datetime) -> bool:
        return self.database.write(lambda connection: evaluation.begin_work(connection, name, owner, now, last))

    def due_notifications(
        self, now: dt.datetime, limit: int, without: Collection[str] = ()
    ) -> list[records.Notification]:
        with self.database.read() as connection:
            return notifications.due(connection, now, limit, without)

    def claim_notification(self, notification: records.Notification, due: dt.datetime) -> bool:
        if not self.database.write(lambda connection: notifications.claim(connection, notification, due)):
            return False
        notification.due = due
        notification.attempts += 1
        return True

    def postpone_notification(self, notification: records.Notification, due: dt.datetime) -> None:
        self.database.write(lambda connection: notifications.postpone(connection, notification.notification_id, due))

    def delete_notification(self, notification: records.Notification) -> None:
        self.database.write(lambda connection: notifications.delete(connection, notification.notification_id))

    def stored_notifications(self, page: PageRequest) -> Page[records.Notification]:
        with self.database.read() as connection:
            return notifications.stored(connection, page)

    def record_notifications(self, waiting: Sequence[records.Notification]) -> None:
        self.database.write(lambda connection: notifications.record(connection, waiting))

    def expire_notifications(self, before: dt.datetime) -> int:
        return self.database.write(lambda connection: notifications.expire(connection, before))

    def record_events(self, events_: Iterable[records.Event]) -> records.Stored:
        batch = list(events_) if isinstance(events_, Iterator) else events_
        return self.database.write(lambda connection: events.record(connection, batch))

    def events(self, criteria: EventFilter, page: PageRequest) -> Page[records.Event]:
        with self.database.read() as connection:
            return events.listing(connection, criteria, page)

    def event_types(self) -> list[str]:
        with self.database.read() as connection:
            return events.types(connection)

    def trait_descriptions(self, event_type: str) -> list[tuple[str, records.TraitType]]:
        with self.database.read() as connection:
            return events.trait_descriptions(connection, event_type)

    def traits(self, event_type: str, name: str) -> list[records.Trait]:
        with self.database.read() as connection:
            return events.traits(connection, event_type, name)

    def event_counts(self) -> Counts:
        with self.database.read() as connection:
            return counts.events(connection)

    def expire_events(self, before: dt.datetime) -> int:
        return expiry.events(self.database, before)
