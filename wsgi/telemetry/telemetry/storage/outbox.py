"""Which notifications have to be sent one after the other."""

import hashlib

from telemetry.storage.records import Notification


def line_of(notification: Notification) -> str:
    """Return a digest of the alarm and the action.

    Of the notifications with the same digest, only the oldest may be sent. Otherwise a receiver that was away could
    learn last what happened first.
    """
    return hashlib.sha256(f"{notification.alarm_id}\n{notification.action}".encode()).hexdigest()
