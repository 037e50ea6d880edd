"""The limits of what a store can hold. Every way into the store checks the same limits."""

import math

# The largest integer of an SQL column of type BIGINT.
BIGGEST_INT = 2**63 - 1
# Sums and squares of many volumes of this size still fit into a double.
BIGGEST_VOLUME = 1e150
# Characters in an indexed text column. MariaDB cannot index a longer one.
NAME_LENGTH = 255
MESSAGE_ID_LENGTH = 128
# Why a number is refused. JSON has no word for it, so that one of them makes a whole list unreadable.
NOT_FINITE = "NaN and infinite numbers cannot be stored"


def is_storable(text: str) -> bool:
    """Tell whether every database can store a text: NUL and half a surrogate pair are refused by some."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text))


def is_volume(volume: float) -> bool:
    """Tell whether aggregates can be computed from a volume."""
    return math.isfinite(volume) and abs(volume) <= BIGGEST_VOLUME
