"""The result of evaluating an alarm."""

from dataclasses import dataclass
from typing import Any

OK, ALARM, UNKNOWN = "ok", "alarm", "insufficient data"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that an alarm should have, and why: as a sentence, and as data for programs."""

    state: str
    reason: str
    reason_data: dict[str, Any]
