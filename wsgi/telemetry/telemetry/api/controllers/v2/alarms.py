"""/v2/alarms"""

import dataclasses
import uuid
from typing import Any

import pecan
from pecan import rest

from telemetry import timestamps
from telemetry.alarms import changes
from telemetry.api import alarm_actions, alarm_changes, alarm_scope, identity, scoping
from telemetry.api.errors import ClientSideError, ProjectNotAuthorizedError
from telemetry.api.expose import expose
from telemetry.api.types.alarms import Alarm, AlarmChange, State
from telemetry.api.types.base import value_or
from telemetry.api.types.query import Query
from telemetry.i18n import _
from telemetry.query import simple
from telemetry.storage import records
from telemetry.storage.filters import AlarmFilter


def _not_found(alarm_id: str, project_id: str | None) -> ClientSideError:
    text = _("Alarm %s not found") % alarm_id
    if project_id is not None:
        text = _("Alarm %(alarm)s not found in project %(project)s") % {"alarm": alarm_id, "project": project_id}
    return ClientSideError(text, status_code=404)


def _stored(alarm_id: str, project_id: str | None) -> records.Alarm:
    """Return a stored alarm, of one project unless `project_id` is None. Raises a 404."""
    alarms: list[records.Alarm] = pecan.request.stores.alarm.alarms(AlarmFilter(alarm_id=alarm_id, project=project_id))
    if not alarms:
        raise _not_found(alarm_id, project_id)
    return alarms[0]


def _check_name_free(name: str, project_id: str | None, text: str, except_id: str | None = None) -> None:
    if project_id is None:
        return
    for other in pecan.request.stores.alarm.alarms(AlarmFilter(name=name, project=project_id)):
        if other.alarm_id != except_id:
            raise ClientSideError(text, status_code=409)


def _check_combination(record: records.Alarm) -> None:
    """Raise a 404 for a member alarm that does not exist, a 400 for the alarm itself."""
    if record.type != "combination":
        return
    project = identity.scope_on_behalf_of(record.project_id).project_id
    for member in record.rule["alarm_ids"]:
        if member == record.alarm_id:
            raise ClientSideError(_("Cannot specify alarm %s itself in combination rule") % member)
        _stored(member, project)


def _check_quota(record: records.Alarm) -> None:
    options = pecan.request.cfg.alarm
    store = pecan.request.stores.alarm
    for quota, criteria in (
        (options.project_alarm_quota, AlarmFilter(project=record.project_id)),
        (options.user_alarm_quota, AlarmFilter(user=record.user_id)),
    ):
        if quota is not None and len(store.alarms(criteria)) >= quota:
            raise ClientSideError(
                _("Alarm quota exceeded for user %(user)s on project %(project)s")
                % {"user": record.user_id, "project": record.project_id},
                status_code=403,
            )


def _check_owner(alarm: Alarm) -> None:
    """Raise a 401 if a limited caller names another owner."""
    scope = identity.scope()
    for aspect, own in (("user", scope.user_id), ("project", scope.project_id)):
        owner = value_or(getattr(alarm, f"{aspect}_id"), None)
        if own is not None and owner is not None and owner != own:
            raise ProjectNotAuthorizedError(owner, aspect)


class AlarmController(rest.RestController):  # type: ignore[misc]
    """/v2/alarms/{alarm_id}"""

    _custom_actions = {"history": ["GET"], "state": ["PUT", "GET"]}  # noqa: RUF012

    def __init__(self, alarm_id: str) -> None:
        self._id = alarm_id

    def _alarm(self) -> records.Alarm:
        return _stored(self._id, identity.scope().project_id)

    @expose(Alarm)
    def get(self) -> Any:
        """Return the alarm."""
        identity.enforce("get_alarm")
        return Alarm.from_record(self._alarm())

    @expose(Alarm, body=Alarm)
    def put(self, data: Alarm) -> Any:
        """Replace the alarm; its owner stays unless another is named."""
        identity.enforce("change_alarm")
        old = self._alarm()
        _check_owner(data)
        owner = (value_or(data.user_id, old.user_id), value_or(data.project_id, old.project_id))
        new = data.record(self._id, owner, timestamps.utcnow())
        alarm_actions.check(new)
        _check_combination(new)
        alarm_scope.limit_rule(new)
        if new.name != old.name or new.project_id != old.project_id:
            _check_name_free(new.name, new.project_id, _("Alarm with name=%s exists") % new.name, self._id)
        if new.state == old.state:
            new.state_timestamp = old.state_timestamp
        entry = alarm_changes.change(changes.RULE_CHANGE, new, alarm_changes.difference(old, new))
        pecan.request.stores.alarm.update_alarm(new, entry)
        alarm_changes.announce(entry)
        return Alarm.from_record(new)

    @expose(None, status_code=204)
    def delete(self) -> Any:
        """Delete the alarm; its history stays until it expires."""
        identity.enforce("delete_alarm")
        alarm = self._alarm()
        entry = alarm_changes.change(changes.DELETION, alarm)
        pecan.request.stores.alarm.delete_alarm(self._id, entry)
        alarm_changes.announce(entry)

    @expose([AlarmChange], [Query])
    def history(self, q: list[Query] | None = None) -> Any:
        """Return the alarm's history, newest first; an unknown alarm has none."""
        identity.enforce("alarm_history")
        parsed = simple.parse(list(q or []), simple.ALARM_HISTORY)
        changes = pecan.request.stores.alarm.alarm_changes(parsed.history_filter(self._id, identity.scope().project_id))
        return [AlarmChange.from_record(change) for change in changes]

    @expose(State, body=State)
    def put_state(self, state: str) -> Any:
        """Set the alarm's state."""
        identity.enforce("change_alarm_state")
        if not isinstance(state, str) or state not in State.values:
            raise ClientSideError(_("state invalid"))
        now = timestamps.utcnow()
        alarm = dataclasses.replace(self._alarm(), state=state, state_timestamp=now, timestamp=now)
        entry = alarm_changes.change(changes.STATE_TRANSITION, alarm, {"state": state})
        pecan.request.stores.alarm.update_alarm(alarm, entry)
        alarm_changes.announce(entry)
        return alarm.state

    @expose(State)
    def get_state(self) -> Any:
        """Return the alarm's state."""
        identity.enforce("get_alarm_state")
        return self._alarm().state


class AlarmsController(rest.RestController):  # type: ignore[misc]
    """/v2/alarms"""

    @pecan.expose()  # type: ignore[untyped-decorator]
    def _lookup(self, alarm_id: str, *remainder: str) -> tuple[AlarmController, tuple[str, ...]]:
        return AlarmController(alarm_id), remainder

    @expose(Alarm, body=Alarm, status_code=201)
    def post(self, data: Alarm) -> Any:
        """Create an alarm; it belongs to the caller unless it names an owner."""
        identity.enforce("create_alarm")
        _check_owner(data)
        owner = (value_or(data.user_id, identity.user_id()), value_or(data.project_id, identity.project_id()))
        alarm = data.record(str(uuid.uuid4()), owner, timestamps.utcnow())
        alarm_actions.check(alarm)
        _check_combination(alarm)
        alarm_scope.limit_rule(alarm)
        _check_quota(alarm)
        _check_name_free(alarm.name, alarm.project_id, _("Alarm with name='%s' exists") % alarm.name)
        entry = alarm_changes.change(changes.CREATION, alarm)
        pecan.request.stores.alarm.create_alarm(alarm, entry)
        alarm_changes.announce(entry)
        return Alarm.from_record(alarm)

    @expose([Alarm], [Query])
    def get_all(self, q: list[Query] | None = None) -> Any:
        """Return alarms, newest first."""
        identity.enforce("get_alarms")
        parsed = simple.parse(scoping.limited(q, identity.scope()), simple.ALARMS)
        return [Alarm.from_record(alarm) for alarm in pecan.request.stores.alarm.alarms(parsed.alarm_filter())]
