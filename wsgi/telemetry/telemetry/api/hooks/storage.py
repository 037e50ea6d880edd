"""Puts the stores (`request.stores`) on the request."""

from typing import Any

from pecan import hooks

from telemetry.storage import Stores


class StorageHook(hooks.PecanHook):  # type: ignore[misc]
    """`request.stores`: metering, alarm and event."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def on_route(self, state: Any) -> None:
        state.request.stores = self._stores
