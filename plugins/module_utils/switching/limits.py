"""The limits of switching. Seconds are what a step may take at most, unless the name says otherwise."""

from __future__ import annotations

REQUEST_SECONDS = 10.0
"""A request to a door or to the front. A slower answer counts as no answer."""

FRONT_SECONDS = 2.0
"""Until the front answers 200 after a flip. The slot answered before, so that this covers a single slow request only;
while it lasts, clients meet a release that may be broken."""

END_SECONDS = 90.0
"""Until the processes of a slot have ended. mod_wsgi kills a process after its shutdown-timeout, which is 60 seconds if
the record does not say otherwise."""

HEALTH_ROUNDS = 8
"""Rounds of requests to a door, in one attempt, until every process has answered. Apache's choice of the process is
random. With two requests for each process in a round, the chance that all eight rounds miss a process is below one in a
million. An attempt ends before with a round in which no further process has answered."""

CHECK_SECONDS = 0.5
"""Until every process of an idle slot has answered that has the release already. Otherwise Grove replaces them."""

END_POLL_SECONDS = 0.02
"""Pause between two looks for processes that are to end."""

HEALTH_CONNECTIONS = 32
"""Requests of a round that are under way at once. More would wait in front of the slot's own threads."""

WARM_UP_REQUESTS = 20
"""Requests to a slot before it gets traffic: first requests import modules and fill caches, in every process."""

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
PAUSE_GROWTH = 1.2
"""Pauses between attempts grow from the first to the longest: a slot that is soon up is seen at once, and one that
takes a minute is not slowed down by the requests."""

QUIET_SECONDS = 0.3
"""How long a slot has to be without a request to count as drained. A worker of Apache may still send a request that it
assigned to the slot before the flip."""

DRAIN_POLL_SECONDS = 0.05
"""Pause between two looks at the kernel's table of sockets."""

CLOCK_SECONDS = 2.0
"""How far the start time of a process may be off, compared with the time of a file: the kernel gives the boot time in
whole seconds."""

TRACE_SECONDS = 10.0
"""Until the trace of an answered request stands in the application's log. The process writes it when it closes the
answer, which is a moment after the client has got the last byte."""

TRACE_PAUSE = 0.2
"""Pause between two looks for a trace."""
