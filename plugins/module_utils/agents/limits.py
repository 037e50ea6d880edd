"""The limits of restarting agents."""

from __future__ import annotations

RESTART_SECONDS = 240
"""Seconds to wait until all agents of a step have stayed up. On a small host, a control plane's agents need a minute to
import their programs."""

SETTLE_SECONDS = 4
"""Seconds that an agent has to stay up to count as running, if its release does not set ``settle``. Most programs that
cannot work end within two seconds."""

ENDINGS = 10
"""Number of endings of an agent or of its workers after which the wait for it stops."""

POLL_SECONDS = 0.4
"""Seconds between two looks at the agents. A look starts systemctl once for each agent."""

LOG_LINES = 15
"""Last lines of an agent's log that a message shows."""
