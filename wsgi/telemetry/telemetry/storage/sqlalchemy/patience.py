"""How long to wait for PostgreSQL.

The server's own time-outs do not help against a server that is stuck or behind a network that swallows packets, and
its client library waits for ever. psycopg2 lets the waiting be done here instead.
"""

import select
import time
from typing import Any


def limit(seconds: float) -> None:
    """Make every wait of psycopg2 in this process end with an OperationalError after a number of seconds."""
    import psycopg2
    import psycopg2.extensions

    events = {psycopg2.extensions.POLL_READ: select.POLLIN, psycopg2.extensions.POLL_WRITE: select.POLLOUT}

    def wait(connection: Any) -> None:
        deadline = time.monotonic() + seconds
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            poller = select.poll()
            poller.register(connection.fileno(), events[state])
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not poller.poll(remaining * 1000):
                raise psycopg2.OperationalError("the database took too long: timeout expired")

    psycopg2.extensions.set_wait_callback(wait)
