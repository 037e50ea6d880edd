#!/usr/bin/env python3
"""Replace, roll back and break the releases of one host while clients use it, and count what they lose.

The report of each part is in .cache/switch/HOST/; the last line printed names it. Exit status 1 when a part failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from broken import full_disk, interruptions, reboots, refusals
from driven import REPOSITORY, FailureError, Host
from killed import deaths, hanging, memory
from planned import dry_runs, neighbours, switches

PARTS: dict[str, Callable[[Host], None]] = {
    "switches": switches,
    "dry-runs": dry_runs,
    "refusals": refusals,
    "full-disk": full_disk,
    "interruptions": interruptions,
    "reboots": reboots,
    "deaths": deaths,
    "memory": memory,
    "hanging": hanging,
    "neighbours": neighbours,
}


def main() -> int:
    """Run the parts, one after the other, whatever becomes of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("container")
    parser.add_argument("address")
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--part", action="append", choices=PARTS, default=[])
    asked = parser.parse_args()
    folder = REPOSITORY / ".cache" / "switch" / asked.name
    folder.mkdir(parents=True, exist_ok=True)
    host = Host(asked.name, asked.container, asked.address, asked.inventory, folder)
    failed = 0
    for name in asked.part or PARTS:
        try:
            PARTS[name](host)
        except (FailureError, RuntimeError, OSError) as error:
            failed += 1
            host.say(f"FAILED {name}: {error}")
    (folder / "report.txt").write_text("\n".join(host.lines) + "\n")
    print("\n".join([*host.lines, f"the reports are in {folder}"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
