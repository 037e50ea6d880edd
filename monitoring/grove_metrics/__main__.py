"""Runs the program: ``python -m grove_metrics FILE``, with the settings in FILE."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from . import collecting, serving, settings, telemetry


def tell_systemd(state: str) -> None:
    """Tell systemd something, if it has started this process and wants to know."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)


def main() -> None:
    """Serve until the process is ended."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m grove_metrics FILE")
    try:
        chosen = settings.read(Path(sys.argv[1]))
        collector = collecting.Collector(chosen)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        receiver = telemetry.open_socket(str(chosen.telemetry))
        server = serving.Server(chosen.address, chosen.port, registry)
    except (OSError, ValueError, TypeError) as error:
        sys.exit(f"grove_metrics: {error}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell_systemd("READY=1")
    # If this loop stopped, mod_wsgi would wait for room in the socket. So systemd watches it.
    telemetry.receive(receiver, collector.told, collector.may_send, chosen.live, lambda: tell_systemd("WATCHDOG=1"))


if __name__ == "__main__":
    main()
