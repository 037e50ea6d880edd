"""The clocks of a fleet's hosts: how far they are apart, as the controller can tell.

A clock that is read during a call shows a time between the beginning and the end of the call. So the controller knows
how far the clock is ahead of its own, within the duration of the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LIMIT = 10.0
"""Seconds by which a clock may differ from the one in the middle.

Hosts that set their clocks from a server of time differ by a few milliseconds. Certificates are valid from the second
in which the controller makes them, and tokens from the second in which a host makes them.
"""
CONTROLLER = "the controller"


@dataclass(frozen=True)
class Clock:
    """Seconds by which a clock is ahead of the controller's: at least ``low``, and at most ``high``."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The best guess."""
        return (self.low + self.high) / 2


def clock(before: float, shown: float, after: float) -> Clock:
    """Return a host's clock that has ``shown`` a time during a call.

    ``before`` and ``after`` are when the call began and ended for the controller. All are seconds since the epoch.
    """
    return Clock(shown - after, shown - before)


def clock_problems(clocks: Mapping[str, Clock]) -> list[str]:
    """Return a sentence for each clock that certainly differs by more than ``LIMIT`` from the one in the middle.

    clocks: by host. The controller's own is among those that are compared.
    """
    everybody = {CONTROLLER: Clock(0, 0), **clocks}
    ordered = sorted(everybody, key=lambda name: everybody[name].middle)
    reference = ordered[len(ordered) // 2]
    middle = everybody[reference]
    problems = []
    for name, own in everybody.items():
        ahead, behind = own.low - middle.high, middle.low - own.high
        if max(ahead, behind) > LIMIT:
            problems.append(
                f"{'' if name == CONTROLLER else 'host '}{name}: its clock is {max(ahead, behind):.0f} s"
                f" {'ahead of' if ahead > 0 else 'behind'} that of {reference}, and may differ by {LIMIT:.0f} s; let"
                " chrony or systemd-timesyncd set it, since certificates and tokens of one host count on the others"
            )
    return problems
