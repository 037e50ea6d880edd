"""The fixed numbers of building and running releases, each with its unit and its reason."""

from __future__ import annotations

FULL_DISK_BYTES = 512 * 1024
"""Free bytes below which a disk counts as full: the smallest release takes more. Programs report it in many ways."""

OUTPUT_LINES = 15
"""Lines of a failed program's output that a message shows: a traceback with its cause fits, and a screen holds it."""

HOOK_OUTPUT_LINES = 20
"""Lines of a hook's output that a message shows: migrations print a line a step."""

SHORTEST_SECRET = 4
"""Characters from which a value of the environment is hidden in output: hiding ``1`` or ``on`` would garble it."""

KEY_DIGITS = 12
"""Hexadecimal digits of the name of a shared virtualenv: 48 bits of a hash do not collide on one host."""
