"""/v2/events and /v2/event_types"""

from typing import Any

import pecan
import webob.exc
from pecan import rest

from telemetry.api import identity, names, paging
from telemetry.api.errors import ClientSideError, InvalidInput, NotFoundError
from telemetry.api.expose import expose
from telemetry.api.types.base import Unset
from telemetry.api.types.events import TRAIT_TYPES, Event, Trait, TraitDescription, typed
from telemetry.api.types.query import Query
from telemetry.i18n import _
from telemetry.query import conversion
from telemetry.storage.filters import EventFilter, PageRequest, TraitTerm
from telemetry.storage.records import TraitType

OPERATORS = ("lt", "le", "eq", "ne", "ge", "gt")
# The fields of an event itself, and their operators. With eq, a start or end belongs to the range.
FIELD_OPERATORS = {
    "event_type": ("eq",),
    "message_id": ("eq",),
    "start_timestamp": ("eq", "ge", "gt"),
    "end_timestamp": ("eq", "le", "lt"),
}
TYPES = ("integer", "float", "string", "datetime")


def _filter(queries: list[Query] | None) -> EventFilter:
    """Return the filter for the store, limited to what the caller may see. Raises a 400 or 403."""
    user, project = identity.user_id(), identity.project_id()
    if not (user and project) and pecan.request.cfg.auth_strategy != "noauth":
        raise webob.exc.HTTPForbidden(detail="RBAC Authorization Failed")
    criteria = EventFilter()
    for query in queries or []:
        if query.field is Unset or query.value is Unset:
            raise InvalidInput("q", query, _("A filter needs a field and a value"))
        if query.op not in OPERATORS:
            raise ClientSideError(
                _("operator %(op)s is not supported. the supported operators are: %(ops)s")
                % {"op": query.op, "ops": OPERATORS}
            )
        _add(criteria, query)
    scope = identity.scope()
    if scope.limited:
        for name, value in (("project_id", scope.project_id), ("user_id", scope.user_id)):
            criteria.traits.append(TraitTerm(name, TraitType.STRING, "eq", value or ""))
    elif project:
        criteria.own_project_only, criteria.admin_project = True, project
    return criteria


def _add(criteria: EventFilter, query: Query) -> None:
    operators = FIELD_OPERATORS.get(query.field)
    if operators is not None and query.op not in operators:
        raise InvalidInput("op", query.op, _("unimplemented operator for %s") % query.field)
    if query.field in ("event_type", "message_id"):
        setattr(criteria, query.field, query.value)
    elif query.field in ("start_timestamp", "end_timestamp"):
        try:
            time = conversion.convert(query.value, "datetime")
        except conversion.ConversionError:
            raise InvalidInput(query.field, query.value, _("invalid timestamp format")) from None
        end = query.field.removesuffix("_timestamp")
        setattr(criteria, end, time)
        if query.op != "eq":
            setattr(criteria, f"{end}_op", query.op)
    else:
        kind = query.type or "string"
        try:
            value = conversion.convert(query.value, kind, TYPES)
        except conversion.ConversionError as error:
            raise ClientSideError(error.args[0]) from None
        trait_type = TRAIT_TYPES[kind]
        criteria.traits.append(
            TraitTerm(
                query.field, trait_type, query.op, typed(trait_type, query.value) if kind != "datetime" else value
            )
        )


class EventsController(rest.RestController):  # type: ignore[misc]
    """/v2/events"""

    @expose([Event], [Query], int, str)
    def get_all(self, q: list[Query] | None = None, limit: int | None = None, marker: str | None = None) -> Any:
        """Return events, oldest first."""
        identity.enforce("events:index")
        page = paging.page_of(limit, marker)
        events = pecan.request.stores.event.events(_filter(q), page)
        return [Event.from_record(event) for event in paging.items_of(events)]

    @expose(Event, str)
    def get_one(self, message_id: str) -> Any:
        """Return an event."""
        identity.enforce("events:show")
        criteria = _filter(None)
        criteria.message_id = message_id = names.from_path(message_id)
        events = pecan.request.stores.event.events(criteria, PageRequest()).items
        if not events:
            raise NotFoundError("Event", message_id)
        return Event.from_record(events[0])

    @expose([Event], body=[Event], status_code=201)
    def post(self, events: list[Event] | None = None) -> Any:
        """Store events. An event whose message_id is stored already is skipped."""
        identity.enforce("events:create")
        if not events:
            raise ClientSideError(_("Events should be included in request body"))
        scope = identity.scope()
        for event in events:
            if scope.limited:
                _own(event, {"project_id": scope.project_id, "user_id": scope.user_id})
        pecan.request.stores.event.record_events([event.record() for event in events])
        return events


def _own(event: Event, owner: dict[str, str | None]) -> None:
    """Add the owner's traits to a limited caller's event. Raises a 400 for traits of another owner."""
    traits = list(event.traits or [])
    for name, own in owner.items():
        same_name = [trait for trait in traits if trait.name == name]
        if any(trait.value != own or trait.type != "string" for trait in same_name):
            raise InvalidInput(name, same_name[0].value, _("can not post events to other projects"))
        if not same_name and own is not None:
            traits.append(Trait(name=name, type="string", value=own))
    event.traits = traits


class TraitsController(rest.RestController):  # type: ignore[misc]
    """/v2/event_types/{event_type}/traits"""

    def __init__(self, event_type: str) -> None:
        self._event_type = event_type

    @expose([TraitDescription])
    def get_all(self) -> Any:
        """Return the traits that events of the type have."""
        identity.require_unlimited()
        descriptions = pecan.request.stores.event.trait_descriptions(self._event_type)
        return [TraitDescription.of(name, kind) for name, kind in descriptions]

    @expose([Trait], str)
    def get_one(self, trait_name: str) -> Any:
        """Return each value that a trait has in events of the type."""
        identity.require_unlimited()
        traits = pecan.request.stores.event.traits(self._event_type, names.from_path(trait_name))
        return [Trait.from_record(trait) for trait in traits]


class EventTypeController(rest.RestController):  # type: ignore[misc]
    """/v2/event_types/{event_type}"""

    def __init__(self, event_type: str) -> None:
        self.traits = TraitsController(event_type)

    @expose(None, status_code=404)
    def get_all(self) -> Any:
        """Answer 404: an event type alone has no description."""
        identity.require_unlimited()
        raise ClientSideError(_("The resource could not be found."), status_code=404)


class EventTypesController(rest.RestController):  # type: ignore[misc]
    """/v2/event_types"""

    @pecan.expose()  # type: ignore[untyped-decorator]
    def _lookup(self, event_type: str, *remainder: str) -> tuple[EventTypeController, tuple[str, ...]]:
        return EventTypeController(names.from_path(event_type)), remainder

    @expose([str])
    def get_all(self) -> Any:
        """Return the types of the stored events."""
        identity.require_unlimited()
        return pecan.request.stores.event.event_types()
