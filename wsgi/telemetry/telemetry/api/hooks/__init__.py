"""What each request finds on itself: configuration, stores, notifier, language; and how errors are worded."""

from oslo_config import cfg

from telemetry.api.hooks.config import ConfigHook
from telemetry.api.hooks.errors import ErrorHook
from telemetry.api.hooks.notifier import NotifierHook
from telemetry.api.hooks.storage import StorageHook
from telemetry.api.hooks.translation import TranslationHook
from telemetry.storage import Stores


def all_hooks(conf: cfg.ConfigOpts, stores: Stores) -> list[object]:
    """Return the hooks of the v2 application."""
    return [ConfigHook(conf), StorageHook(stores), NotifierHook(conf), TranslationHook(), ErrorHook(conf)]
