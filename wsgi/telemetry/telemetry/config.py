"""The options of telemetry.conf, and the search for this file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import oslo_db.options
import oslo_log.log
import oslo_middleware.sizelimit
import oslo_policy.opts
from oslo_config import cfg

# Bytes. A bulk body of some thousand samples fits, and Grove's httpd accepts the same size by default.
MAX_BODY = 10 * 1024 * 1024
# Every database accepts this number in LIMIT, and one more.
BIGGEST_LIMIT = 2**31 - 2
# This host, and the link: services that trust local callers, and metadata services of clouds.
REFUSED_NETWORKS = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/128", "::1/128", "fe80::/10"]

DEFAULT_OPTIONS = [
    cfg.StrOpt(
        "auth_strategy",
        default="keystone",
        choices=["keystone", "noauth"],
        help="How callers are identified: by keystone, or with noauth by the headers X-Roles, X-User-Id and "
        "X-Project-Id of the request. noauth verifies nothing and is for a private machine.",
    ),
    cfg.StrOpt(
        "api_paste_config",
        default="api_paste.ini",
        help="The paste file. A relative name is looked up in the folders of the configuration file.",
    ),
    cfg.StrOpt("sample_source", default="openstack", help="Source of a posted sample without a source."),
    cfg.StrOpt(
        "transport_url",
        secret=True,
        help="The message bus, such as rabbit://user:password@host:5672/. If unset, the API stores "
        "posted samples itself.",
    ),
    cfg.StrOpt("state_path", default="/var/lib/telemetry", help="Folder of the embedded database."),
]
API_OPTIONS = [
    cfg.IntOpt(
        "default_api_return_limit",
        default=100,
        min=1,
        help="Maximum number of items in a list if the request sets no limit.",
    ),
    cfg.IntOpt(
        "max_api_return_limit",
        default=10_000,
        min=1,
        max=BIGGEST_LIMIT,
        help="Maximum number of items in a list, whatever limit the request sets. A longer list comes in pages.",
    ),
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Address on which telemetry-api listens."),
    cfg.PortOpt("port", default=8777, help="Port on which telemetry-api listens."),
    cfg.BoolOpt(
        "gnocchi_is_enabled",
        default=False,
        help="Gnocchi stores the samples: meters, resources, samples and query/samples answer 410.",
    ),
    cfg.BoolOpt("aodh_is_enabled", help="Aodh stores the alarms. If unset: true if aodh_url is set."),
    cfg.URIOpt("aodh_url", help="URL of Aodh, to which requests for alarms and alarm queries are redirected."),
    cfg.BoolOpt("panko_is_enabled", help="Panko stores the events. If unset: true if panko_url is set."),
    cfg.URIOpt("panko_url", help="URL of Panko, to which requests for events and event types are redirected."),
    cfg.IntOpt(
        "max_bulk_size",
        default=64 * 1024 * 1024,
        min=1,
        help="Maximum size of a bulk body after decompression, in bytes. A larger body is answered 413.",
    ),
    cfg.IntOpt("retry_after", default=5, min=1, help="Seconds in the Retry-After header of a 503."),
]
ALARM_OPTIONS = [
    cfg.BoolOpt("record_history", default=True, help="Keep the history of alarm changes."),
    cfg.IntOpt("user_alarm_quota", help="Maximum number of alarms of a user. If unset: no limit."),
    cfg.IntOpt("project_alarm_quota", help="Maximum number of alarms of a project. If unset: no limit."),
    cfg.IntOpt("alarm_max_actions", default=-1, help="Maximum number of actions for each state. Negative: no limit."),
    cfg.ListOpt(
        "action_schemes",
        default=["log", "test", "http", "https", "trust+http", "trust+https"],
        help="Schemes that an alarm's actions may have.",
    ),
    cfg.IntOpt("evaluation_interval", default=60, min=1, help="Seconds between two evaluations of an alarm."),
    cfg.FloatOpt(
        "evaluation_lease",
        default=30.0,
        min=1.0,
        help="Seconds after which other evaluators take the alarms of an evaluator that is gone.",
    ),
    cfg.IntOpt(
        "notifier_workers",
        default=8,
        min=1,
        max=256,
        help="Number of requests that telemetry-notifier sends at a time.",
    ),
    cfg.FloatOpt(
        "rest_notifier_timeout",
        default=10.0,
        min=0.1,
        max=3600.0,
        help="Seconds that a receiver may take, from the connection to the status of its answer.",
    ),
    cfg.IntOpt(
        "rest_notifier_max_retries",
        default=12,
        min=0,
        help="Number of further attempts after a receiver did not accept a notification.",
    ),
    cfg.FloatOpt(
        "rest_notifier_retry_pause",
        default=5.0,
        min=0.01,
        help="Seconds before the second attempt. Each pause is twice as long as the one before, up to 300 s.",
    ),
    cfg.IntOpt(
        "notification_time_to_live",
        default=86400,
        min=1,
        help="Seconds after which a notification that was not delivered is deleted.",
    ),
    cfg.BoolOpt(
        "rest_notifier_ssl_verify",
        default=True,
        help="Whether the certificates of receivers are verified. An action's query may say otherwise: "
        "ceilometer-alarm-ssl-verify=0 or aodh-alarm-ssl-verify=0.",
    ),
    cfg.StrOpt(
        "rest_notifier_ca_bundle_certificate_path",
        help="File with the certificate authorities of receivers. If unset: those of the system.",
    ),
    cfg.StrOpt("rest_notifier_certificate_file", help="File with the client certificate for receivers."),
    cfg.StrOpt("rest_notifier_certificate_key", help="File with the key of the client certificate, if it is separate."),
    cfg.ListOpt(
        "rest_notifier_refused_networks",
        default=REFUSED_NETWORKS,
        help="Networks to whose addresses no notification is sent. Users choose the receivers, and the notifier may "
        "reach what users do not.",
    ),
]
DATABASE_OPTIONS = [
    cfg.StrOpt("metering_connection", secret=True, help="Database of samples. If unset: that of connection."),
    cfg.StrOpt("alarm_connection", secret=True, help="Database of alarms. If unset: that of connection."),
    cfg.StrOpt("event_connection", secret=True, help="Database of events. If unset: that of connection."),
    cfg.IntOpt("metering_time_to_live", default=-1, help="Seconds that samples are kept. 0 or less: for ever."),
    cfg.IntOpt("event_time_to_live", default=-1, help="Seconds that events are kept. 0 or less: for ever."),
    cfg.IntOpt(
        "alarm_history_time_to_live",
        default=-1,
        help="Seconds that the history of alarms is kept. 0 or less: for ever.",
    ),
    cfg.BoolOpt(
        "sql_expire_samples_only",
        default=False,
        help="The expirer deletes samples only. It keeps meters and resources without samples.",
    ),
    cfg.IntOpt("connect_timeout", default=5, min=1, help="Seconds to wait for a connection to the database."),
    cfg.IntOpt("answer_timeout", default=30, min=1, help="Seconds to wait for the answer to a statement."),
]
PUBLISHER_OPTIONS = [
    cfg.StrOpt(
        "telemetry_secret",
        default="change this for valid signing",
        secret=True,
        help="Key of the signatures of samples. Empty: samples are not signed, and signatures are not checked.",
    ),
]
NOTIFIER_OPTIONS = [
    cfg.StrOpt("telemetry_driver", default="messagingv2", help="oslo.messaging's driver for posted samples."),
    cfg.ListOpt("topics", default=["telemetry"], help="Topics to which posted samples are sent."),
    cfg.IntOpt("retry", default=2, help="Number of further attempts to send before the request is answered 503."),
]
COLLECTOR_OPTIONS = [
    cfg.ListOpt("topics", default=["telemetry", "metering", "event"], help="Topics that telemetry-collector reads."),
    cfg.IntOpt("batch_size", default=100, min=1, help="Maximum number of messages stored in one transaction."),
    cfg.FloatOpt("batch_timeout", default=1.0, min=0, help="Seconds to wait until a batch is full."),
    cfg.FloatOpt(
        "requeue_delay",
        default=5.0,
        min=0,
        help="Seconds to wait before messages that could not be stored return to the queue.",
    ),
]
GROUPS: dict[str | None, list[Any]] = {
    None: DEFAULT_OPTIONS,
    "api": API_OPTIONS,
    "alarm": ALARM_OPTIONS,
    "database": DATABASE_OPTIONS,
    "publisher": PUBLISHER_OPTIONS,
    "publisher_notifier": NOTIFIER_OPTIONS,
    "collector": COLLECTOR_OPTIONS,
}


def list_options() -> list[tuple[str | None, list[Any]]]:
    """Return [(group, options)] for oslo.config's sample generator."""
    return list(GROUPS.items())


def register(conf: cfg.ConfigOpts) -> None:
    """Register every option with `conf`, and set the defaults of this program. A second call changes nothing."""
    for group, options in GROUPS.items():
        conf.register_opts(options, group=group)
    oslo_db.options.set_defaults(conf, connection="sqlite:///$state_path/telemetry.sqlite")
    oslo_policy.opts.set_defaults(conf, policy_file="policy.yaml")
    conf.set_default("max_retries", 2, group="database")
    conf.set_default("retry_interval", 1, group="database")
    cfg.set_defaults(oslo_middleware.sizelimit.OPTS, max_request_body_size=MAX_BODY)


def load(
    arguments: Sequence[str] = (),
    files: Sequence[str | Path] | None = None,
    conf: cfg.ConfigOpts | None = None,
    logging: bool = True,
) -> cfg.ConfigOpts:
    """Read the configuration and set up the log.

    `files` are the configuration files. The default is TELEMETRY_CONFIG_FILES, separated with `;`, and if that is not
    set, telemetry.conf on oslo.config's search path. `conf` is the object to fill. The default is the object of the
    process, which oslo's middleware reads. Raises oslo_config.cfg.Error for a missing file or a bad value.
    """
    conf = cfg.CONF if conf is None else conf
    if not files and os.environ.get("TELEMETRY_CONFIG_FILES"):
        files = os.environ["TELEMETRY_CONFIG_FILES"].split(";")
    # The object may hold values already: of a command, or of an application that was loaded before.
    conf.reset()
    register(conf)
    if logging:
        oslo_log.log.register_options(conf)
        levels = oslo_log.log.get_default_log_levels()
        oslo_log.log.set_defaults(default_log_levels=[*levels, "alembic.runtime=WARN"])
    conf(args=list(arguments), project="telemetry", default_config_files=[str(f) for f in files] if files else None)
    if logging:
        oslo_log.log.setup(conf, "telemetry")
    return conf
