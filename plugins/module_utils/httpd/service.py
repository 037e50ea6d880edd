"""Letting Apache run with the configuration that was written."""

from __future__ import annotations

from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import control, last_good, loaded
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout


def load(layout: Layout, *, dry: bool) -> dict[str, Any]:
    """Start Apache where it does not run, and reload or restart it where it has not read what was written.

    Returns the module's result. Raises ControlError when Apache does not come up with its configuration; where it has
    stopped, it was then started with the configuration that it had before.
    """
    parent = control.parent_pid(layout)
    because: list[str] = []
    if parent is None:
        action = "start"
    else:
        because, needs_restart = loaded.pending(parent)
        action = "restart" if needs_restart else "reload" if because else "none"
    enabled = control.enable_at_boot(layout, dry=dry)
    if action != "none" and not dry:
        actions = {"start": control.start, "reload": control.reload, "restart": control.restart}
        try:
            parent = actions[action](layout)
        except control.ControlError as error:
            raise control.ControlError(f"{error}{control.recover(layout)}") from error
        loaded.note_loaded(parent)
        last_good.keep(layout)
    return {
        "changed": action != "none" or enabled,
        "action": action,
        "because": because,
        "diff": {"before": "", "after": f"{action}: {', '.join(because)}\n" if action != "none" else ""},
    }
