"""Puts the configuration (`request.cfg`) and the policy (`request.policy`) on the request."""

from typing import Any

from oslo_config import cfg
from pecan import hooks

from telemetry.policy import Policy


class ConfigHook(hooks.PecanHook):  # type: ignore[misc]
    """`request.cfg` and `request.policy`."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._policy = Policy(conf)

    def on_route(self, state: Any) -> None:
        state.request.cfg = self._conf
        state.request.policy = self._policy
