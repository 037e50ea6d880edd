"""The interface of a store. Another store is a subclass of Driver, named in entry point `telemetry.storage`.

A driver overrides the methods that it supports. A request that needs another method is answered 501. Several threads
may call the methods at the same time. Every method raises UnavailableError if the store does not answer, and
BadQueryError for a query that the store cannot answer.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from oslo_config import cfg

from telemetry.errors import NotSupportedError
from telemetry.query.expression import Expression, Ordering
from telemetry.storage import records
from telemetry.storage.filters import (
    AGGREGATE_FUNCTIONS,
    AlarmFilter,
    EventFilter,
    HistoryFilter,
    Page,
    PageRequest,
    SampleFilter,
    StatisticsRequest,
)

# What a driver reports that answers every request of the API.
EVERY_CAPABILITY = frozenset(
    {
        "meters:query:simple",
        "meters:query:metadata",
        "resources:query:simple",
        "resources:query:metadata",
        "samples:query:simple",
        "samples:query:metadata",
        "samples:query:complex",
        "statistics:groupby",
        "statistics:query:simple",
        "statistics:query:metadata",
        "statistics:aggregation:standard",
        *(f"statistics:aggregation:selectable:{name}" for name in AGGREGATE_FUNCTIONS),
        "alarms:query:simple",
        "alarms:query:complex",
        "alarms:history:query:simple",
        "alarms:history:query:complex",
        "events:query:simple",
    }
)

# Numbers of stored objects by the names of their kinds.
Counts = dict[str, int]


class MeteringStore:
    """Samples, and their meters, resources and statistics."""

    def record_samples(self, samples: Iterable[records.Sample]) -> records.Stored:
        """Store all samples or none. A message_id that is stored already is skipped and counted as a duplicate."""
        raise NotSupportedError("Recording samples is not implemented")

    def meters(self, criteria: SampleFilter, page: PageRequest, unique: bool = False) -> Page[records.Meter]:
        """List each meter of each resource, or with `unique` each meter once.

        The filter applies to the latest sample of a meter of a resource.
        """
        raise NotSupportedError("Meters not implemented")

    def samples(self, criteria: SampleFilter, page: PageRequest) -> Page[records.Sample]:
        """List samples, newest first."""
        raise NotSupportedError("Samples not implemented")

    def resources(self, criteria: SampleFilter, page: PageRequest, with_meters: bool) -> Page[records.Resource]:
        """List the resources with a sample that matches the filter, in the order of their ids."""
        raise NotSupportedError("Resources not implemented")

    def statistics(self, request: StatisticsRequest) -> list[records.Statistics]:
        """Aggregate samples. The rows are ordered by period, then group and unit. Without samples there are no rows."""
        raise NotSupportedError("Statistics not implemented")

    def query_samples(
        self, expression: Expression | None, order: Sequence[Ordering], limit: int
    ) -> list[records.Sample]:
        """List the samples for which the expression is true."""
        raise NotSupportedError("Complex query for samples is not implemented.")

    def stored_samples(self, page: PageRequest) -> Page[records.Sample]:
        """List all samples in the order in which they were stored."""
        raise NotSupportedError("Copying samples is not implemented")

    def metering_counts(self) -> Counts:
        """Return the numbers of samples, and of the meters and resources that have samples."""
        raise NotSupportedError("Counting samples is not implemented")

    def expire_samples(self, before: dt.datetime, samples_only: bool) -> int:
        """Delete samples older than `before`, and unless `samples_only` the meters and resources without samples.

        Return the number of deleted samples.
        """
        raise NotSupportedError("Expiring samples is not implemented")


class AlarmStore:
    """Alarms and their history."""

    def alarms(self, criteria: AlarmFilter) -> list[records.Alarm]:
        """List alarms, newest timestamp first."""
        raise NotSupportedError("Alarms not implemented")

    def create_alarm(self, alarm: records.Alarm, change: records.AlarmChange | None) -> None:
        """Store a new alarm, and the change for its history in the same transaction."""
        raise NotSupportedError("Alarms not implemented")

    def update_alarm(self, alarm: records.Alarm, change: records.AlarmChange | None) -> None:
        """Replace a stored alarm. Raises NotFoundError."""
        raise NotSupportedError("Alarms not implemented")

    def delete_alarm(self, alarm_id: str, change: records.AlarmChange | None) -> None:
        """Delete an alarm. Raises NotFoundError."""
        raise NotSupportedError("Alarms not implemented")

    def alarm_changes(self, criteria: HistoryFilter) -> list[records.AlarmChange]:
        """List changes, newest first."""
        raise NotSupportedError("Alarm history not implemented")

    def query_alarms(self, expression: Expression | None, order: Sequence[Ordering], limit: int) -> list[records.Alarm]:
        """List the alarms for which the expression is true."""
        raise NotSupportedError("Complex query for alarms is not implemented.")

    def query_alarm_history(
        self, expression: Expression | None, order: Sequence[Ordering], limit: int
    ) -> list[records.AlarmChange]:
        """List the changes for which the expression is true."""
        raise NotSupportedError("Complex query for alarms history is not implemented.")

    def stored_alarm_changes(self, page: PageRequest) -> Page[records.AlarmChange]:
        """List the history of all alarms, oldest entry first."""
        raise NotSupportedError("Copying alarm history is not implemented")

    def record_alarm_changes(self, changes: Sequence[records.AlarmChange]) -> records.Stored:
        """Store entries of the history. An event_id that is stored already is skipped and counted as a duplicate."""
        raise NotSupportedError("Copying alarm history is not implemented")

    def alarm_counts(self) -> Counts:
        """Return the numbers of alarms and of entries of their history."""
        raise NotSupportedError("Counting alarms is not implemented")

    def expire_alarm_history(self, before: dt.datetime) -> int:
        """Delete changes older than `before`. Return their number."""
        raise NotSupportedError("Expiring alarm history is not implemented")


class EvaluationStore:
    """What telemetry-evaluator and telemetry-notifier keep beside the alarms: leases, and notifications to be sent."""

    def check_evaluation(self) -> None:
        """Raise SchemaMismatchError, which names the command to run, if the store lacks what these methods need."""

    def alarms_between(self, first: str, end: str | None) -> list[records.Alarm]:
        """List the enabled alarms whose ids are `first` or greater, and less than `end` (None: no limit), by their ids.

        A change of state that a crash interrupted is completed first.
        """
        raise NotSupportedError("Evaluating alarms is not implemented")

    def alarm_states(self, alarm_ids: Sequence[str]) -> dict[str, str]:
        """Return the states of alarms by their ids, without those that do not exist."""
        raise NotSupportedError("Evaluating alarms is not implemented")

    def change_alarm_state(
        self,
        alarm: records.Alarm,
        state: str,
        now: dt.datetime,
        change: records.AlarmChange | None,
        pending: Sequence[records.Notification],
    ) -> bool:
        """Set the state of an alarm, and store the change and pending notifications: all of them or none.

        Return False, and store nothing, if the alarm is no longer as `alarm` has it: it has another state, or was
        changed, disabled or deleted. `state` may be the state that the alarm has.
        """
        raise NotSupportedError("Evaluating alarms is not implemented")

    def leases(self) -> list[records.Lease]:
        """List all leases, by their names."""
        raise NotSupportedError("Evaluating alarms is not implemented")

    def take_leases(self, names: Sequence[str], owner: str, now: dt.datetime, expires: dt.datetime) -> list[str]:
        """Make `owner` the owner of each lease that has no other owner, or that expired. Return the names of these."""
        raise NotSupportedError("Evaluating alarms is not implemented")

    def renew_leases(self, owner: str, expires: dt.datetime) -> list[str]:
        """Set the end of each lease that `owner` still owns. Return their names."""
        raise NotSupportedError("Evaluating alarms is not implemented")

    def release_leases(self, owner: str, names: Sequence[str]) -> None:
        """Make leases of `owner` free for others."""
        raise NotSupportedError("Evaluating alarms is not implemented")

    def begin_work(self, name: str, owner: str, now: dt.datetime, last: dt.datetime) -> bool:
        """Set when the work of a lease was begun to `now`, if it was begun at `last` or before.

        Return False if it was begun since, or if `owner` has no such lease at `now`.
        """
        raise NotSupportedError("Evaluating alarms is not implemented")

    def due_notifications(
        self, now: dt.datetime, limit: int, without: Collection[str] = ()
    ) -> list[records.Notification]:
        """List notifications that are due, the earliest first, except for the receivers in `without`.

        A notification is not listed while an older one of the same alarm for the same action is stored.
        """
        raise NotSupportedError("Sending notifications is not implemented")

    def claim_notification(self, notification: records.Notification, due: dt.datetime) -> bool:
        """Begin an attempt: set the time of the next one, and count this one, in the store and in `notification`.

        Return False if another process did so since the notification was listed, or deleted it.
        """
        raise NotSupportedError("Sending notifications is not implemented")

    def postpone_notification(self, notification: records.Notification, due: dt.datetime) -> None:
        """Set the time of the next attempt."""
        raise NotSupportedError("Sending notifications is not implemented")

    def delete_notification(self, notification: records.Notification) -> None:
        """Delete a notification that was delivered or given up."""
        raise NotSupportedError("Sending notifications is not implemented")

    def stored_notifications(self, page: PageRequest) -> Page[records.Notification]:
        """List all notifications that wait, by their ids."""
        raise NotSupportedError("Copying notifications is not implemented")

    def record_notifications(self, notifications: Sequence[records.Notification]) -> None:
        """Store notifications. One whose id is stored already is replaced."""
        raise NotSupportedError("Copying notifications is not implemented")

    def expire_notifications(self, before: dt.datetime) -> int:
        """Delete notifications created before `before`. Return their number."""
        raise NotSupportedError("Sending notifications is not implemented")


class EventStore:
    """Events, their types and traits."""

    def record_events(self, events: Iterable[records.Event]) -> records.Stored:
        """Store all events or none. A message_id that is stored already is skipped and counted as a duplicate."""
        raise NotSupportedError("Recording events is not implemented")

    def events(self, criteria: EventFilter, page: PageRequest) -> Page[records.Event]:
        """List events, oldest first."""
        raise NotSupportedError("Events not implemented")

    def event_types(self) -> list[str]:
        """List the types of the stored events, sorted."""
        raise NotSupportedError("Event types not implemented")

    def trait_descriptions(self, event_type: str) -> list[tuple[str, records.TraitType]]:
        """List (name, type) of the traits that events of a type have, sorted by type, then name."""
        raise NotSupportedError("Traits not implemented")

    def traits(self, event_type: str, name: str) -> list[records.Trait]:
        """List each value of a trait in events of a type: by type, then the oldest event first."""
        raise NotSupportedError("Traits not implemented")

    def event_counts(self) -> Counts:
        """Return the numbers of events and of their traits."""
        raise NotSupportedError("Counting events is not implemented")

    def expire_events(self, before: dt.datetime) -> int:
        """Delete events generated before `before`. Return their number."""
        raise NotSupportedError("Expiring events is not implemented")


class Driver(MeteringStore, AlarmStore, EvaluationStore, EventStore):
    """A store for all purposes.

    `url` is the connection URL; its scheme named the driver. The constructor must not wait for the store. `check` and
    the other methods report a store that does not answer.
    """

    PRODUCTION_READY = True
    # The capabilities that /v2/capabilities reports as true.
    CAPABILITIES: frozenset[str] = frozenset()

    def __init__(self, conf: cfg.ConfigOpts, url: str) -> None:
        self.conf = conf
        self.url = url

    def check(self) -> None:
        """Connect to the store and compare its schema. Raises UnavailableError or SchemaMismatchError."""

    def upgrade(self, revision: str = "head") -> str | None:
        """Change the schema to a version. Return it, or None for a store without a schema.

        Raises SchemaMismatchError for a version that this release does not know.
        """
        return None

    def apply_retention(self) -> None:
        """Make the store delete by itself what is older than its time to live, if the store can do so."""

    def close(self) -> None:
        """Close all connections."""
