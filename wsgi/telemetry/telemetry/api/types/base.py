"""The base of the types that clients send and receive, and checks of their members."""

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Mapping
from typing import Any

import wsme
import wsme.types
from wsme import Unset

from telemetry import timestamps
from telemetry.api.errors import InvalidInput
from telemetry.i18n import _
from telemetry.storage.limits import BIGGEST_VOLUME, NAME_LENGTH, is_volume

attribute = wsme.wsattr
__all__ = ["Unset", "attribute", "timestamp"]


class Timestamp(wsme.types.UserType):  # type: ignore[misc]
    """A time in ISO 8601. WSME's own type also accepts `10`, as the tenth of the month."""

    basetype = str
    name = "datetime"

    @staticmethod
    def validate(value: Any) -> Any:
        """Return the value. Raises ValueError unless it is a datetime."""
        if not isinstance(value, dt.datetime):
            raise ValueError(f"'{value}' is not a legal datetime value")
        return value

    @staticmethod
    def frombasetype(value: Any) -> dt.datetime | None:
        """Read the text. Raises ValueError."""
        if value is None:
            return None
        try:
            return timestamps.parse(value)
        except ValueError:
            raise ValueError(f"'{value}' is not a legal datetime value") from None

    @staticmethod
    def tobasetype(value: dt.datetime | None) -> str | None:
        """Write the text."""
        return value.isoformat() if value is not None else None


timestamp = Timestamp()


class Base(wsme.types.Base):  # type: ignore[misc]
    """Base of the types that clients send and receive. Members that are not set are left out of an answer."""

    @classmethod
    def answer(cls, **members: Any) -> Any:
        """Return a plain object with the members of the type, for an answer.

        An instance of the type itself would check every member like input, which takes longer than the database needs.
        """
        kind: Any = cls
        return _plain(kind)(**members)


@functools.cache
def _plain(kind: Any) -> Callable[..., Any]:
    names = [member.key for member in wsme.types.list_attributes(kind)]
    return dataclasses.make_dataclass(
        kind.__name__, [(name, Any, dataclasses.field(default=Unset)) for name in names], slots=True
    )


def value_or(value: Any, default: Any) -> Any:
    """Return the value of a member, or the default if the member is absent or null."""
    return default if value is Unset or value is None else value


def check_name(field: str, value: Any, length: int = NAME_LENGTH) -> None:
    """Raise a 400 for a text that is too long to store."""
    if isinstance(value, str) and len(value) > length:
        raise InvalidInput(field, value, _("Value should have a maximum character requirement of %s") % length)


def check_volume(field: str, value: Any) -> None:
    """Raise a 400 for a volume from which aggregates cannot be computed."""
    if not is_volume(value):
        raise InvalidInput(
            field,
            value,
            _("The volume must be between %(low)s and %(high)s") % {"low": -BIGGEST_VOLUME, "high": BIGGEST_VOLUME},
        )


def check_present(item: Any, fields: Mapping[str, Any] | list[str]) -> None:
    """Raise a 400 if a mandatory member is null."""
    for field in fields:
        if value_or(getattr(item, field), None) is None:
            raise InvalidInput(field, None, "Mandatory field missing.")
