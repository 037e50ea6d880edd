"""Translation of messages for clients. `_` marks a message; api/hooks.py chooses the language of a request."""

import oslo_i18n

DOMAIN = "telemetry"

_ = oslo_i18n.TranslatorFactory(domain=DOMAIN).primary
