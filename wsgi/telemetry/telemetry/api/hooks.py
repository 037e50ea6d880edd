"""The attributes that every request carries: `cfg`, `policy`, `stores`, `notifier` and `language`."""

import functools
import threading
from typing import Any

import oslo_i18n
from oslo_config import cfg
from pecan import hooks

from telemetry.i18n import DOMAIN
from telemetry.messaging.notifier import SampleNotifier, make_notifier
from telemetry.policy import Policy
from telemetry.storage.stores import Stores


class ConfigHook(hooks.PecanHook):  # type: ignore[misc]
    """Sets `request.cfg`, the configuration, and `request.policy`."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._policy = Policy(conf)

    def on_route(self, state: Any) -> None:
        state.request.cfg = self._conf
        state.request.policy = self._policy


class StorageHook(hooks.PecanHook):  # type: ignore[misc]
    """Sets `request.stores`: the stores of samples, alarms and events."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def on_route(self, state: Any) -> None:
        state.request.stores = self._stores


class NotifierHook(hooks.PecanHook):  # type: ignore[misc]
    """Sets `request.notifier`, which sends to the message bus. It is None if no bus is configured.

    The first request makes the notifier.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._initialized = False
        self._notifier: SampleNotifier | None = None

    def on_route(self, state: Any) -> None:
        with self._lock:
            if not self._initialized:
                self._notifier = make_notifier(self._conf)
                self._initialized = True
        state.request.notifier = self._notifier


@functools.cache
def translations() -> list[str]:
    """Return the languages that have an installed translation."""
    return list(oslo_i18n.get_available_languages(DOMAIN))


class TranslationHook(hooks.PecanHook):  # type: ignore[misc]
    """Sets `request.language`, the installed language that fits Accept-Language best.

    It is None if there is no such language: messages are then not translated.
    """

    def __init__(self) -> None:
        oslo_i18n.enable_lazy()

    def on_route(self, state: Any) -> None:
        state.request.language = None
        header = state.request.accept_language
        if header:
            by_tag = {language.replace("_", "-"): language for language in translations()}
            state.request.language = by_tag.get(header.lookup(list(by_tag), default="") if by_tag else "")
