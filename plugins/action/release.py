"""The controller's half of the module ``release``: collects the inputs, and sends them where they are missing."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import ID_MARK
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_paths
from ansible_collections.grove.wsgi.plugins.plugin_utils.payload import Payload
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.copies import MODE, decoded
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.mod_wsgi_options import DEFAULTS
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.placeholders import IN_STATE, fill, variables_of
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.project import Needs, is_package, needs_of
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.sections import render
from ansible_collections.grove.wsgi.plugins.plugin_utils.templates import render as render_template
from ansible_collections.grove.wsgi.plugins.plugin_utils.trial_request import request_of

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = "grove.wsgi.release"
HOOKS = ("build", "prepare", "migrate", "contract", "after")
# The first words of those inputs of a release that are its software.
SOFTWARE = ("source", "lock", "requirements", "extras")
FROM_ANOTHER = "gets the software that another API host has built"
SOFTWARE_ARCHIVE = "software.tar.gz"
AGENT_KEYS = ("command", "restart", "settle", "notify")
# Paths that a release remembers of those that it did not get: for a message, which a longer list would not help.
LEFT_OUT_KEPT = 200
# Options of WSGIDaemonProcess, and the environment variable of each.
LOCALE_VARIABLES = {"lang": "LANG", "locale": "LC_ALL"}
MANAGED = "Written by Grove from the record's sections; a change of the record is a new release."


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.release``; see the module's documentation.

    ``record`` is the build view of a record. ``app_environment`` and ``app_config`` hold what may be secret: they go
    into the archive, and into no argument of the module.
    """

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Build the release of ``record`` on the host unless it is there."""
        variables = task_vars or {}
        super().run(tmp, variables)
        record = self._task.args["record"]
        secrets = self._task.args.get("app_environment") or {}, self._task.args.get("app_config") or {}
        payload = self._payload(record, *secrets, variables)
        arguments = {**of_application(record, payload), **common(self._task.args.get("run")), **self._tools()}
        if self._task.check_mode or not self._task.args.get("missing"):
            result: dict[str, Any] = self._execute_module(MODULE, module_args=arguments, task_vars=variables)
            if result.get("failed") or not result.get("missing") or self._task.check_mode:
                return result
        summary = FROM_ANOTHER if self._task.args.get("software") else needs_of_record(record).summary()
        for line in filter(None, [*payload.warnings, summary]):
            self._display.display(f"record {record['name']}: {line}")
        try:
            sent = {"payload": self._send(payload, record), "software": self._send_software()}
            built: dict[str, Any] = self._execute_module(MODULE, module_args={**arguments, **sent}, task_vars=variables)
            return built
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _payload(
        self, record: dict[str, Any], environment: dict[str, Any], sections: dict[str, Any], variables: dict[str, Any]
    ) -> Payload:
        """Return the inputs of a record's release. Raises AnsibleActionFail with the record's name."""
        try:
            return self._inputs(record, environment, sections, variables)
        except (OSError, ValueError, AnsibleError) as error:
            raise AnsibleActionFail(f"record {record['name']}: {explain(error)}") from error

    def _inputs(
        self, record: dict[str, Any], environment: dict[str, Any], sections: dict[str, Any], variables: dict[str, Any]
    ) -> Payload:
        record = filled(record)
        environment, sections = fill(environment, record["placeholders"]), fill(sections, record["placeholders"])
        payload = Payload(inventories=inventory_paths())
        payload.add_source(record["source"], record["exclude"])
        needs = needs_of_record(record)
        if not builds(record) and any(member.name == "src/pyproject.toml" for member in payload.members):
            # Grove used to build a package of such a folder.
            payload.inputs["package"] = False
        if needs.lock is not None:
            payload.add_file("lock.txt", needs.lock, "lock")
        if record["requirements"] and not record["lock"]:
            payload.inputs["requirements"] = record["requirements"]
        marked: list[str] = []
        for target, template in sorted(record["config"].items()):
            if target in record["copies"]:
                self._add_copy(payload, target, record["copies"][target], sections[target])
                continue
            if template:
                text = self._render(template, variables, variables_of(record, environment))
                marked += [target] if ID_MARK in text else []
            else:
                text = render(sections[target], MANAGED)
            payload.add_file(f"etc/{target}", text, f"config {target}")
        if record["paste"]:
            payload.add_file("paste.json", json.dumps(record["paste"], indent=1, sort_keys=True) + "\n", "paste")
        for package in record["extras"]:
            payload.add_package(Path(package))
        entry = self._render(str(REPOSITORY / "wsgi" / "app.wsgi.j2"), variables, {"record": record})
        payload.add_file("app.wsgi", entry, "app.wsgi")
        for module in sorted((REPOSITORY / "wsgi" / "grove_runtime").glob("*.py")):
            payload.add_file(f"runtime/grove_runtime/{module.name}", module.read_text(), f"runtime {module.name}")
        for module in sorted((REPOSITORY / "wsgi" / "grove_routes").glob("*.py")):
            payload.add_file(f"runtime/grove_routes/{module.name}", module.read_text(), f"routes {module.name}")
        content = {**commands(record, environment), **migration(record, sections, payload)}
        text = json.dumps(content, indent=1, sort_keys=True, default=str)
        payload.add_file("commands.json", text + "\n", "commands")
        payload.inputs["python"] = record["abi"]
        # A list, since the order counts: Apache's configuration numbers the folders, and so does the release.
        payload.inputs["static"] = [list(folder) for folder in record["static"].items()]
        plan = build_plan(record, needs, payload.identifier(), marked, payload.left_out)
        payload.add_beside("plan.json", plan)
        return payload

    def _add_copy(self, payload: Payload, target: str, copy: dict[str, Any], written: dict[str, Any]) -> None:
        """Add a configuration file that is copied byte for byte. Ansible Vault decrypts one that it has encrypted."""
        if copy["path"]:
            content = Path(self._loader.get_real_file(copy["path"])).read_bytes()
        else:
            content = decoded(written["base64"])
        payload.add_file(f"etc/{target}", content, f"config {target}")
        if copy["mode"] != MODE:
            payload.inputs[f"mode {target}"] = copy["mode"]

    def _render(self, template: str, variables: dict[str, Any], own: dict[str, Any]) -> str:
        return render_template(template, variables, own, loader=self._loader, templar=self._templar)

    def _tools(self) -> dict[str, Any]:
        return {"uv": self._task.args["uv"], "wheelhouse": self._task.args.get("wheelhouse") or ""}

    def _send(self, payload: Payload, record: dict[str, Any]) -> str:
        origin = {
            "app": record["name"],
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_from": without_account(record["source"]["text"]),
            "entry": {key: value for key, value in record["entry"].items() if value is not None},
        }
        handle, local = tempfile.mkstemp(prefix="grove-", suffix=".tar.gz")
        try:
            with os.fdopen(handle, "wb") as stream:
                payload.write(stream, origin)
            folder = self._make_tmp_path()
            remote: str = self._connection._shell.join_path(folder, "payload.tar.gz")
            self._transfer_file(local, remote)
            self._fixup_perms2((folder, remote), execute=False)
            return remote
        finally:
            os.unlink(local)

    def _send_software(self) -> str:
        """Send what another host has built, beside the archive of the inputs; empty where there is nothing."""
        local = self._task.args.get("software")
        if not local:
            return ""
        remote: str = self._connection._shell.join_path(self._connection._shell.tmpdir, SOFTWARE_ARCHIVE)
        # Other hosts get the same archive. Ansible removes it when it ends.
        self._transfer_file(local, remote)
        return remote


def filled(record: dict[str, Any]) -> dict[str, Any]:
    """Return the build view of a record with its values in the place of placeholders."""
    keys = (*HOOKS, "argv", "timers", "agents", "paste")
    return {**record, **{key: fill(record[key], record["placeholders"]) for key in keys}}


def of_application(record: dict[str, Any], payload: Payload) -> dict[str, Any]:
    """Return what the module ``release`` gets of one application; ``record`` is its build view."""
    return {
        **{key: record[key] for key in ("folder", "name", "account", "idle")},
        "writable": [record["state"], record["logs"]],
        "private": [f"{record['state']}/tmp"],
        "served": [
            {"state": record["state"], "path": record["state"] + folder.removeprefix(IN_STATE)}
            for folder in record["static"].values()
            if folder.startswith(IN_STATE)
        ],
        "release": payload.identifier(),
        "inputs": payload.inputs,
    }


def common(run: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the module ``release`` gets for every application of a run."""
    return {
        "slot_wsgi": (REPOSITORY / "wsgi" / "slot.wsgi").read_text(),
        "run_script": (REPOSITORY / "wsgi" / "run").read_text(),
        "run": run,
    }


def commands(record: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
    """Return what commands.json holds: the commands of a release, and the environment in which they run."""
    content: dict[str, Any] = {hook: record[hook] for hook in HOOKS if record[hook]}
    content |= {key: record[key] for key in ("home", "state", "logs", "argv", "max_log", "log_days")}
    content |= {"environment": {**locale_variables(record), **environment}, "extras": bool(record["extras"])}
    if (umask := record["daemon_options"]["umask"]) != DEFAULTS["umask"]:
        content["umask"] = umask
    content["timers"] = {name: timer["command"] for name, timer in record["timers"].items()}
    if record["after"] and record["after_on"] != "deployment":
        content["after_on"] = record["after_on"]
    if record["agents"]:
        content["agents"] = {name: agent_command(agent, record["several"]) for name, agent in record["agents"].items()}
    return content


def agent_command(agent: dict[str, Any], several: bool) -> dict[str, Any]:
    """Return what commands.json holds of an agent. ``several``: other hosts may have the same record."""
    content = {key: agent[key] for key in AGENT_KEYS}
    if several and agent["instances"] == "one":
        content["lease"] = {"database": agent["database"], "stop_timeout": agent["stop_timeout"]}
    return content


def migration(record: dict[str, Any], sections: dict[str, Any], payload: Payload) -> dict[str, str]:
    """Return what commands.json holds of a migration that releases share: the hash of all that it depends on."""
    if not record["migrate"] or not record["migrate_reads"]:
        return {}
    software = {key: value for key, value in payload.inputs.items() if key.partition(" ")[0] in SOFTWARE}
    parts = {
        target: {name: part(sections[target], name) for name in names} or payload.inputs[f"config {target}"]
        for target, names in record["migrate_reads"].items()
    }
    text = json.dumps([software, record["abi"], record["migrate"], parts], sort_keys=True, default=str)
    return {"migration": hashlib.sha256(text.encode()).hexdigest()[:16]}


def part(sections: dict[str, Any], name: str) -> Any:
    """Return a section of a configuration file, or the option SECTION/OPTION; None where there is none."""
    section, _, option = name.partition("/")
    values = sections.get(section)
    return (values or {}).get(option) if option else values


def locale_variables(record: dict[str, Any]) -> dict[str, str]:
    """Return the variables that follow from the record's ``lang`` and ``locale``, for all programs of the release."""
    options = record["daemon_options"]
    return {name: options[key] for key, name in LOCALE_VARIABLES.items() if options[key] != DEFAULTS[key]}


def needs_of_record(record: dict[str, Any]) -> Needs:
    """Return what a record and its source name to install beside the application. Raises ProjectError and OSError."""
    if record["lock"]:
        lock = Path(record["lock"])
        return Needs(lock.name, lock=lock.read_text(encoding="utf-8"))
    source = record["source"]
    needs = needs_of(Path(source["path"]), record["exclude"]) if source["kind"] == "folder" else Needs()
    return needs.with_requirements(record["requirements"]) if record["requirements"] else needs


def builds(record: dict[str, Any]) -> bool:
    """Return whether a release holds a package that is built of its source. Raises ProjectError."""
    source = record["source"]
    return source["kind"] != "folder" or is_package(Path(source["path"]), record["exclude"])


def build_plan(
    record: dict[str, Any],
    needs: Needs,
    release: str,
    marked: Sequence[str] = (),
    left_out: Mapping[str, str] | None = None,
) -> str:
    """Return the content of plan.json, which tells the host how a release is built. It holds no secret.

    The keys of ``static`` keep their order. ``marked`` names the files of ``etc`` that hold ``ID_MARK``, and
    ``left_out`` what the release does not get of the source.
    """
    entry = record["entry"]
    lock = os.path.basename(record["lock"]) if record["lock"] else ""
    plan = {
        **{key: record[key] for key in ("account", "python", "static", "start_timeout")},
        "health": record["health_check"]["path"],
        "request": request_of(record),
        "release": release,
        "source_kind": record["source"]["kind"],
        "requirement": record["source"]["text"],
        "requirements": needs.requirements,
        "constraints": needs.constraints,
        "script_name": record["path"],
        "migrates": bool(record["migrate"] or record["prepare"]),
        "builds": builds(record),
        "expanded": sorted(
            target
            for target, template in record["config"].items()
            if template is None and target not in record["copies"]
        ),
        "modes": {target: copy["mode"] for target, copy in record["copies"].items()},
        "marked": list(marked),
        "record": {
            "name": record["name"],
            # The arguments of a call may be secrets.
            "entry": (entry.get("module") or entry.get("factory") or "").partition(":")[0],
            "requirements": [without_account(text) for text in record["requirements"]],
            "lock": lock,
            "source_lock": needs.file if needs.lock is not None and not lock else "",
            "left_out": dict(list((left_out or {}).items())[:LEFT_OUT_KEPT]),
        },
        "places": {"state": record["state"], "logs": record["logs"]},
    }
    return json.dumps(plan, indent=1) + "\n"
