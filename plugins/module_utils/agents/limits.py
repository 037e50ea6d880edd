"""The limits of restarting agents."""

from __future__ import annotations

RESTART_SECONDS = 240
"""Until the agents of all applications of a step have stayed up: those of a whole control plane import for a minute on
a small host."""

SETTLE_SECONDS = 4
"""How long an agent stays up to count as running, if its release does not say it (``settle``): most programs that
cannot work end within two seconds."""

ENDINGS = 10
"""Endings of an agent or of its workers after which it will not stay up, and is not waited for any longer."""

POLL_SECONDS = 0.4
"""Pause between two looks at the agents: each look starts systemctl once an agent."""

LOG_LINES = 15
"""Last lines of an agent's log that a message shows."""
