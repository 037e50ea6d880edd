"""Give a share of an application's requests to a release that stands on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: canary
short_description: A release takes a share of an application's requests
description:
  - Starts a release in the idle slot and gives it a share of the requests, until it is promoted or withdrawn. Each
    request is decided by itself.
options:
  app:
    description: The application's name.
    type: str
    required: true
  base:
    description: The folder that holds every application's folder.
    type: path
    default: /srv/wsgi
  percent:
    description: The share, from 1 to 99. 0 withdraws the canary, 100 promotes it.
    type: int
    required: true
  release:
    description: The release's id. Without it, the one that takes a share now.
    type: str
  cross_contract:
    description: Accept a release from before a contract.
    type: bool
    default: false
  run:
    description: The run that M(grove.wsgi.deployment) has begun.
    type: dict
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Withdraw
  grove.wsgi.canary:
    app: bookstore
    percent: 0
"""

RETURN = r"""
percent:
  description: The share that the canary has now; a line of the slot map holds only so many parts.
  type: float
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
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError, other_than
from ansible_collections.grove.wsgi.plugins.module_utils.switching import served as served_app
from ansible_collections.grove.wsgi.plugins.module_utils.switching import traffic as switching


def act(app: switching.App, release: str, params: dict[str, object], dry: bool) -> switching.Outcome:
    """Withdraw, promote or share out, as ``percent`` says."""
    percent = int(str(params["percent"]))
    if percent == 0:
        changed = bool(app.folder.canary_share())
        return switching.Outcome(changed, str(app.folder.live()), {}) if dry else switching.withdraw(app)
    if not release:
        raise switching.SwitchError("no release takes a share of the requests; name one: -e release=ID")
    crossing = bool(params["cross_contract"])
    outcome = switching.bring_live(app, release, dry=dry, percent=percent, cross_contract=crossing)
    if percent < 100 and app.folder.release_of(outcome.live) == release and not dry:
        raise switching.SwitchError(f"release {release} is live already; a canary is another one: -e release=ID")
    return outcome


def state(folder: AppFolder) -> str:
    """Return the live release and the canary's share as text for a diff."""
    live = str(folder.live())
    share = folder.canary_share()
    canary = f" to {folder.release_of(other_than(live))}" if share else ""
    return f"live: {folder.release_of(live)}\ncanary: {share:g} %{canary}\n"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "base": {"type": "path", "default": "/srv/wsgi"},
            "percent": {"type": "int", "required": True},
            "release": {"type": "str"},
            "cross_contract": {"type": "bool", "default": False},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    params, dry = module.params, module.check_mode
    if not 0 <= params["percent"] <= 100:
        module.fail_json(msg=f"percent: found {params['percent']}; it has to be from 0 to 100")
    try:
        app, _ = served_app.find(Path(params["base"]), params["app"])
    except FolderError as error:
        module.fail_json(msg=str(error))
    folder = app.folder
    run = deployment_lease.Run.of(params["run"])
    release = params["release"] or ""
    try:
        with folder.locked():
            deployment_lease.renew(folder, None if dry else run)
            before = folder.canary_share()
            shown = state(folder)
            if not release and before:
                release = str(folder.release_of(other_than(str(folder.live()))))
            outcome = act(app, release, params, dry)
            if params["percent"] == 100 and not dry:
                agents.follow(folder, release)
    except agents.AgentError as error:
        history.note_failure(folder, "failed", release, why=str(error)[:2000], step="agents")
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {folder.name}: release {release} is live, but not its agents: {error}")
    except (switching.SwitchError, FolderError, OSError) as error:
        if not dry and isinstance(error, switching.SwitchError):
            history.note_failure(folder, "refused", release, why=str(error), step="canary")
        deployment_lease.end(folder, run)
        module.fail_json(msg=f"record {folder.name}: {error}")
    after = outcome.percent if 0 < params["percent"] < 100 else 0.0
    words = {0: "no canary any more", 100: f"release {release} promoted"}
    taken = f"release {release} takes {after:g} % of the requests"
    live = release if params["percent"] == 100 else folder.release_of(outcome.live)
    share = f" to {release}" if after else ""
    diff = {"before": shown, "after": f"live: {live}\ncanary: {after:g} %{share}\n"}
    module.exit_json(
        changed=outcome.changed,
        percent=after,
        live=outcome.live,
        release=release,
        seconds=outcome.seconds,
        summary=f"{folder.name}: {words.get(params['percent'], taken)}",
        diff=diff if outcome.changed else {},
    )


if __name__ == "__main__":
    main()
