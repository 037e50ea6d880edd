"""Letting Apache run with the configuration that was written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import control, drop_in, last_good, loaded
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent as parents
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

SANDBOX_REFUSED = (
    "Apache was restarted in another sandbox, in which these applications do not work; it was started again in the one"
    " that it had before. Let their records relax what they need"
)
Problems = Callable[[], list[str]]


@dataclass(frozen=True)
class Unwritten:
    """Files that check mode would write: all that it would change, and those of them that need a restart."""

    files: Collection[str] = ()
    restart: Collection[str] = ()

    @classmethod
    def of(cls, results: Iterable[Mapping[str, Any]]) -> Unwritten:
        """Take them out of results of the module ``httpd_config`` in check mode."""
        files = [(result.get("changed_files", ()), result.get("restart_files", ())) for result in results]
        return cls([path for changed, _ in files for path in changed], [path for _, last in files for path in last])


def load(
    layout: Layout,
    survivors: Callable[[], Problems],
    *,
    dry: bool,
    unwritten: Unwritten = Unwritten(),
    installed: bool = False,
) -> dict[str, Any]:
    """Start Apache where it does not run, and reload or restart it where it has not read what was written.

    unwritten: what check mode has left out, so that its result is that of a run. installed: Apache also has to run with
    the program and the libraries that are installed; a new generation does, and a graceful restart does not.

    survivors: called before a restart with another drop-in; what it returns is called after the restart, and returns
    the problems of the applications that served before and do not serve now. Returns the module's result. Raises
    ControlError when Apache does not come up with its configuration; where it has stopped, it was then started with the
    configuration that it had before. With such problems, it was started again with the drop-in that it had before.
    """
    parent = control.parent_pid(layout)
    unit = str(drop_in.path_of(layout.service))
    because: list[str] = []
    if parent is None:
        action = "start"
    else:
        because, needs_restart = loaded.pending(parent)
        because += [path for path in unwritten.files if path not in because]
        needs_restart = needs_restart or bool(unwritten.restart)
        if drop_in.hands_over(layout):
            # A new generation loads modules and sizes anew, and gets the limits and the sandbox of its unit.
            needs_restart = unit in unwritten.restart
            needs_restart = needs_restart or (
                unit in because and unit not in unwritten.files and last_good.needs_restart(layout)
            )
        if installed and (replaced := parents.replaced(Path(layout.pid_file), layout.program)):
            because += replaced
            needs_restart = needs_restart or not drop_in.hands_over(layout)
        action = "restart" if needs_restart else "reload" if because else "none"
    enabled = control.enable_at_boot(layout, dry=dry)
    if action != "none" and not dry:
        problems: Problems = list
        if action == "restart" and unit in because:
            problems = survivors()
        actions = {"start": control.start, "reload": control.reload, "restart": control.restart}
        try:
            parent = actions[action](layout)
        except control.ControlError as error:
            if action == "reload" and unit in because:
                # The former generation serves on; a start after a failure has to be that of its sandbox.
                last_good.put_drop_in_back(layout)
                control.read_units()
            raise control.ControlError(f"{error}{control.recover(layout)}") from error
        if failed := problems():
            last_good.put_drop_in_back(layout)
            control.restart(layout)
            raise control.ControlError("\n".join([*failed, SANDBOX_REFUSED]))
        loaded.note_loaded(parent)
        last_good.keep(layout)
    return {
        "changed": action != "none" or enabled,
        "action": action,
        "because": because,
        "diff": {"before": "", "after": f"{action}: {', '.join(because)}\n" if action != "none" else ""},
    }
