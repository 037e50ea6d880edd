"""The text of a lock: requirements with a version and hashes, one for each package."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

PIN = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*==\s*(?P<version>[^\s;\\]+)")
ADDRESS = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*@\s*(?P<url>[^\s;\\]+)")


@dataclass(frozen=True)
class Locked:
    """A package of a lock. ``version`` is its address where it comes from one. ``text`` is the whole requirement."""

    name: str
    version: str
    text: str

    @property
    def is_hashed(self) -> bool:
        """Whether the lock has a hash of the package."""
        return "--hash=" in self.text


def packages(text: str) -> list[Locked]:
    """Return the packages of a lock, in its order. Lines that are neither comments nor packages are left out."""
    lines = "".join(f"{line}\n" for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = []
    for entry in re.split(r"\n(?=\S)", lines.strip()):
        if match := PIN.match(entry) or ADDRESS.match(entry):
            words = " ".join(re.sub(r"\s+#.*", "", entry.replace("\\\n", " ")).split())
            found.append(Locked(canonicalize_name(match["name"]), match[match.lastindex or 0], words))
    return found


def differences(before: str, after: str) -> list[str]:
    """Return in words how two locks differ; empty where they name the same files."""
    old, new = packages(before), packages(after)
    lines = []
    for name in sorted({one.name for one in (*old, *new)}):
        was, now = (sorted({one.version for one in lock if one.name == name}) for lock in (old, new))
        texts = [sorted(one.text for one in lock if one.name == name) for lock in (old, new)]
        if not was:
            lines.append(f"added {name} {', '.join(now)}")
        elif not now:
            lines.append(f"removed {name} {', '.join(was)}")
        elif was != now:
            lines.append(f"changed {name} {', '.join(was)} to {', '.join(now)}")
        elif texts[0] != texts[1]:
            lines.append(f"changed {name} {', '.join(now)}: its hashes or conditions")
    return lines


def lacking(lock: Collection[Locked], requirements: Iterable[str]) -> list[tuple[str, str]]:
    """Return the requirements that a lock does not meet, each with what the lock has instead; empty for nothing.

    A requirement with a condition may not apply to the host, and is not looked for.
    """
    found = []
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        versions = [one.version for one in lock if one.name == canonicalize_name(requirement.name)]
        fits = any("://" in one or requirement.specifier.contains(one, prereleases=True) for one in versions)
        if requirement.marker is None and not fits:
            found.append((text, ", ".join(versions)))
    return found
