"""Put an earlier release of an application live again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: An earlier release is live again
description:
  - Hands the traffic to the release that was live before, or to the named one. Nothing is built; what is needed stands
    on the host. Its agents follow. A canary is withdrawn instead.
  - Refuses to go back behind a contract, which may have removed what the earlier release needs.
options:
  app:
    description: The application's name.
    type: str
    required: true
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
  release:
    description: The release's id. Without it, the one that was live before.
    type: str
  cross_contract:
    description: Go back behind a contract.
    type: bool
    default: false
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Go back
  grove.wsgi.rollback:
    app: bookstore
"""

RETURN = r"""
release:
  description: The release that is live now.
  type: str
  returned: success
seconds:
  description: Duration of each step, and of all up to the first answer of the front (C(live)).
  type: dict
  returned: success
restarted:
  description: The agents that were restarted in that release.
  type: list
  elements: str
  returned: success
summary:
  description: One line for a person.
  type: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.agents import units as agents
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease as deployment_lease
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.switching import served as served_app
from ansible_collections.grove.wsgi.plugins.module_utils.switching import traffic as switching


def target_of(folder: AppFolder, asked: str | None) -> str:
    """Return the release to go back to.

    Raises SwitchError, with the releases that there are, when there is none or not the one that was asked for.
    """
    there = sorted(path.name for path in folder.releases.iterdir() if folder.describe(path.name) is not None)
    if asked and asked not in there:
        raise switching.SwitchError(f"there is no release {asked}; there are {', '.join(there)}")
    found = asked or history.previous(folder, history.read(folder))
    if found is None:
        raise switching.SwitchError(f"no earlier release was live and is still there; there are {', '.join(there)}")
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "base": {"type": "path", "default": "/srv/wsgi"},
            "release": {"type": "str"},
            "cross_contract": {"type": "bool", "default": False},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params, dry = module.params, module.check_mode
    try:
        app, record = served_app.find(Path(params["base"]), params["app"])
    except FolderError as error:
        module.fail_json(msg=str(error))
    folder = app.folder
    target = params["release"] or ""
    run = deployment_lease.Run.of(params["run"])
    try:
        with folder.locked():
            deployment_lease.renew(folder, None if dry else run)
            live = folder.live()
            before = folder.release_of(live) if live else None
            if folder.canary_share() and target in ("", before):
                target = str(before)
                outcome = switching.Outcome(True, str(live), {}) if dry else switching.withdraw(app)
                done = "canary withdrawn,"
            else:
                target = target_of(folder, params["release"])
                outcome = switching.bring_live(
                    app, target, dry=dry, cross_contract=params["cross_contract"], what="rolled_back"
                )
                done = "back to" if outcome.changed else "live already:"
            restarted = [] if dry else agents.follow(folder, target)
            took = sum(seconds for step, seconds in outcome.seconds.items() if step != "drain")
    except (switching.SwitchError, FolderError, OSError) as error:
        if not dry and isinstance(error, switching.SwitchError):
            history.note_failure(folder, "refused", target, why=str(error), step="rollback")
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {folder.name}: {error}")
    except agents.AgentError as error:
        history.note_failure(folder, "failed", target, why=str(error)[:2000], step="agents")
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {folder.name}: release {target} is live again, but not its agents: {error}")
    module.exit_json(
        changed=outcome.changed or bool(restarted),
        release=target,
        restarted=restarted,
        live=outcome.live,
        seconds={**outcome.seconds, "live": round(took, 3)},
        summary=f"{folder.name}: {done} release {target} in {outcome.live}, {took:.2f} s; {record['url']} is healthy",
        diff={"before": f"live: {before}\n", "after": f"live: {target}\n"} if outcome.changed else {},
    )


if __name__ == "__main__":
    main()
