"""Changes of the control plane under load: filters, rotations, and wrong values."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import main_job
import pytest
import yaml
from cloud import Cloud
from served import Host
from under_load import all_live, constant_requests

pytest_plugins = ["control_plane_fixtures"]
# Each deploys at least once.
pytestmark = pytest.mark.timeout(1200)

SECRETS = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "secrets")
# Glance's own URL with another password.
WRONG = "{{ __openstack_services.glance.database_urls.glance | regex_replace('(?<=_2:)[^@]+', 'wrong') }}"
# The example in the README of wsgi/nova_extras.
EXAMPLE = yaml.safe_load(
    (main_job.REPOSITORY / "wsgi" / "nova_extras" / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
)


def deploy(host: Host, app: str, **variables: Any) -> main_job.Outcome:
    """Deploy one application with other variables."""
    more = {"openstack_version_overrides": {}, "app": app, **variables}
    return main_job.run(host, playbook="playbooks/deploy.yml", **more)


def test_secrets_change_and_no_request_fails_and_nothing_shows_them(control: Host, admin: Cloud) -> None:
    """The rotation touches every account of database, broker and keystone, and every configuration."""
    before = all_live(control)
    old = secrets()
    command = main_job.command(control, playbook="playbooks/rotate_secrets.yml", openstack_version_overrides={})
    with constant_requests(admin) as counts:
        completed = subprocess.run(
            [*command, "-vvv", "--diff"],
            cwd=main_job.REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert completed.returncode == 0, completed.stdout[-3000:]
    assert counts["failed"] == []
    fresh = secrets()
    assert set(old.values()).isdisjoint(fresh.values())
    text = completed.stdout + completed.stderr
    # Arguments of modules are in the output, so -vvv was in effect.
    assert "module_args" in text
    shown = [name for name, secret in {**old, **fresh}.items() if secret in text]
    assert shown == []
    after = all_live(control)
    assert {name for name in after if after[name] == before[name]} == set()
    users = {user["Name"] for user in admin.show("openstack user list")}
    assert "nova_2" in users
    assert "nova_1" not in users
    names = database_accounts(control)
    assert "nova_2" in names
    assert {name for name in names if name.endswith("_1")} == set()
    again = main_job.run(control, openstack_version_overrides={})
    assert again.messages == []
    assert (again.status, again.changed) == (0, 0)


def database_accounts(host: Host) -> set[str]:
    """Return the names of the accounts that the database server has."""
    commands = {
        "mariadb": ["mariadb", "-BN", "-e", "select user from mysql.user"],
        "psql": ["runuser", "-u", "postgres", "--", "psql", "-Atc", "select rolname from pg_roles where rolcanlogin"],
    }
    [program] = [name for name in commands if host.try_run("which", name).returncode == 0]
    return set(host.run(*commands[program]).split())


def secrets() -> dict[str, str]:
    """Return the inventory's secrets by the paths of their files."""
    files = [path for path in SECRETS.rglob("*") if path.is_file() and path.name != "generation"]
    values = {str(path.relative_to(SECRETS)): path.read_text().split()[0] for path in files}
    assert len(values) >= 9
    return values


def test_tokens_outlive_a_rotation_of_their_keys(control: Host, admin: Cloud) -> None:
    token = admin.show("openstack token issue")["id"]
    keys = control.run("ls", "/var/lib/keystone/fernet-keys")
    command = main_job.command(control, playbook="playbooks/rotate_fernet.yml", openstack_version_overrides={})
    subprocess.run(command, cwd=main_job.REPOSITORY, check=True, capture_output=True)
    assert control.run("ls", "/var/lib/keystone/fernet-keys") != keys
    program = """
import urllib.request
request = urllib.request.Request("http://127.0.0.1:5000/v3/projects", headers={"X-Auth-Token": arguments[0]})
print(urllib.request.urlopen(request).status)
"""
    assert control.python(program, token) == 200


def test_a_filter_before_the_pipeline_and_a_resource_beside_novas_own(
    control: Host, admin: Cloud, member: Cloud
) -> None:
    """The release has a policy file, too."""
    policy = {"config": {"policy.yaml": "molecule/openstack-changes/nova-policy.j2"}}
    assert member.try_run("openstack hypervisor list").returncode == 1
    with constant_requests(admin) as counts:
        outcome = deploy(control, "nova", **{**EXAMPLE, "nova_record": {**EXAMPLE["nova_record"], **policy}})
    assert (outcome.status, outcome.messages) == (0, [])
    assert counts["failed"] == []
    assert len(member.show("openstack hypervisor list")) == 1
    program = """
import http.client
def ask(path):
    # The other services ask nova from 127.0.0.1.
    connection = http.client.HTTPConnection("127.0.0.1", 8774, timeout=60, source_address=("127.0.0.77", 0))
    connection.request("GET", path, headers={"X-Auth-Token": arguments[0]})
    answer = connection.getresponse()
    return json.loads(answer.read()), int(answer.headers["X-Request-Count"])
counts = [ask("/v2.1/flavors")[1] for _ in range(12)]
print(json.dumps({"counts": counts, "groups": ask("/groups")[0]["groups"]}))
"""
    answers = control.python(program, admin.show("openstack token issue")["id"])
    # Each process counts by itself, from 1.
    counted = Counter(answers["counts"])
    assert counted[1] >= 1, answers
    assert max(counted) > 1, answers
    assert all(counted[number] <= counted[number - 1] for number in counted if number > 1), answers
    assert "operators" in {group["name"] for group in answers["groups"]}
    back = deploy(control, "nova")
    assert (back.status, back.messages) == (0, [])


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        (
            {"pipelines": {"openstack_compute_api_v3.keystone": {"remove": ["sizelimit"]}}},
            "record nova: key paste.api-paste.ini.overlay: pipelines.openstack_compute_api_v3.keystone: no such"
            " pipeline",
        ),
        (
            {"pipelines": {"openstack_compute_api_v21.keystone": {"add": [{"filter": "count"}]}}},
            "record nova: key paste.api-paste.ini.overlay: pipelines.openstack_compute_api_v21.keystone.add: no such"
            " filter 'count'",
        ),
        (
            EXAMPLE["nova_paste_overlay"],
            "record nova: key paste.api-paste.ini.overlay.sections.app:groups: found the factory"
            " 'nova_extras.groups:factory', which cannot be imported",
        ),
    ],
)
def test_an_overlay_that_does_not_fit_changes_nothing(control: Host, overlay: dict[str, Any], words: str) -> None:
    before = all_live(control)
    outcome = deploy(control, "nova", nova_paste_overlay=overlay)
    assert outcome.status == 2
    assert outcome.messages[0].startswith(words)
    assert all_live(control) == before


@pytest.mark.parametrize(
    ("app", "variables", "words"),
    [
        (
            "glance",
            {"glance_config": {"database": {"connection": WRONG}}},
            ["database.connection: the database at 127.0.0.1:", "cannot be used as glance_2", "compare its password"],
        ),
        (
            "placement",
            {"openstack_database_address": "127.0.0.1:9"},
            [
                "placement_database.connection: the database at 127.0.0.1:9 cannot be used",
                "see that the server runs",
            ],
        ),
        (
            "neutron",
            {"openstack_message_bus_address": "127.0.0.1:5673"},
            ["DEFAULT.transport_url: the message broker at 127.0.0.1:5673 cannot be used", "see that the server runs"],
        ),
        (
            "glance",
            {"glance_config": {"DEFAULT": {"enabled_backends": "store"}}},
            [
                "the release does not work after its preparation and migration either",
                "Value for option enabled_backends",
            ],
        ),
    ],
)
def test_what_does_not_work_is_named_and_replaces_nothing(
    control: Host, app: str, variables: dict[str, Any], words: list[str]
) -> None:
    before = all_live(control)
    outcome = deploy(control, app, **variables)
    assert outcome.status == 2
    [message] = outcome.messages
    assert message.startswith(f"record {app}: ")
    assert [word for word in words if word not in message] == [], message
    assert all_live(control) == before


def test_a_service_that_the_catalogue_lacks_is_refused(control: Host) -> None:
    services = ["keystone", "glance", "neutron", "nova"]
    outcome = main_job.run(control, openstack_version_overrides={}, wsgi_services=services)
    assert outcome.status == 2
    assert "add placement to wsgi_services" in outcome.messages[0]
