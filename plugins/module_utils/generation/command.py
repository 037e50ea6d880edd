"""The command ``grove-httpd``, by which systemd, Grove and an operator start and hand over generations of Apache."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.generation import door, handover, kernel, state, trees
from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import GenerationError, Settings
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import drop_in

STEPS: dict[str, tuple[Callable[[Settings], object], str]] = {
    "clear": (handover.clear, "before a start: end what the live generation does not need (systemd calls this)"),
    "boot": (handover.boot, "start the live generation (systemd calls this)"),
    "heal": (handover.heal, "after a start: take over from what a killed parent has left (systemd calls this)"),
    "stopped": (
        lambda settings: handover.stopped(settings, os.environ.get("SERVICE_RESULT", "")),
        "after a stop: end what was left (systemd calls this)",
    ),
    "prepare": (handover.prepare, "first step of a handover: make the tree of a new generation"),
    "begin": (handover.begin, "second step: start the new generation, without connections"),
    "finish": (handover.finish, "third step: ask the new generation, give it the connections, and end the former one"),
    "settle": (handover.settle, "complete or undo a handover that was killed"),
    "renew": (handover.renew, "let the next start take Apache's tree as it is now (a run of Grove calls this)"),
    "status": (lambda settings: None, "show the generations"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one step; return the exit status of the command. A refusal is kept for the run that has asked for it."""
    parser = argparse.ArgumentParser(prog="grove-httpd", description="Generations of Apache on this host.")
    parser.add_argument("--folder", type=Path, default=state.FOLDER, help="where the settings and the trees are")
    steps = parser.add_subparsers(dest="step", required=True)
    for name, (_, text) in STEPS.items():
        steps.add_parser(name, help=text)
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings.read(chosen.folder)
        if settings is None:
            raise GenerationError(f"{chosen.folder / state.SETTINGS} is missing: changes of Apache are reloads here")
        if chosen.step == "status":
            print("\n".join(describe(settings)))
        else:
            if chosen.step == "prepare":
                drop_in.REFUSAL.unlink(missing_ok=True)
            if chosen.step == "clear" and (problem := kernel.obstacle()):
                print(f"no handover is possible: {problem}", file=sys.stderr)
            problems = STEPS[chosen.step][0](settings)
            if isinstance(problems, list) and problems:
                print("\n".join(problems), file=sys.stderr)
    except (OperatorError, OSError) as error:
        text = explain(error)
        print(text, file=sys.stderr)
        if chosen.step in ("prepare", "begin", "finish"):
            drop_in.REFUSAL.parent.mkdir(parents=True, exist_ok=True)
            drop_in.REFUSAL.write_text(text)
        return 1
    return 0


def describe(settings: Settings) -> list[str]:
    """Return a line for each generation that runs."""
    live = state.live(settings)
    lines = []
    for one in state.running(settings):
        requests = door.busy_workers(one)
        role = "live" if one == live else "leaving" if one.leaving.exists() else "starting"
        busy = "its door gives no status" if requests is None else f"{requests} requests"
        apps = ", ".join(sorted(trees.processes_of(one))) or "no application"
        lines.append(f"{one}: {role}, process {one.parent()}, {busy}; {apps}")
    return lines or ["no generation runs"]


if __name__ == "__main__":
    sys.exit(main())
