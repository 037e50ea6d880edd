"""Report an agent periodically: ``python -m neutron_fake_agent --config-file neutron.conf``.

Runs beside neutron-rpc-server in Neutron's virtualenv. It forwards no packets. It reports the ports of this host's
servers as up as soon as they are bound, as if it had connected them.

It imports nothing of Neutron, whose modules take 80 MB. Neutron's server takes the same messages from agents of other
releases, so they seldom change.
"""

from __future__ import annotations

import logging
import socket
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_context.context import RequestContext
from oslo_log import log
from oslo_service import systemd

LOG = logging.getLogger("neutron_fake_agent")
REPORTS, PLUGIN, PORT_UPDATES = "q-reports-plugin", "q-plugin", "q-agent-notifier-port-update"
"""The topics of reports, of questions about ports, and of news of ports."""
AGENT_OPTIONS = [cfg.FloatOpt("report_interval", default=10)]
SKIPPED_SECONDS = 0.5
"""Seconds until the next report after one that neutron-rpc-server has skipped."""
OPTIONS = [cfg.HostAddressOpt("host", default=socket.gethostname())]


class Serializer(oslo_messaging.NoOpSerializer):  # type: ignore[misc]
    """Sends the context of a message as Neutron does."""

    def serialize_context(self, ctxt: RequestContext) -> dict[str, Any]:
        """Return a context as a dictionary."""
        values: dict[str, Any] = ctxt.to_dict()
        return values

    def deserialize_context(self, ctxt: dict[str, Any]) -> RequestContext:
        """Return the context of a message."""
        return RequestContext.from_dict(ctxt)


class Server:
    """What neutron-rpc-server answers."""

    def __init__(self, transport: oslo_messaging.RPCTransport, report_seconds: float) -> None:
        """Take the connection to the broker, and the longest time of a report."""
        reports, plugin = oslo_messaging.Target(topic=REPORTS, version="1.0"), oslo_messaging.Target(topic=PLUGIN)
        self._reports = oslo_messaging.get_rpc_client(transport, reports, serializer=Serializer())
        self._plugin = oslo_messaging.get_rpc_client(transport, plugin, serializer=Serializer())
        self._report_seconds = report_seconds

    def report_state(self, context: RequestContext, state: dict[str, Any]) -> bool:
        """Report the agent; return whether the server has taken the report. Raises MessagingTimeout without an answer.

        The server answers a report that was sent before its own start, and skips it.
        """
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        report = {"agent_state": {**state, "uuid": str(uuid.uuid4())}}
        client = self._reports.prepare(timeout=self._report_seconds)
        return client.call(context, "report_state", agent_state=report, time=moment) is not None

    def ports_of(self, context: RequestContext, host: str) -> list[dict[str, Any]]:
        """Return the ports that are bound to a host. Raises MessagingTimeout."""
        client = self._plugin.prepare(version="1.7")
        ports: list[dict[str, Any]] = client.call(
            context, "get_ports_by_vnic_type_and_host", vnic_type="normal", host=host
        )
        return ports

    def update_device_up(self, context: RequestContext, device: str, host: str) -> None:
        """Report that a port is up. Raises MessagingTimeout."""
        client = self._plugin.prepare(version="1.9")
        client.call(context, "update_device_up", device=device, agent_id=host, host=host)


class Ports:
    """Receives Neutron's messages about ports, and reports those of the host's servers as up."""

    target = oslo_messaging.Target(version="1.5")

    def __init__(self, host: str, server: Server) -> None:
        """Take the host as Nova names it when it binds a port."""
        self._host = host
        self._server = server

    def port_update(self, context: RequestContext, port: dict[str, Any], **more: Any) -> None:
        """Report the port as up if it belongs to a server of this host and is down."""
        if (
            port.get("binding:host_id") == self._host
            and port["device_owner"].startswith("compute:")
            and port["admin_state_up"]
            and port["status"] != "ACTIVE"
        ):
            self._server.update_device_up(context, port["id"], self._host)

    def report_bound(self, context: RequestContext) -> None:
        """Report the ports that were bound while no agent was running."""
        for port in self._server.ports_of(context, self._host):
            self.port_update(context, port)


def main() -> None:
    """Report until the process is stopped."""
    conf = cfg.CONF
    conf.register_opts(OPTIONS)
    conf.register_opts(AGENT_OPTIONS, "AGENT")
    log.register_options(conf)
    oslo_messaging.set_transport_defaults(control_exchange="neutron")
    conf(sys.argv[1:], project="neutron")
    log.setup(conf, "neutron")
    transport = oslo_messaging.get_rpc_transport(conf)
    server = Server(transport, conf.AGENT.report_interval)
    state = {
        "binary": "neutron-fake-agent",
        "host": conf.host,
        "topic": "N/A",
        "agent_type": "Open vSwitch agent",
        "configurations": {"tunneling_ip": "127.0.0.1", "tunnel_types": ["vxlan"], "bridge_mappings": {}},
        "start_flag": True,
    }
    ports = Ports(conf.host, server)
    news = oslo_messaging.Target(topic=PORT_UPDATES, server=conf.host, fanout=True)
    listener = oslo_messaging.get_rpc_server(transport, news, [ports], serializer=Serializer())
    admin = RequestContext(is_admin=True, roles=["admin", "member", "reader"], overwrite=False)
    listening = False
    while True:
        try:
            if not server.report_state(admin, state):
                LOG.info("neutron-rpc-server has skipped the report, which is older than its start; reporting again")
                time.sleep(SKIPPED_SECONDS)
                continue
            if not listening:
                # Neutron's API accepts changes when somebody takes these messages. It binds no port for an agent that
                # has not reported, and nova lets the server fail that the port is for.
                listener.start()
                listening = True
            if "start_flag" in state:
                ports.report_bound(admin)
        except oslo_messaging.MessagingTimeout:
            LOG.warning("neutron-rpc-server did not answer; trying again")
            continue
        systemd.notify_once()
        state.pop("start_flag", None)
        time.sleep(conf.AGENT.report_interval)


if __name__ == "__main__":
    main()
