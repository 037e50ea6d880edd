"""Chooses the language of messages (`request.language`) from Accept-Language and the installed translations."""

import functools
from typing import Any

import oslo_i18n
from pecan import hooks

from telemetry.i18n import DOMAIN


@functools.cache
def installed() -> list[str]:
    """Return the languages that there are translations for."""
    return list(oslo_i18n.get_available_languages(DOMAIN))


class TranslationHook(hooks.PecanHook):  # type: ignore[misc]
    """`request.language`: the best installed one, or None for the texts as they are written."""

    def __init__(self) -> None:
        oslo_i18n.enable_lazy()

    def on_route(self, state: Any) -> None:
        state.request.language = None
        header = state.request.accept_language
        if header:
            by_tag = {language.replace("_", "-"): language for language in installed()}
            state.request.language = by_tag.get(header.lookup(list(by_tag), default="") if by_tag else "")
