"""The control plane: the values computed from its variables, and the problems of variables."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from ansible_collections.grove.wsgi.plugins.filter.control_plane import file_backends, service_hosts, service_record
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack import secrets
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.addresses import bracketed, parse_address
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.connections import expected_connections
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.control_plane import (
    ControlPlane,
    bus_template,
    control_plane_variables,
    database_template,
    parse_control_plane,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.errors import ControlPlaneError

NOVA = {
    "databases": ["nova_api", "nova"],
    "message_bus": True,
    "user": True,
    "asks": {"keystone": "identity"},
    "catalogue": [{"type": "compute", "name": "nova", "description": "Compute", "listen": 8774, "path": "/v2.1"}],
}
KEYSTONE = {"databases": ["keystone"], "catalogue": [{"type": "identity", "url": "http://127.0.0.1:5000/v3"}]}
SERVICES: dict[str, Any] = {"keystone": KEYSTONE, "nova": NOVA}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """The settings of a control plane on one host, with a lock for nova."""
    (tmp_path / "nova-34.0.0.lock").touch()
    return {
        "address": "127.0.0.1",
        "region": "RegionOne",
        "keystone_url": "http://127.0.0.1:5000",
        "database_kind": "mariadb",
        "database_address": "127.0.0.1:3306",
        "message_bus_address": "127.0.0.1:5672",
        "cache_addresses": ["127.0.0.1:11211"],
        "secrets_dir": str(tmp_path / "secrets"),
        "versions": {"nova": "34.0.0"},
        "version_overrides": {},
        "rotation_to": 0,
        "retired": False,
    }


def plane(settings: dict[str, Any], services: dict[str, Any] = SERVICES, **changes: Any) -> ControlPlane:
    return parse_control_plane({**settings, **changes}, services, Path(settings["secrets_dir"]).parent)


def variables(settings: dict[str, Any], services: dict[str, Any] = SERVICES, **changes: Any) -> dict[str, Any]:
    """Write secrets, and return the values that the roles read."""
    parsed = plane(settings, services, **changes)
    generations = parsed.generations
    for number in {generations.current, generations.target}:
        secrets.write_secrets(generations.path(number), parsed.secret_names, dry=False)
    return control_plane_variables(parsed, predict=False)


def write_secret(settings: dict[str, Any], name: str, value: str, generation: int = 1) -> None:
    path = Path(settings["secrets_dir"], str(generation), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value, encoding="utf-8")


def wrong(settings: dict[str, Any], services: dict[str, Any] = SERVICES, **changes: Any) -> list[str]:
    """Return the variables that are refused."""
    with pytest.raises(ControlPlaneError) as caught:
        plane(settings, services, **changes).problems().raise_any()
    return [problem.variable for problem in caught.value.problems]


def test_a_service_gets_its_accounts_urls_and_credentials(settings: dict[str, Any]) -> None:
    write_secret(settings, "nova", "secret\n")
    computed = variables(settings)
    nova = computed["services"]["nova"]
    assert nova["version"] == "34.0.0"
    assert nova["lock"] == "roles/openstack/files/locks/nova-34.0.0.lock"
    assert nova["database_urls"] == {
        "nova_api": "mysql+pymysql://nova_1:secret@127.0.0.1:3306/nova_api?charset=utf8mb4",
        "nova": "mysql+pymysql://nova_1:secret@127.0.0.1:3306/nova?charset=utf8mb4",
    }
    assert nova["transport_url"] == "rabbit://nova_1:secret@127.0.0.1:5672/nova"
    assert nova["urls"] == {"compute": "http://127.0.0.1:8774/v2.1"}
    assert nova["credentials"]["auth_url"] == "http://127.0.0.1:5000/v3"
    assert (nova["credentials"]["username"], nova["credentials"]["password"]) == ("nova_1", "secret")
    assert nova["authtoken"]["memcached_servers"] == "127.0.0.1:11211"
    assert "secret" not in nova["authtoken"]["memcache_secret_key"]
    keystone = computed["services"]["keystone"]
    assert nova["authtoken"]["memcache_secret_key"] != keystone["authtoken"]["memcache_secret_key"]


def test_servers_get_the_accounts_that_services_need(settings: dict[str, Any]) -> None:
    computed = variables(settings)
    assert computed["databases"] == ["keystone", "nova_api", "nova"]
    assert [(user["name"], user["databases"]) for user in computed["database_users"]] == [
        ("keystone_1", ["keystone"]),
        ("nova_1", ["nova_api", "nova"]),
    ]
    assert [(user["name"], user["vhosts"]) for user in computed["bus_users"]] == [("nova_1", ["nova"])]
    assert [(user["name"], user["roles"]) for user in computed["service_users"]] == [("nova_1", ["service"])]
    assert [(entry["service"], entry["type"], entry["url"]) for entry in computed["endpoints"]] == [
        ("keystone", "identity", "http://127.0.0.1:5000/v3"),
        ("nova", "compute", "http://127.0.0.1:8774/v2.1"),
    ]
    assert computed["current_administrator"] == computed["administrator"]


def test_a_service_has_the_virtual_host_of_its_name_or_another_one(settings: dict[str, Any]) -> None:
    write_secret(settings, "nova", "secret")
    moved = {**NOVA, "vhost": "nova-durable", "former_vhosts": ["nova", "nova-durable"]}
    other = {"message_bus": True, "vhosts": ["nova", "elsewhere"]}
    services = {"keystone": KEYSTONE, "nova": moved, "heat": other}
    computed = variables(settings, services)
    assert computed["services"]["nova"]["transport_url"].endswith("@127.0.0.1:5672/nova-durable")
    users = [(user["vhosts"], user["former_vhosts"]) for user in computed["bus_users"]]
    # heat names the service nova, and gets its virtual host.
    assert users == [(["nova-durable"], ["nova"]), (["heat", "nova-durable", "elsewhere"], [])]
    assert computed["retired_bus_vhosts"] == []
    variables(settings, services, rotation_to=2)
    # No release uses the former virtual host when the accounts of its time are gone.
    assert variables(settings, services, rotation_to=2, retired=True)["retired_bus_vhosts"] == ["nova"]


def test_a_service_whose_role_was_not_read_has_accounts_and_no_databases(settings: dict[str, Any]) -> None:
    computed = variables(settings, {**SERVICES, "later": {}})
    assert computed["services"]["later"]["database_urls"] == {}
    assert computed["services"]["later"]["transport_url"].startswith("rabbit://later_1:")


@pytest.mark.parametrize("password", ["a/b@c:d", "100%", "é ü", "?#&=+", "{x}", "$HOME", "[::1]", "'\"\\", "a,b;c"])
def test_a_password_of_any_characters_comes_out_of_the_urls(settings: dict[str, Any], password: str) -> None:
    write_secret(settings, "nova", password)
    nova = variables(settings)["services"]["nova"]
    for url in (*nova["database_urls"].values(), nova["transport_url"]):
        parts = urlsplit(url)
        assert (unquote(parts.password or ""), parts.hostname, parts.username) == (password, "127.0.0.1", "nova_1")
    assert nova["credentials"]["password"] == password


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        ("db.example", "db.example", 3306),
        ("db.example:3307", "db.example", 3307),
        ("192.0.2.1", "192.0.2.1", 3306),
        ("2001:db8::1", "2001:db8::1", 3306),
        ("[2001:db8::1]", "2001:db8::1", 3306),
        ("[2001:db8::1]:3307", "2001:db8::1", 3307),
        ("::1", "::1", 3306),
    ],
)
def test_an_address_of_any_form_is_complete_in_the_url(
    settings: dict[str, Any], value: str, host: str, port: int
) -> None:
    parts = urlsplit(variables(settings, database_address=value)["services"]["nova"]["database_urls"]["nova"])
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize(
    "value",
    ["", ":3306", "db:0", "db:65536", "db:x", "mysql://db", "db/nova", "[db", "[]:1", "a b", "fe80::1%eth0", "-db"],
)
def test_what_is_no_address_is_refused(settings: dict[str, Any], value: str) -> None:
    assert wrong(settings, database_address=value) == ["openstack_database_address"]
    assert wrong(settings, message_bus_address=["127.0.0.1", value]) == ["openstack_message_bus_address"]
    assert wrong(settings, cache_addresses=[value]) == ["openstack_cache_addresses"]


def test_a_password_in_an_address_is_not_shown(settings: dict[str, Any]) -> None:
    with pytest.raises(OperatorError) as caught:
        plane(settings, database_address="nova:hidden@db")
    assert "hidden" not in str(caught.value)


def test_every_wrong_variable_is_reported_at_once(settings: dict[str, Any]) -> None:
    changes: dict[str, Any] = {"address": "a:b", "keystone_url": "keystone:5000", "database_kind": "sqlite"}
    assert wrong(settings, cache_addresses=["x y"], **changes) == [
        "openstack_database_kind",
        "openstack_address",
        "openstack_keystone_url",
        "openstack_cache_addresses",
    ]


def test_an_error_names_the_variable_the_value_and_the_remedy() -> None:
    with pytest.raises(ControlPlaneError) as caught:
        parse_address("openstack_database_address", "db:x", 3306)
    assert str(caught.value) == (
        "openstack_database_address: found 'db:x'; it has to be a host name or an IP address, with a port unless that"
        " is 3306, such as 192.0.2.1:3306 or [2001:db8::1]:3306"
    )


@pytest.mark.parametrize("value", [["mq1", "[::1]:5673"], "mq1,[::1]:5673", "mq1, [::1]:5673"])
def test_the_broker_may_have_several_nodes(settings: dict[str, Any], value: Any) -> None:
    write_secret(settings, "nova", "secret")
    url = variables(settings, message_bus_address=value)["services"]["nova"]["transport_url"]
    assert url == "rabbit://nova_1:secret@mq1:5672,nova_1:secret@[::1]:5673/nova"


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([], ""),
        (["cache", "192.0.2.1:1"], "cache:11211,192.0.2.1:1"),
        (["2001:db8::1"], "inet6:[2001:db8::1]:11211"),
        (["inet6:[cache.example]:1"], "inet6:[cache.example]:1"),
        (["unix:/run/memcached.sock"], "unix:/run/memcached.sock"),
    ],
)
def test_memcached_servers_are_written_as_their_clients_want_them(
    settings: dict[str, Any], servers: list[str], expected: str
) -> None:
    computed = variables(settings, cache_addresses=servers)
    assert computed["cache_servers"] == expected
    assert computed["services"]["nova"]["authtoken"].get("memcached_servers", "") == expected


def nova_completes(template: str, url: str) -> str:
    """Return a cell's URL as nova.objects.cell_mapping completes it from the URL in nova.conf."""
    parts = urlsplit(url)
    names = {key: getattr(parts, key) for key in ("username", "password", "hostname", "port", "scheme")}
    for number, netloc in enumerate(parts.netloc.split(","), 1):
        account, _, server = netloc.partition("@")
        if server.startswith("["):
            host, port = server[1 : server.index("]")], server[server.index("]") + 1 :]
        else:
            host, _, port = server.partition(":")
        username, _, password = account.partition(":")
        values = {"username": username, "password": password, "hostname": host, "port": port}
        names.update({f"{key}{number}": value for key, value in values.items()})
    return template.format(**names)


@pytest.mark.parametrize("bus", ["mq", "::1", "a:1,b:2", ["a", "[2001:db8::2]:3"]])
def test_nova_completes_its_cells_from_its_own_configuration(settings: dict[str, Any], bus: Any) -> None:
    changes = {"message_bus_address": bus, "database_address": "2001:db8::1"}
    nova = variables(settings, **changes)["services"]["nova"]
    parsed = plane(settings, **changes).settings
    transport, database = nova["transport_url"], nova["database_urls"]["nova"]
    assert nova_completes(bus_template(parsed), transport) == transport.removesuffix("/nova")
    assert nova_completes(database_template(parsed), database) == database.rpartition("/nova")[0]


def test_an_ipv6_address_stands_in_brackets_in_the_catalogue(settings: dict[str, Any]) -> None:
    computed = variables(settings, address="2001:db8::1")
    assert computed["services"]["nova"]["urls"]["compute"] == "http://[2001:db8::1]:8774/v2.1"
    assert [bracketed(host) for host in ("::1", "[::1]", "a.example")] == ["[::1]", "[::1]", "a.example"]


@pytest.mark.parametrize("listen", [8774, "8774", "127.0.0.1:8774", "[::1]:8774", "*:8774"])
def test_the_port_of_an_endpoint_is_the_one_that_the_service_listens_on(settings: dict[str, Any], listen: Any) -> None:
    entry = {"type": "compute", "listen": listen}
    computed = variables(settings, {"nova": {"catalogue": [entry]}})
    assert computed["services"]["nova"]["urls"] == {"compute": "http://127.0.0.1:8774"}


@pytest.mark.parametrize("url", ["https://id.example", "http://[::1]:5000/", "https://api.example/identity/"])
def test_keystones_url_has_no_slash_at_its_end(settings: dict[str, Any], url: str) -> None:
    assert variables(settings, keystone_url=url)["keystone_url"] == url.rstrip("/")


@pytest.mark.parametrize("url", ["id.example:5000", "http://id.example/v3", "ftp://id", "http://", "http://a:x", ""])
def test_what_is_no_url_of_keystone_is_refused(settings: dict[str, Any], url: str) -> None:
    assert wrong(settings, keystone_url=url) == ["openstack_keystone_url"]


@pytest.mark.parametrize("region", ["", "--bootstrap-password=x", "a b", "a\n", "a" * 256, "\0"])
def test_regions_that_keystone_cannot_take(settings: dict[str, Any], region: str) -> None:
    assert wrong(settings, region=region) == ["openstack_region"]


@pytest.mark.parametrize(
    "url", ["http://a b:5000", "http://a:5000/\\x", "http://a\n:5000", 'http://a/"', "http://a/{x}"]
)
def test_urls_with_other_characters(settings: dict[str, Any], url: str) -> None:
    assert wrong(settings, keystone_url=url) == ["openstack_keystone_url"]


@pytest.mark.parametrize("overrides", [{"nova": "1.0"}, {"heat": "34.0.0"}])
def test_a_version_without_a_lock_is_refused(settings: dict[str, Any], overrides: dict[str, str]) -> None:
    assert wrong(settings, version_overrides=overrides) == ["openstack_version_overrides"]


@pytest.mark.parametrize(
    ("description", "variable"),
    [
        ({"database": ["nova"]}, "nova_service.database"),
        ({"databases": "nova"}, "nova_service.databases"),
        ({"message_bus": "perhaps"}, "nova_service.message_bus"),
        ({"vhost": "a/b"}, "nova_service.vhost"),
        ({"vhost": ["nova"]}, "nova_service.vhost"),
        ({"former_vhosts": "nova"}, "nova_service.former_vhosts"),
        ({"database_schemes": {"mariadb": "mysql"}}, "nova_service.database_schemes"),
        ({"asks": ["keystone"]}, "nova_service.asks"),
        ({"catalogue": {"type": "compute"}}, "nova_service.catalogue"),
        ({"catalogue": [{"type": "compute"}]}, "nova_service.catalogue[0]"),
        ({"catalogue": [{"listen": 1}]}, "nova_service.catalogue[0]"),
        ({"catalogue": [{"type": "compute", "listen": "nowhere"}]}, "nova_listen"),
        ("nova", "nova_service"),
    ],
)
def test_a_wrong_description_of_a_service_is_refused(settings: dict[str, Any], description: Any, variable: str) -> None:
    assert wrong(settings, {"nova": description}) == [variable]


def test_a_service_without_the_services_that_it_calls_is_refused(settings: dict[str, Any]) -> None:
    asks = {"keystone": "identity", "glance": "image", "neutron": "network"}
    services = {"keystone": KEYSTONE, "nova": {**NOVA, "asks": asks}}
    with pytest.raises(ControlPlaneError) as caught:
        plane(settings, services).problems().raise_any()
    [problem] = caught.value.problems
    assert problem.variable == "wsgi_services"
    assert "types image, network; add glance, neutron to wsgi_services" in problem.remedy


def test_two_services_cannot_share_a_database(settings: dict[str, Any]) -> None:
    services = {"keystone": KEYSTONE, "copy": {"databases": ["keystone"]}}
    assert wrong(settings, services) == ["copy_service.databases"]


def test_a_rotation_makes_accounts_beside_the_others(settings: dict[str, Any]) -> None:
    before = variables(settings)
    assert before["next_generation"] == 2
    during = variables(settings, rotation_to=2)
    assert [user["name"] for user in during["database_users"]] == ["keystone_2", "nova_2"]
    assert during["current_administrator"] == before["administrator"]
    assert during["administrator"]["username"] == "admin_2"
    assert during["older_generations"] == [1]
    Path(settings["secrets_dir"], "generation").write_text("2\n")
    after = variables(settings)
    assert after["services"] == during["services"]
    assert after["retired_bus_users"] == []
    # The previous rotation was not completed, so this rotation completes it.
    assert after["next_generation"] == 2


def test_accounts_of_older_generations_go_when_a_rotation_is_complete(settings: dict[str, Any]) -> None:
    variables(settings)
    variables(settings, rotation_to=2)
    computed = variables(settings, rotation_to=2, retired=True)
    assert [(user["name"], user.get("state", "present")) for user in computed["database_users"]] == [
        ("keystone_2", "present"),
        ("keystone_1", "absent"),
        ("nova_2", "present"),
        ("nova_1", "absent"),
    ]
    assert computed["retired_bus_users"] == ["keystone_1", "nova_1"]


@pytest.mark.parametrize("text", ["", "two", "0", "-1", "1.5"])
def test_a_generation_that_is_no_number_is_refused(settings: dict[str, Any], text: str) -> None:
    folder = Path(settings["secrets_dir"])
    folder.mkdir()
    (folder / "generation").write_text(text)
    assert wrong(settings) == ["openstack_secrets_dir"]


def test_secrets_are_written_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets" / "1"
    assert secrets.write_secrets(folder, ["nova", "admin"], dry=False) == ["nova", "admin"]
    values = secrets.read_secrets(folder, ["nova", "admin"], predict=False)
    assert values["nova"] != values["admin"]
    assert all(len(value) == 32 and value.isalnum() for value in values.values())
    assert secrets.write_secrets(folder, ["nova", "admin", "glance"], dry=False) == ["glance"]
    assert secrets.read_secrets(folder, ["nova", "admin"], predict=False) == values
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder)} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == ["admin", "glance", "nova"]


def test_check_mode_predicts_secrets_and_writes_nothing(settings: dict[str, Any]) -> None:
    parsed = plane(settings)
    folder = parsed.generations.path(1)
    assert secrets.write_secrets(folder, parsed.secret_names, dry=True) == ["keystone", "nova", "admin", "metadata"]
    computed = control_plane_variables(parsed, predict=True)
    assert computed == control_plane_variables(parsed, predict=True)
    assert computed["administrator"]["password"] != computed["metadata_secret"]
    assert not Path(settings["secrets_dir"]).exists()


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe"])
def test_a_file_that_holds_no_password_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "nova").write_bytes(content)
    with pytest.raises(ControlPlaneError) as caught:
        secrets.read_secrets(tmp_path, ["nova"], predict=True)
    assert [problem.variable for problem in caught.value.problems] == ["openstack_secrets_dir"]


def test_a_missing_secret_is_an_error_outside_check_mode(tmp_path: Path) -> None:
    with pytest.raises(ControlPlaneError):
        secrets.read_secrets(tmp_path, ["nova"], predict=False)


def test_a_salt_after_a_password_is_not_a_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "nova").write_text("secret salt=abc\n")
    assert secrets.read_secrets(tmp_path, ["nova"], predict=False) == {"nova": "secret"}


def test_connections_are_counted_for_both_slots_and_for_agents() -> None:
    records: dict[str, list[dict[str, Any]]] = {
        "nova": [
            {"processes": 3, "threads": 6, "agents": {"conductor": {}, "lost-builds": {}}},
            {"processes": 0, "threads": 1},
        ],
        "static": [{"processes": 100}],
    }
    # 2 databases, 2 slots: 3 * 6 and, with a process for each of 4 processors, 4 * 5; and 15 and 1 for the agents.
    assert expected_connections(records, {"nova": 2, "static": 0}, 4, 1) == 2 * 2 * 18 + 15 + 1 + 2 * 2 * 20
    assert expected_connections(records, {"nova": 2}, 1, 2) == 2 * (2 * 2 * 18 + 15 + 1 + 2 * 2 * 10)


@pytest.mark.parametrize("value", ["many", -1, 1.5, True, [2], None, "²"])
def test_values_of_a_wrong_type_count_as_the_default(value: object) -> None:
    wrong = {"nova": [{"processes": value, "threads": value, "agents": value}]}
    assert expected_connections(wrong, {"nova": 1}, 4, 1) == expected_connections({"nova": [{}]}, {"nova": 1}, 4, 1)
    written = {"nova": [{"processes": "3", "threads": "6"}]}
    assert expected_connections(written, {"nova": 1}, 4, 1) == 2 * 18


@pytest.mark.parametrize(
    ("own", "changes", "expected"),
    [
        ({}, {}, {"MALLOC_ARENA_MAX": "2"}),
        ({"A": "1"}, {}, {"A": "1", "MALLOC_ARENA_MAX": "2"}),
        ({"A": "1"}, {"environment": {"A": "2", "MALLOC_ARENA_MAX": "8"}}, {"A": "2", "MALLOC_ARENA_MAX": "8"}),
        ({"MALLOC_ARENA_MAX": "4"}, {}, {"MALLOC_ARENA_MAX": "4"}),
    ],
)
def test_a_service_has_two_pools_of_memory_unless_a_record_says_otherwise(
    own: dict[str, str], changes: dict[str, Any], expected: dict[str, str]
) -> None:
    assert service_record({"name": "nova", "environment": own}, changes)["environment"] == expected


def test_the_hosts_that_deploy_a_service() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "api1": {"wsgi_services": ["keystone", "grove.wsgi.glance"]},
        "api2": {"wsgi_services": ["glance"]},
        "api3": {"wsgi_services": None},
        "api4": {},
    }
    assert service_hosts(list(hostvars), hostvars, "glance") == ["api1", "api2"]
    assert service_hosts(list(hostvars), hostvars, "keystone") == ["api1"]
    assert service_hosts([], {}, "keystone") == []


@pytest.mark.parametrize(
    ("enabled", "expected"),
    [("local:file", ["local"]), ("fast:rbd, slow:file,web:http", ["slow"]), ("fast:rbd", []), ("", [])],
)
def test_the_stores_of_glance_that_are_folders(enabled: str, expected: list[str]) -> None:
    assert file_backends(enabled) == expected
