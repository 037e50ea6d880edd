"""Report an agent periodically: ``python -m neutron_fake_agent --config-file neutron.conf``.

Runs beside neutron-rpc-server in Neutron's virtualenv. It forwards no packets, so ports stay down.
"""

from __future__ import annotations

import logging
import sys
import time

import oslo_messaging
from neutron.agent import rpc
from neutron.common import config
from neutron.conf.agent import common
from neutron_lib import constants, context
from neutron_lib.agent import topics
from oslo_config import cfg
from oslo_service import systemd

LOG = logging.getLogger("neutron_fake_agent")


def main() -> None:
    """Report until the process is stopped."""
    common.register_agent_state_opts_helper(cfg.CONF)
    config.register_common_config_options()
    config.init(sys.argv[1:])
    config.setup_logging()
    reports = rpc.PluginReportStateAPI(topics.REPORTS)
    state = {
        "binary": "neutron-fake-agent",
        "host": cfg.CONF.host,
        "topic": constants.L2_AGENT_TOPIC,
        "agent_type": constants.AGENT_TYPE_OVS,
        "configurations": {"tunneling_ip": "127.0.0.1", "tunnel_types": ["vxlan"], "bridge_mappings": {}},
        "start_flag": True,
    }
    while True:
        try:
            reports.report_state(context.get_admin_context_without_session(), dict(state), use_call=True)
        except oslo_messaging.MessagingTimeout:
            LOG.warning("neutron-rpc-server did not answer; trying again")
            continue
        systemd.notify_once()
        state.pop("start_flag", None)
        time.sleep(cfg.CONF.AGENT.report_interval)


if __name__ == "__main__":
    main()
