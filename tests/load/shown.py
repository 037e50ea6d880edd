"""Figures as text for people."""

from __future__ import annotations


def shown(seconds: float | None) -> str:
    """Return a time with three digits at most, in the unit that fits; raises ValueError below 0."""
    if seconds is None:
        return "n/a"
    if seconds < 0:
        raise ValueError(f"a time cannot be {seconds}")
    if seconds < 5e-7:
        return "0"
    factor, unit = (1.0, "s") if seconds >= 0.9995 else (1e3, "ms") if seconds >= 0.9995e-3 else (1e6, "µs")
    value = seconds * factor
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    number = f"{value:.{digits}f}"
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def grouped(number: int) -> str:
    """Return a number with a narrow space between its thousands."""
    return f"{number:,}".replace(",", "\u202f")
