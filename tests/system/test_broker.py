"""The changes of a broker's definitions. A password that is already set is not set again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.openstack import broker

NOVA = {"name": "nova_1", "service": "nova", "password": "first", "vhosts": ["nova"]}


def applied(current: dict[str, Any], changes: broker.Changes) -> dict[str, Any]:
    """Return definitions after an import, as the broker merges them."""
    keys = {"users": ["name"], "vhosts": ["name"], "permissions": ["user", "vhost"], "policies": ["vhost", "name"]}
    merged = dict(current)
    for kind, values in changes.definitions.items():
        ids = [[value[key] for key in keys[kind]] for value in values]
        merged[kind] = [one for one in merged.get(kind, []) if [one[key] for key in keys[kind]] not in ids] + values
    merged["users"] = [user for user in merged.get("users", []) if user["name"] not in changes.removed_users]
    merged["permissions"] = [
        one
        for one in merged.get("permissions", [])
        if (one["user"], one["vhost"]) not in changes.removed_permissions and one["user"] not in changes.removed_users
    ]
    return merged


def test_a_fresh_broker_gets_everything_and_a_second_time_nothing() -> None:
    fresh = {"users": [{"name": "guest", "password_hash": "", "tags": ["administrator"]}], "vhosts": [{"name": "/"}]}
    changes = broker.changes(fresh, [NOVA], ["guest"], 1000)
    assert changes.lines == [
        "virtual host nova",
        "limit of unread notifications in nova",
        "account nova_1",
        "account nova_1 in nova",
        "account guest removed",
    ]
    applied_definitions = applied(fresh, changes)
    assert [user["name"] for user in applied_definitions["users"]] == ["nova_1"]
    assert broker.changes(applied_definitions, [NOVA], ["guest"], 1000).lines == []


def test_a_password_is_set_only_if_it_differs() -> None:
    applied_definitions = applied({}, broker.changes({}, [NOVA], [], 0))
    changes = broker.changes(applied_definitions, [{**NOVA, "password": "second"}], [], 0)
    assert changes.lines == ["password of account nova_1"]
    assert "second" not in str(changes)
    assert broker.changes(applied(applied_definitions, changes), [{**NOVA, "password": "second"}], [], 0).lines == []


def test_rights_elsewhere_are_removed_and_other_accounts_stay() -> None:
    users = [{**NOVA, "vhosts": ["nova", "cinder"]}, {**NOVA, "name": "mine", "vhosts": ["cinder"]}]
    applied_definitions = applied({}, broker.changes({}, users, [], 0))
    changes = broker.changes(applied_definitions, [NOVA], [], 0)
    assert changes.removed_permissions == [("nova_1", "cinder")]
    assert changes.lines == ["account nova_1 no longer in cinder"]


def test_rights_in_a_former_virtual_host_stay_until_the_virtual_host_goes() -> None:
    before = applied({}, broker.changes({}, [NOVA], [], 0))
    moved = {**NOVA, "vhosts": ["nova-durable"], "former_vhosts": ["nova", "never"]}
    changes = broker.changes(before, [moved], [], 0)
    assert changes.lines == ["virtual host nova-durable", "account nova_1 in nova-durable"]
    after = applied(before, changes)
    assert broker.changes(after, [moved], [], 0).lines == []
    renewed = broker.changes(after, [{**moved, "name": "nova_2"}], [], 0)
    assert "account nova_2 in nova" in renewed.lines
    gone = broker.changes(after, [moved], [], 0, ["nova", "never"])
    assert (gone.lines, gone.removed_vhosts) == (["virtual host nova removed"], ["nova"])


def test_what_rabbitmq_stores_of_a_password() -> None:
    # The example of RabbitMQ's documentation.
    salt = bytes.fromhex("908dc60a")
    assert broker.password_hash("test12", salt) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    user = {"password_hash": broker.password_hash("test12", salt), "hashing_algorithm": broker.HASHING}
    assert broker.is_password("test12", user)
    assert not broker.is_password("test13", user)
    assert not broker.is_password("", {"password_hash": "", "hashing_algorithm": broker.HASHING})


def test_an_unreachable_broker_is_reported(tmp_path: Path) -> None:
    program = tmp_path / "rabbitmqctl"
    program.write_text(
        "#!/bin/sh\necho 'Error: unable to perform an operation on node rabbit@localhost' >&2\nexit 69\n"
    )
    program.chmod(0o755)
    with pytest.raises(broker.BrokerError) as caught:
        broker.Broker(str(program)).definitions()
    assert str(caught.value) == "export_definitions: Error: unable to perform an operation on node rabbit@localhost"


def test_definitions_are_imported_from_a_file_that_goes_again(tmp_path: Path) -> None:
    program = tmp_path / "rabbitmqctl"
    program.write_text(
        f"#!/bin/sh\n[ $4 = import_definitions ] && cp $5 {tmp_path}/taken && stat -c %a $5 >{tmp_path}/mode\n"
        f"echo $5 >{tmp_path}/path\n"
    )
    program.chmod(0o755)
    broker.Broker(str(program)).apply(broker.Changes(definitions={"vhosts": [{"name": "nova"}]}))
    assert json.loads((tmp_path / "taken").read_text()) == {"vhosts": [{"name": "nova"}]}
    assert (tmp_path / "mode").read_text() == "600\n"
    assert not Path((tmp_path / "path").read_text().strip()).exists()
