"""Report an agent periodically: ``python -m neutron_fake_agent --config-file neutron.conf``.

Runs beside neutron-rpc-server in Neutron's virtualenv. It forwards no packets. It reports the ports of this host's
servers as up as soon as they are bound, as if it had connected them.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import oslo_messaging
from neutron.agent import rpc
from neutron.common import config
from neutron.conf.agent import common
from neutron_lib import constants, context
from neutron_lib.agent import topics
from neutron_lib.api.definitions import portbindings
from oslo_config import cfg
from oslo_service import systemd

LOG = logging.getLogger("neutron_fake_agent")


class Ports:
    """Receives Neutron's messages about ports, and reports those of the host's servers as up."""

    target = oslo_messaging.Target(version="1.5")

    def __init__(self, host: str) -> None:
        """Take the host as Nova names it when it binds a port."""
        self._host = host
        self._plugin = rpc.PluginApi(topics.PLUGIN)

    def port_update(self, context: Any, port: dict[str, Any], **more: Any) -> None:
        """Report the port as up if it belongs to a server of this host and is down."""
        if (
            port.get(portbindings.HOST_ID) == self._host
            and port["device_owner"].startswith(constants.DEVICE_OWNER_COMPUTE_PREFIX)
            and port["admin_state_up"]
            and port["status"] != constants.PORT_STATUS_ACTIVE
        ):
            self._plugin.update_device_up(context, device=port["id"], agent_id=self._host, host=self._host)

    def report_bound(self, context: Any) -> None:
        """Report the ports that were bound while no agent was running."""
        for port in self._plugin.get_ports_by_vnic_type_and_host(context, portbindings.VNIC_NORMAL, self._host):
            self.port_update(context, port)


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
    ports = Ports(cfg.CONF.host)
    rpc.create_consumers([ports], topics.AGENT, [[topics.PORT, topics.UPDATE]])
    admin = context.get_admin_context_without_session()
    while True:
        try:
            reports.report_state(admin, dict(state), use_call=True)
            if "start_flag" in state:
                ports.report_bound(admin)
        except oslo_messaging.MessagingTimeout:
            LOG.warning("neutron-rpc-server did not answer; trying again")
            continue
        systemd.notify_once()
        state.pop("start_flag", None)
        time.sleep(cfg.CONF.AGENT.report_interval)


if __name__ == "__main__":
    main()
