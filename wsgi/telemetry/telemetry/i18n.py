"""Texts for clients in the language that they ask for: `_` marks them, the translation hook chooses."""

import oslo_i18n

DOMAIN = "telemetry"

_ = oslo_i18n.TranslatorFactory(domain=DOMAIN).primary
