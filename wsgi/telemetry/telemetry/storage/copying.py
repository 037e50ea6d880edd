"""Copies everything from one store to another.

Every write skips what the target has already. So a copy that broke off goes on with the batch that it had begun, and a
second copy brings what was stored since the first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from telemetry.errors import BadQueryError, NoSchemaError, SchemaMismatchError, TelemetryError
from telemetry.storage.filters import AlarmFilter, EventFilter, Page, PageRequest
from telemetry.storage.interface import Counts, EvaluationStore
from telemetry.storage.progress import Progress
from telemetry.storage.records import Alarm, Notification
from telemetry.storage.stores import Stores

T = TypeVar("T")
Report = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of objects of a kind in the source and in the target."""

    kind: str
    source: int
    target: int


def counts(stores: Stores) -> Counts:
    """Count what the stores have."""
    return {**stores.metering.metering_counts(), **stores.alarm.alarm_counts(), **stores.event.event_counts()}


def prepare(source: Stores, target: Stores, resumes: bool) -> None:
    """Compare the schemas, and make that of a target without one.

    Raises TelemetryError, before it changes anything, for a source that cannot be read, and unless `resumes` for a
    target that is not empty.
    """
    for driver in source.all:
        driver.check()
    counts(source)
    for driver in target.all:
        try:
            driver.check()
        except NoSchemaError:
            driver.upgrade()
    if _keeps_notifications(source.evaluation):
        target.evaluation.check_evaluation()
    present = ", ".join(f"{number} {kind}" for kind, number in counts(target).items() if number)
    if present and not resumes:
        raise TelemetryError(f"The target is not empty: it has {present}. Name an empty database")


class Copy:
    """A copy between two stores. `report` is called with the kind and the number of objects after each batch."""

    def __init__(self, source: Stores, target: Stores, progress: Progress, batch: int, report: Report) -> None:
        self._source, self._target = source, target
        self._progress, self._batch, self._report = progress, batch, report

    def run(self) -> list[Row]:
        """Copy what is missing in the target. Return the numbers of objects in both stores."""
        resumed = bool(self._progress.markers)
        self._progress.save()
        rows = self._pass()
        if resumed and any(row.source != row.target for row in rows):
            # Something was stored before the place where this pass began.
            self._progress.markers.clear()
            rows = self._pass()
        return rows

    def _pass(self) -> list[Row]:
        source, target = self._source, self._target
        waits = _keeps_notifications(source.evaluation)
        if waits:
            # This completes changes of state that a crash interrupted, with their history and notifications.
            source.evaluation.alarms_between("", None)
        self._alarms()
        self._pages("alarm changes", source.alarm.stored_alarm_changes, target.alarm.record_alarm_changes)
        self._pages("samples", source.metering.stored_samples, target.metering.record_samples)
        self._pages("events", lambda page: source.event.events(EventFilter(), page), target.event.record_events)
        notifications = self._notifications() if waits else Row("notifications", 0, 0)
        present = counts(target)
        return [*(Row(kind, number, present[kind]) for kind, number in counts(source).items()), notifications]

    def _pages(self, kind: str, read: Callable[[PageRequest], Page[T]], write: Callable[[Sequence[T]], Any]) -> None:
        copied = 0
        marker: str | None = self._progress.markers.get(kind)
        while True:
            page = read(PageRequest(self._batch, marker))
            _write(kind, page.items, write)
            copied += len(page.items)
            self._report(kind, copied)
            marker = page.next_marker
            if marker is None:
                # The marker of the page before stays. What is stored later comes after it.
                return
            self._progress.markers[kind] = marker
            self._progress.save()

    def _alarms(self) -> None:
        """Make the alarms of the target those of the source. An alarm that was not copied is left alone."""
        store = self._target.alarm
        alarms = {alarm.alarm_id: alarm for alarm in self._source.alarm.alarms(AlarmFilter())}
        present = {alarm.alarm_id: alarm for alarm in store.alarms(AlarmFilter())}
        for alarm_id in alarms.keys() & present.keys():
            if alarms[alarm_id] != present[alarm_id] and _time(alarms[alarm_id]) < _time(present[alarm_id]):
                raise TelemetryError(
                    f"Alarm {alarm_id} was changed in the target after it was copied: clients write to it"
                )
        self._progress.alarms |= alarms.keys()
        self._progress.save()
        for alarm_id in present.keys() & (self._progress.alarms - alarms.keys()):
            store.delete_alarm(alarm_id, None)
        # The oldest comes first.
        for alarm in reversed(alarms.values()):
            if alarm.alarm_id not in present:
                store.create_alarm(alarm, None)
            elif alarm != present[alarm.alarm_id]:
                store.update_alarm(alarm, None)
        self._report("alarms", len(alarms))

    def _notifications(self) -> Row:
        """Make the notifications that wait in the target those of the source. One that was not copied is left alone."""
        store = self._target.evaluation
        waiting = {one.notification_id: one for one in self._waiting(self._source.evaluation)}
        for one in self._waiting(store):
            if one.notification_id in self._progress.notifications - waiting.keys():
                store.delete_notification(one)
        present = {one.notification_id: one for one in self._waiting(store)}
        changed = [one for key, one in waiting.items() if present.get(key) != one]
        self._progress.notifications |= waiting.keys()
        self._progress.save()
        for begin in range(0, len(changed), self._batch):
            store.record_notifications(changed[begin : begin + self._batch])
        self._report("notifications", len(waiting))
        return Row("notifications", len(waiting), sum(1 for _ in self._waiting(store)))

    def _waiting(self, store: EvaluationStore) -> Iterator[Notification]:
        marker: str | None = None
        while True:
            page = store.stored_notifications(PageRequest(self._batch, marker))
            yield from page.items
            marker = page.next_marker
            if marker is None:
                return


def _keeps_notifications(store: EvaluationStore) -> bool:
    """Say whether a store has what the evaluator and the notifier need. A schema of an earlier version has not."""
    try:
        store.check_evaluation()
    except SchemaMismatchError:
        return False
    return True


def _time(alarm: Alarm) -> Any:
    return max(alarm.timestamp, alarm.state_timestamp)


def _write(kind: str, items: Sequence[Any], write: Callable[[Sequence[Any]], Any]) -> None:
    """Write a batch. Raises TelemetryError that names the first object which the target cannot take."""
    if not items:
        return
    try:
        write(items)
    except BadQueryError:
        for item in items:
            try:
                write([item])
            except BadQueryError as error:
                key = item.event_id if kind == "alarm changes" else item.message_id
                raise TelemetryError(f"The target cannot take {key} of the {kind}: {error}") from error
