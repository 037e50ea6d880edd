"""Puts around an application what Grove adds: headers for Apache, guards of processes and requests, a hook, its log."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from . import away, background, door, hanging, memory, own_log, timing

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def wrap(
    application: WSGIApplication,
    release: str,
    *,
    request_timeout: float = 0,
    pecan_signatures: bool = False,
    servers: away.Servers | None = None,
    queues: tuple[str, ...] = (),
) -> WSGIApplication:
    """Return ``application`` as a daemon process serves it.

    ``release`` is the release's folder. ``request_timeout`` is in seconds; 0 sets no limit. ``pecan_signatures`` makes
    Pecan, where the application uses it, compute signatures once. ``servers`` are those without which the application
    answers 503; ``queues`` are those of the broker that need a consumer. Raises OSError and ValueError when
    RELEASE.json cannot be read.
    """
    if pecan_signatures and "pecan" in sys.modules:
        from . import pecan_signatures as signatures

        signatures.install()
    background.install()
    with open(os.path.join(release, "RELEASE.json"), encoding="utf-8") as stream:
        described = json.load(stream)
    identifier = described["id"]
    if servers is not None:
        watch = away.Watch(servers.broker, queues) if servers.broker else None
        if watch is not None:
            watch.start()
        application = away.guard(application, servers, watch)
    wrapped = memory.guard(door.stamp(application, identifier))
    wrapped = hanging.guard(wrapped, request_timeout) if request_timeout else wrapped
    return timing.stamp(own_log.guard(wrapped), identifier)
