"""A time-out for PostgreSQL in the client.

The time-outs of the server do not help if the server hangs or the network drops packets, and the client library libpq
waits for ever. psycopg2 lets a callback wait instead.
"""

import select
import time
from typing import Any


def limit(seconds: float) -> None:
    """Set the time after which every wait of psycopg2 in this process raises OperationalError, in seconds."""
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
