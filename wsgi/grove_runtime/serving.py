"""Puts around an application what Grove adds: headers for Apache, guards of processes and requests, a hook, its log."""

from __future__ import annotations

import json
import linecache
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from . import away, background, callables, door, hanging, memory, own_log, timing

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def wrap(
    application: WSGIApplication,
    release: str,
    *,
    request_timeout: float = 0,
    pecan_pieces: tuple[str, ...] = (),
    servers: away.Servers | None = None,
    queues: tuple[str, ...] = (),
) -> WSGIApplication:
    """Return ``application`` as a daemon process serves it.

    ``release`` is the release's folder. ``request_timeout`` is in seconds; 0 sets no limit. ``pecan_pieces`` names what
    makes Pecan faster where the application uses it: ``requests`` is `pecan_requests`, and so on. ``servers`` are those
    without which the application answers 503; ``queues`` are those of the broker that need a consumer. Raises OSError
    and ValueError when RELEASE.json cannot be read, and EntryError for what is no WSGI application.
    """
    callables.check(application)
    if pecan_pieces and "pecan" in sys.modules:
        for name in pecan_pieces:
            import_module(f".pecan_{name}", __package__).install()
        # The pieces have read the source of Pecan and WebOb. Nothing needs the text any more.
        linecache.clearcache()
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
