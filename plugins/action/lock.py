"""The action ``lock``: the file with the versions and hashes of all packages of an application."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.plugin_utils import lock_text, locking
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_paths


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.lock``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the lock, or fail and write nothing."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        name = str(arguments["app"])
        try:
            wanted, targets = wanted_of(name, arguments["hosts"])
            made = locking.make(
                wanted,
                targets,
                folders=arguments["folders"],
                upgrade=arguments.get("upgrade", False),
                wheelhouse=arguments.get("wheelhouse") or "",
                environment=locking.environment_of_uv(os.environ, arguments.get("uv_environment") or {}),
                inventories=inventory_paths(),
            )
            changed = bool(made.differences)
            if changed and not self._task.check_mode:
                made.write()
        except OSError as error:
            return {**result, "failed": True, "msg": f"record {name}: {explain(error)}; the lock was not changed"}
        except ValueError as error:
            return {**result, "failed": True, "msg": f"record {name}, key source: {error}; the lock was not changed"}
        except locking.LockError as error:
            return {**result, "failed": True, "msg": str(error)}
        for line in summary(made, wanted, would=self._task.check_mode):
            Display().display(line)
        after = made.after if changed else made.before
        headers = {"before_header": str(made.path), "after_header": str(made.path)}
        diff = {"before": made.before, "after": after, **headers}
        return {**result, "changed": changed, "path": str(made.path), "diff": diff}


def wanted_of(name: str, hosts: Mapping[str, Mapping[str, Any]]) -> tuple[locking.Wanted, list[locking.Target]]:
    """Return what the lock of an app has to have, and the Pythons that it is for. Raises LockError."""
    having = {host: inputs for host, inputs in hosts.items() if inputs.get("wanted")}
    if not having:
        names = sorted({other for inputs in hosts.values() for other in inputs.get("names", [])})
        raise locking.LockError(
            f"app: found {name!r}, and no record is called that; there are {', '.join(names) or 'none'}"
        )
    first, inputs = next(iter(having.items()))
    for host, other in having.items():
        if keys := sorted(key for key, value in inputs["wanted"].items() if other["wanted"][key] != value):
            raise locking.LockError(
                f"record {name}, key {keys[0]}: found other values on {host} than on {first}; make one lock for each:"
                f" give them the key lock with another file, and add -l {host} or -l {first}"
            )
    return locking.Wanted(**inputs["wanted"]), [locking.Target.of(one["python"]) for one in having.values()]


def summary(made: locking.Made, wanted: locking.Wanted, *, would: bool) -> list[str]:
    """Return what was done, in lines for the operator."""
    shown = os.path.relpath(made.path)
    path = shown if not shown.startswith("..") else str(made.path)
    count = len({one.name for one in lock_text.packages(made.after)})
    packages = "1 package" if count == 1 else f"{count} packages"
    lines = [f"{path}: {packages} for {made.purpose}"]
    if made.differences:
        lines += [f"  {line}" for line in made.differences]
        lines += ["nothing was written, since this is a check"] if would else []
    else:
        lines.append("  nothing to change; -e upgrade=true takes newer versions")
    if not wanted.lock:
        lines.append(f"add this line to the record {wanted.name}:  lock: {Path(made.path).name}")
    return lines
