"""The limits of what is asked of HAProxy."""

from __future__ import annotations

ANSWER_SECONDS = 10.0
"""For HAProxy's answer on a runtime socket. HAProxy answers at once, unless the machine is very busy."""

ANSWER_BYTES = 65536
"""Read at once from a runtime socket."""

WORKER_SECONDS = 60.0
"""Until HAProxy runs with a new configuration after a reload or a start."""

COMMAND_SECONDS = 60.0
"""For systemctl, and for HAProxy's check of a configuration."""

POLL_SECONDS = 0.1
"""Pause between two looks at HAProxy's state."""

REQUEST_SECONDS = 5.0
"""For the answer of an app to its health request, as in the configuration of HAProxy."""

LOG_LINES = 6
"""Last lines of HAProxy's log that a message shows."""

DIGEST_LENGTH = 16
"""Hexadecimal digits of the hash by which HAProxy's configuration is known."""

NEIGHBOUR_SECONDS = 4.0
"""Until the kernel has asked three times, a second apart, who has an address of the network."""

MOVE_SECONDS = 10.0
"""Until another load balancer has the address that this one gives away. It needs 0.2 s, and a busy machine more."""
