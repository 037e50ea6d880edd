"""Delivers one notification, as the scheme of its action says."""

import logging
from urllib.parse import unquote

from oslo_config import cfg

from telemetry import json_text
from telemetry.alarms import actions, http
from telemetry.alarms.errors import RefusedError
from telemetry.alarms.trusts import Trusts
from telemetry.storage.records import Notification

LOG = logging.getLogger(__name__)
HTTP = ("http", "https")
LOGGED = ("log", "test")


class Delivery:
    """Delivers notifications."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._schemes = conf.alarm.action_schemes
        self._settings = http.settings_of(conf)
        self._trusts = Trusts(conf)

    def deliver(self, notification: Notification) -> None:
        """Deliver a notification. Raises NotDeliveredError."""
        try:
            url = actions.split(notification.action)
        except ValueError as error:
            raise RefusedError("the action is no URL") from error
        if url.scheme not in self._schemes:
            raise RefusedError(f"the scheme {url.scheme!r} is not in [alarm] action_schemes")
        body = notification.body
        LOG.info(
            "Alarm %s (%r) of severity %s changes from %s to %s: %s. Receiver: %s",
            notification.alarm_id,
            body["alarm_name"],
            body["severity"],
            body["previous"],
            body["current"],
            body["reason"],
            notification.receiver,
        )
        if url.scheme in LOGGED:
            return
        headers = {
            "Content-Type": "application/json",
            # Each attempt has the same id, by which a receiver knows what it has already.
            "x-openstack-request-id": f"req-{notification.notification_id}",
        }
        if url.scheme.startswith(actions.TRUST):
            headers["X-Auth-Token"] = self._trusts.token(unquote(url.username or ""), self._settings.timeout)
            netloc = url.netloc.rpartition("@")[2]
            url = url._replace(scheme=url.scheme.removeprefix(actions.TRUST), netloc=netloc)
        if url.scheme not in HTTP:
            raise RefusedError(f"nothing delivers actions of the scheme {url.scheme!r}")
        http.post(url, json_text.dumps(body).encode(), headers, self._settings)
