"""Trying a release outside Apache, as its daemon processes would run it."""

from __future__ import annotations

import json
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import without_passwords
from ansible_collections.grove.wsgi.plugins.module_utils.release import launching, layout, limits, paste_file, remedies
from ansible_collections.grove.wsgi.plugins.module_utils.release.output import error_line, last_lines
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import BuildError, Plan

CODES = (91, 92, 93)
"""Exit codes of ``grove_runtime/trial.py``: it answered well; it cannot be imported; it may answer well later.

Any other one says that the application has ended the process itself, as ``os._exit(0)`` does.
"""
IMPORTED = CODES[0]
"""The exit code of ``IMPORT_FACTORY`` when the factory is there."""
OLD_CODES = (0, 1, 3)
"""Those of releases that were built before December 2026. Delete them when no host keeps such a release any more."""
ALARM = 0.5
"""The part of the seconds of a trial after which it says where it is."""
IMPORT_FACTORY = """
import importlib, operator, os, sys
sys.path[:0] = [sys.argv[1]]
module, _, attribute = sys.argv[2].partition(":")
operator.attrgetter(attribute)(importlib.import_module(module))
os._exit(int(sys.argv[3]))
"""


@dataclass(frozen=True)
class Trial:
    """The request of a trial: the URL path below which the release is mounted, its health path below that, and the
    seconds that loading and answering may take.

    ``request`` is the whole request, as ``plugin_utils/trial_request.py`` makes it. A release of an older Grove has
    none, and perhaps ``host``, the Host header. ``codes`` are the exit codes of the release's own program.
    """

    script_name: str
    health: str
    seconds: int
    host: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    codes: Sequence[int] = OLD_CODES


@dataclass(frozen=True)
class Verdict:
    """The result of a trial.

    ``healthy`` says whether the release answered as it should. ``complete`` says whether it can be imported, and so
    may do that after its migration. ``output`` holds the last lines of its output, which end with the reason.
    """

    healthy: bool
    complete: bool
    output: str = ""


def try_release(release: Path, trial: Trial, account: pwd.struct_passwd) -> Verdict:
    """Load the release in a folder as its account and ask for its health path. Raises OSError."""
    program = ["{release}/venv/bin/python", "-I", "{release}/runtime/grove_runtime/trial.py", "{release}"]
    # The program is the release's own.
    old_request = [trial.script_name, trial.health, *([trial.host] if trial.host else [])]
    arguments = [] if trial.request else old_request
    try:
        # A command line, which every account of the host may read, is no place for headers.
        text = json.dumps({**trial.request, "alarm": trial.seconds * ALARM}) if trial.request else ""
        done = launching.run(release, account, [*program, *arguments], timeout=trial.seconds, text=text)
    except subprocess.TimeoutExpired as error:
        output = (
            f"key start_timeout: the release did not answer {trial.health} within {trial.seconds} s; if it needs more"
            f" time, give it a larger start_timeout\n{last_lines(str(error.output), limits.OUTPUT_LINES)}".rstrip()
        )
        # It may be waiting for a database, and its migration gives a better reason.
        return Verdict(healthy=False, complete=True, output=output)
    output = without_passwords(last_lines(done.stdout, limits.OUTPUT_LINES))
    healthy, _, unhealthy = trial.codes
    code = done.returncode
    if code not in trial.codes:
        output = f"{output}\nthe process ended with {ending(code)} while it loaded the application or asked it".strip()
    return Verdict(code == healthy, code in (healthy, unhealthy), output)


def ending(code: int) -> str:
    """Return how a process ended, by its exit code as subprocess gives it."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def check_build(release: Path, plan: Plan, account: pwd.struct_passwd) -> None:
    """Try a release that was built in a temporary folder.

    A release that is complete and has a migration may be unhealthy, as every first one is whose tables do not exist.
    Its RELEASE.json gets the result, ``before_migration``, and the ``trial`` to repeat after the migration. Raises
    BuildError for any other that is not healthy.
    """
    trial = Trial(plan.script_name, plan.health, plan.start_timeout, request=plan.request, codes=CODES)
    verdict = try_release(release, trial, account)
    if verdict.healthy:
        return
    output = verdict.output.replace(str(release), f"releases/{plan.release}")
    if verdict.complete and plan.migrates:
        path = release / "RELEASE.json"
        result = f"{plan.health} is asked for again after the migration; before it: {error_line(output) or 'no output'}"
        waits = {"before_migration": result, "trial": asdict(trial)}
        path.write_text(json.dumps({**json.loads(path.read_text()), **waits}, indent=2) + "\n")
        return
    raise BuildError(
        "the release does not work: as the application's account, outside Apache, it was loaded and asked for"
        f" {plan.health}, and nothing that serves was changed:\n{output}"
        f"{remedies.of_release(release, output)}"
    )


def check_factories(release: Path, account: pwd.struct_passwd) -> None:
    """Import the factories of the sections that overlays add. Raises BuildError for the first that fails."""
    for target, settings in layout.paste_settings(release).items():
        content = paste_file.PasteFile((release / "etc" / target).read_text(encoding="utf-8"))
        for section, factory in content.factories(list(settings["overlay"].get("sections") or {})):
            python = ["{release}/venv/bin/python", "-I", "-c", IMPORT_FACTORY]
            done = launching.run(release, account, [*python, "{release}/extras", factory, str(IMPORTED)])
            if done.returncode != IMPORTED:
                ended = f"the process ended with {ending(done.returncode)} while it imported the module"
                reason = last_lines(done.stdout, 1) if done.returncode == 1 else ended
                raise BuildError(
                    f"key paste.{target}.overlay.sections.{section}: found the factory {factory!r}, which cannot be"
                    f" imported ({reason}); it has to be module:attribute of a package in the"
                    " virtualenv or in extras. Nothing that serves was changed"
                    f"{remedies.of_release(release, done.stdout)}"
                )
