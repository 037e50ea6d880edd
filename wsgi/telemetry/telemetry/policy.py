"""The access rules, their defaults, and the decision on each request."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_policy import _checks, policy

from telemetry import imports

PREFIX = "telemetry:"
# oslo.policy would look for changed files at every decision. This takes a third of the time of a small request.
RELOAD_SECONDS = 1.0
# The rule checks that ask a server over HTTP load the package requests (10 MB). Few policies use them.
_checks.extension_checks = imports.lazy_entry_points("oslo.policy.rule_checks")
OPERATIONS: dict[str, tuple[str, str, str]] = {
    "get_meters": ("List meters", "GET", "/v2/meters"),
    "get_samples": ("List samples", "GET", "/v2/samples"),
    "get_sample": ("Show a sample", "GET", "/v2/samples/{sample_id}"),
    "create_samples": ("Post samples", "POST", "/v2/meters/{meter_name}"),
    "compute_statistics": ("Compute statistics", "GET", "/v2/meters/{meter_name}/statistics"),
    "get_resource": ("Show a resource", "GET", "/v2/resources/{resource_id}"),
    "get_resources": ("List resources", "GET", "/v2/resources"),
    "query_sample": ("Query samples", "POST", "/v2/query/samples"),
    "get_alarms": ("List alarms", "GET", "/v2/alarms"),
    "get_alarm": ("Show an alarm", "GET", "/v2/alarms/{alarm_id}"),
    "create_alarm": ("Create an alarm", "POST", "/v2/alarms"),
    "change_alarm": ("Change an alarm", "PUT", "/v2/alarms/{alarm_id}"),
    "delete_alarm": ("Delete an alarm", "DELETE", "/v2/alarms/{alarm_id}"),
    "get_alarm_state": ("Show an alarm's state", "GET", "/v2/alarms/{alarm_id}/state"),
    "change_alarm_state": ("Set an alarm's state", "PUT", "/v2/alarms/{alarm_id}/state"),
    "alarm_history": ("List an alarm's history", "GET", "/v2/alarms/{alarm_id}/history"),
    "query_alarm": ("Query alarms", "POST", "/v2/query/alarms"),
    "query_alarm_history": ("Query the history of alarms", "POST", "/v2/query/alarms/history"),
    "events:index": ("List events", "GET", "/v2/events"),
    "events:show": ("Show an event", "GET", "/v2/events/{message_id}"),
    "events:create": ("Post events", "POST", "/v2/events"),
}


def list_rules() -> list[policy.RuleDefault]:
    """Return all rules with their defaults. oslo.policy's sample generator calls this function too."""
    return [
        policy.RuleDefault("context_is_admin", "role:admin", description="Who is an administrator."),
        policy.RuleDefault("segregation", "rule:context_is_admin", description="Who sees all projects."),
        *(
            policy.DocumentedRuleDefault(PREFIX + name, "", description, [{"method": method, "path": path}])
            for name, (description, method, path) in OPERATIONS.items()
        ),
    ]


class Policy:
    """Decides by the rules above and the operator's file. A change of the file takes effect within a second."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.register_defaults(list_rules())
        self._lock = threading.Lock()
        self._stale_at = 0.0

    def allows(self, rule: str, credentials: Mapping[str, Any], target: Mapping[str, Any] | None = None) -> bool:
        """Tell whether a rule allows these credentials.

        If the operator's file has a rule `default`, this rule replaces every telemetry: rule that the file does not
        contain, as in Ceilometer.
        """
        # The lock also keeps a thread from deciding while another thread loads the rules.
        with self._lock:
            self._refresh()
            file_rules = self._enforcer.file_rules
            if rule.startswith(PREFIX) and rule not in file_rules and "default" in file_rules:
                rule = "default"
            return bool(self._enforcer.enforce(rule, dict(target or {}), dict(credentials)))

    def _refresh(self) -> None:
        now = time.monotonic()
        if now < self._stale_at:
            return
        self._enforcer.use_conf = True
        self._enforcer.load_rules()
        # Without this, the enforcer looks for changed files at every decision.
        self._enforcer.use_conf = False
        self._stale_at = now + RELOAD_SECONDS
