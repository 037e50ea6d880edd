"""Posting samples: checks and completes them, then sends them to the message bus or stores them."""

import datetime as dt
import uuid
from typing import Any

import pecan

from telemetry import metadata, signing, timestamps
from telemetry.api import identity
from telemetry.api.errors import InvalidInput
from telemetry.api.types.base import check_name, check_present, check_volume, value_or
from telemetry.api.types.meters import OldSample
from telemetry.i18n import _
from telemetry.storage.records import METER_TYPES, Sample

MANDATORY = ["counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id"]
NAMES = ["counter_name", "counter_unit", "user_id", "project_id", "resource_id", "source"]


def post(meter_name: str, samples: list[OldSample], direct: bool) -> list[OldSample]:
    """Send or store samples, and return them with their defaults filled in.

    `direct` stores the samples although a message bus is configured. Raises a 400 before anything is stored.
    """
    scope = identity.scope()
    now = timestamps.utcnow()
    for sample in samples:
        _check(sample, meter_name)
        _complete(sample, now)
        if scope.project_id is not None and sample.project_id != scope.project_id:
            raise InvalidInput("project_id", sample.project_id, _("can not post samples to other projects"))
    secret = pecan.request.cfg.publisher.telemetry_secret
    notifier = pecan.request.notifier
    if notifier is not None and not direct:
        messages = [message(sample) for sample in samples]
        for unsigned in messages:
            unsigned["message_signature"] = signing.sign(unsigned, secret)
        notifier.send(messages, identity.user_id(), identity.project_id())
    else:
        pecan.request.stores.metering.record_samples([record(sample, secret) for sample in samples])
    return samples


def _check(sample: OldSample, meter_name: str) -> None:
    if sample.counter_name != meter_name:
        raise InvalidInput("counter_name", sample.counter_name, _("should be %s") % meter_name)
    if value_or(sample.message_id, None):
        raise InvalidInput("message_id", sample.message_id, _("The message_id must not be set"))
    check_present(sample, MANDATORY)
    if sample.counter_type not in METER_TYPES:
        raise InvalidInput(
            "counter_type", sample.counter_type, _("The counter type must be: %s") % ", ".join(METER_TYPES)
        )
    check_volume("counter_volume", sample.counter_volume)
    for name in NAMES:
        check_name(name, getattr(sample, name))


def _complete(sample: OldSample, now: dt.datetime) -> None:
    cfg = pecan.request.cfg
    sample.user_id = value_or(sample.user_id, None) or identity.user_id()
    sample.project_id = value_or(sample.project_id, None) or identity.project_id()
    sample.source = f"{sample.project_id}:{value_or(sample.source, None) or cfg.sample_source}"
    check_name("source", sample.source)
    sample.timestamp = value_or(sample.timestamp, now)
    try:
        timestamps.naive_utc(sample.timestamp)
    except OverflowError as error:
        raise InvalidInput("timestamp", sample.timestamp, str(error)) from error
    sample.resource_metadata = value_or(sample.resource_metadata, {})
    sample.message_id = str(uuid.uuid1())


def message(sample: OldSample) -> dict[str, Any]:
    """Return the unsigned message of a completed sample, in the form of ceilometer's agents."""
    return {
        "source": sample.source,
        "counter_name": sample.counter_name,
        "counter_type": sample.counter_type,
        "counter_unit": sample.counter_unit,
        "counter_volume": sample.counter_volume,
        "user_id": sample.user_id,
        "project_id": sample.project_id,
        "resource_id": sample.resource_id,
        "timestamp": timestamps.naive_utc(sample.timestamp).isoformat(),
        "resource_metadata": metadata.nest(sample.resource_metadata),
        "message_id": sample.message_id,
        "monotonic_time": None,
    }


def record(sample: OldSample, secret: str) -> Sample:
    """Return a completed sample as a record for a store."""
    return Sample(
        meter=sample.counter_name,
        type=sample.counter_type,
        unit=sample.counter_unit,
        volume=sample.counter_volume,
        user_id=sample.user_id,
        project_id=sample.project_id,
        resource_id=sample.resource_id,
        source=sample.source,
        timestamp=timestamps.naive_utc(sample.timestamp),
        metadata=metadata.nest(sample.resource_metadata),
        message_id=sample.message_id,
        message_signature=signing.sign(message(sample), secret),
    )
