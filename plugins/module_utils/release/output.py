"""The part of a program's output that a message shows."""

from __future__ import annotations

import re


def without_account(text: str) -> str:
    """Return a text in which no address has an account and a password."""
    return re.sub(r"(?<=://)[^/@\s'\"]*@", "", text)


def last_lines(text: str, count: int) -> str:
    """Return the last ``count`` lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-count:])


def error_line(text: str) -> str:
    """Return the line of a traceback that names the error; the last line of any other output; empty for none."""
    lines = text.strip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    after_frames = [line for line in lines[frames[-1] :] if not line.startswith(" ")] if frames else []
    return [*after_frames, *lines[-1:]][0] if lines else ""
