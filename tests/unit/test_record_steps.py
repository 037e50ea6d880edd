"""The work that each step of the role wsgi_app gets from checked records, and the filters that its tasks call."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import record_settings
from ansible_collections.grove.wsgi.plugins.action.release import build_plan, commands, migration
from ansible_collections.grove.wsgi.plugins.filter.hosts import hosts_not_switched, hosts_with_app, live_app
from ansible_collections.grove.wsgi.plugins.filter.records import (
    agent_applications,
    agent_units,
    record_environment,
    record_sections,
    release_plans,
    served_applications,
    timer_files,
    timer_units,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.payload import Payload
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import Checked, check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.limits import AGENT_GIVE_BACK, AGENT_WATCHDOG
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.project import Needs
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import deployed_services, steps
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import apache_view, build_view
from ansible_collections.grove.wsgi.plugins.plugin_utils.trial_request import request_of
from record_settings import SPEC

SETTINGS = dataclasses.replace(
    record_settings.SETTINGS, folders=("/",), httpd_listen=("8088",), tls_ca_dir="/ca", host_name="web1"
)


def record(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "source": f"{name}==1", "entry": {"module": f"{name}:application"}, "listen": 8080, **more}


def check(*records: dict[str, Any], only: tuple[str, ...] = ()) -> Checked:
    checked = check_records(list(records), SPEC, dataclasses.replace(SETTINGS, only=only))
    assert [str(problem) for problem in checked.problems] == []
    return checked


def work(
    *records: dict[str, Any],
    only: tuple[str, ...] = (),
    units: tuple[str, ...] = (),
    sites: tuple[str, ...] = (),
    accounts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    host = {"units": units, "httpd": {"sites": sites}, "accounts": accounts or {}}
    return steps(check(*records, only=only), dataclasses.replace(SETTINGS, only=only), host)


SHARED = (
    record("cart", server_name="shop.example.org", path="/cart"),
    record("shop", server_name="shop.example.org"),
    record("blog"),
)
SHARED_SITES = ("wsgi-0-blog", "wsgi-cart", "wsgi-shop")


def mounts(result: dict[str, Any]) -> dict[str, list[str]]:
    return {file: [mount["name"] for mount in site["mounts"]] for file, site in result["sites"].items()}


def test_the_first_record_of_a_virtual_host_has_the_mounts() -> None:
    result = work(*SHARED)
    assert mounts(result) == {"wsgi-0-blog": ["blog"], "wsgi-cart": ["shop", "cart"], "wsgi-shop": []}
    assert result["listen"] == ["127.0.0.1:9080", "8080", "8088"]


def test_a_record_without_a_name_answers_to_addresses_beside_records_with_names() -> None:
    sites = work(*SHARED)["sites"]
    assert sites["wsgi-0-blog"]["own_names"] == ["localhost", "web1"]
    assert sites["wsgi-cart"]["own_names"] == []
    assert work(record("blog"))["sites"]["wsgi-blog"]["own_names"] == []


def test_a_deployment_of_one_record_writes_the_files_of_its_virtual_host() -> None:
    shop = work(*SHARED, only=("shop",), sites=SHARED_SITES)
    assert mounts(shop) == {"wsgi-0-blog": ["blog"], "wsgi-cart": ["shop", "cart"], "wsgi-shop": []}
    blog = work(*SHARED, only=("blog",), sites=SHARED_SITES)
    assert mounts(blog) == {"wsgi-0-blog": ["blog"]}
    assert blog["names"] == ["blog"]
    assert [result["former_sites"] for result in (shop, blog, work(*SHARED, sites=SHARED_SITES))] == [[], [], []]


def test_apps_that_share_a_virtual_host_with_a_deployed_one() -> None:
    assert work(*SHARED, only=("shop",), sites=SHARED_SITES)["scripts_beside"] == [
        "/srv/wsgi/blog/slot.wsgi",
        "/srv/wsgi/cart/slot.wsgi",
    ]
    assert work(*SHARED, only=("blog",), sites=SHARED_SITES)["scripts_beside"] == []
    assert work(*SHARED, sites=SHARED_SITES)["scripts_beside"] == []


def test_a_deployment_of_one_record_mounts_no_application_that_the_host_never_had() -> None:
    assert mounts(work(*SHARED, only=("cart",))) == {"wsgi-cart": ["cart"]}
    assert mounts(work(*SHARED, only=("shop",))) == {"wsgi-shop": ["shop"]}
    later = work(*SHARED, only=("cart",), sites=("wsgi-shop",))
    assert mounts(later) == {"wsgi-cart": ["shop", "cart"], "wsgi-shop": []}
    assert later["scripts_beside"] == ["/srv/wsgi/shop/slot.wsgi"]


def test_a_deployment_of_the_first_name_on_a_port_lets_the_record_without_a_name_stay_first() -> None:
    # Apache would send the requests for addresses to wsgi-about otherwise, which it reads before wsgi-blog.
    about = record("about", server_name="about.example.org")
    named = work(record("blog"), about, only=("about",), sites=("wsgi-blog",))
    assert mounts(named) == {"wsgi-0-blog": ["blog"], "wsgi-about": ["about"]}
    assert named["sites"]["wsgi-0-blog"]["own_names"] == ["localhost", "web1"]
    assert named["former_sites"] == ["wsgi-blog"]
    assert (named["names"], named["scripts_beside"]) == (["about"], ["/srv/wsgi/blog/slot.wsgi"])
    elsewhere = work(record("blog", listen=8081), about, only=("about",), sites=("wsgi-blog",))
    assert (list(elsewhere["sites"]), elsewhere["former_sites"]) == (["wsgi-about"], [])


def test_a_file_under_the_other_name_is_removed() -> None:
    # Apache refuses two files with the same daemon processes.
    about = record("about", server_name="about.example.org")
    shared = work(record("blog"), about, only=("blog",), sites=("wsgi-blog",))
    assert (list(shared["sites"]), shared["former_sites"]) == (["wsgi-0-blog"], ["wsgi-blog"])
    # The site of a record that has left the inventory stays until a run for all, and so does the order.
    left = work(record("blog"), only=("blog",), sites=("wsgi-0-blog", "wsgi-about"))
    assert (list(left["sites"]), left["former_sites"]) == (["wsgi-0-blog"], [])
    assert left["sites"]["wsgi-0-blog"]["own_names"] == []
    everything = work(record("blog"), sites=("wsgi-0-blog", "wsgi-about"))
    assert (list(everything["sites"]), everything["former_sites"]) == (["wsgi-blog"], ["wsgi-0-blog"])
    named = work(record("blog", server_name="blog.example.org"), only=("blog",), sites=("wsgi-0-blog",))
    assert (list(named["sites"]), named["former_sites"]) == (["wsgi-blog"], ["wsgi-0-blog"])


def test_a_deployment_of_one_record_opens_no_port_of_another() -> None:
    assert work(record("shop"), record("blog", listen=8081), only=("shop",))["listen"] == [
        "127.0.0.1:9080",
        "8080",
        "8088",
    ]


@pytest.mark.parametrize("key", ["max_url", "max_header"])
def test_apache_reads_the_longest_head_of_all_records(key: str) -> None:
    assert work()[key] == work(record("shop"))[key] == 8190
    assert work(record("shop", **{key: 2000}))[key] == 2000
    apps = (record("shop", **{key: 2000}), record("blog", listen=8081, **{key: 20_000}))
    assert work(*apps)[key] == work(*apps, only=("shop",))[key] == 20_000
    # A limit that is refused does not count.
    only = dataclasses.replace(SETTINGS, only=("shop",))
    checked = check_records([apps[0], record("blog", listen=8081, **{key: 1 << 30})], SPEC, only)
    assert steps(checked, only, {})[key] == 2000


def test_mounts_stand_in_the_order_of_paths_without_regard_to_case() -> None:
    paths = ("/b", "/A/x", "/a", "/")
    apps = [record(f"app{number}", path=path) for number, path in enumerate(paths)]
    assert mounts(work(*apps))["wsgi-app0"] == ["app3", "app2", "app1", "app0"]


def test_a_faulty_record_without_a_server_name_keeps_the_names_of_files() -> None:
    faulty = record("cart", server_name="cart.example.org", max_body=-1)
    only = dataclasses.replace(SETTINGS, only=("blog",))
    checked = check_records([faulty, record("blog")], SPEC, only)
    assert list(steps(checked, only, {})["sites"]) == ["wsgi-0-blog"]


def test_private_certificates() -> None:
    long = "a" * 60 + ".example.org"
    result = work(
        record("shop", tls="private_ca", listen="[::1]:8443"),
        record("cart", tls="private_ca", listen="443", server_name=long, server_aliases=["b.example.org"]),
        record("blog"),
    )
    assert result["certificates"] == [
        {"name": "shop", "common_name": "web1", "alternative_names": ["DNS:web1", "IP:::1"]},
        {"name": "cart", "common_name": long[:64], "alternative_names": [f"DNS:{long}", "DNS:b.example.org"]},
    ]
    assert result["certificate_files"]["grove-tls/cart.key"] == "/ca/web1/cart.key"
    assert len(result["certificate_files"]) == 4
    assert result["tls"] is True
    assert work(record("blog"))["tls"] is False


def test_the_certificate_of_a_virtual_host_has_the_aliases_of_all_its_records() -> None:
    def reached(name: str, path: str, *aliases: str) -> dict[str, Any]:
        keys = {"listen": 443, "tls": "private_ca", "server_name": "example.org", "server_aliases": list(aliases)}
        return record(name, path=path, **keys)

    apps = (reached("shop", "/shop", "a.example.org"), reached("blog", "/blog", "b.example.org", "a.example.org"))
    names = {
        "shop": ["DNS:example.org", "DNS:a.example.org", "DNS:b.example.org"],
        "blog": ["DNS:example.org", "DNS:b.example.org", "DNS:a.example.org"],
    }
    assert {one["name"]: one["alternative_names"] for one in work(*apps)["certificates"]} == names
    # The VirtualHost has the certificate of shop, so a run for blog alone makes it anew if the host has shop.
    result = work(*apps, only=("blog",), sites=("wsgi-shop",))
    assert {one["name"]: one["alternative_names"] for one in result["certificates"]} == names
    assert "grove-tls/shop.crt" in result["certificate_files"]
    alone = work(*apps, only=("blog",))["certificates"]
    assert {one["name"]: one["alternative_names"] for one in alone} == {
        "blog": ["DNS:example.org", "DNS:b.example.org", "DNS:a.example.org"]
    }


ACCOUNT = {
    "uid": 990,
    "group": "shop",
    "home": "/var/lib/shop",
    "shell": "/usr/sbin/nologin",
    "comment": "WSGI application shop",
}


@pytest.mark.parametrize(
    ("actual", "differs"),
    [
        (None, True),
        (ACCOUNT, False),
        *(({**ACCOUNT, key: value}, True) for key, value in [("group", None), ("shell", "/bin/sh"), ("comment", "")]),
    ],
)
def test_accounts_that_differ(actual: dict[str, Any] | None, differs: bool) -> None:
    accounts = work(record("shop"), accounts={"shop": actual})["accounts"]
    expected = {key: value for key, value in ACCOUNT.items() if key != "uid"}
    assert accounts == ([{"name": "shop", **expected}] if differs else [])


TIMER = {"command": "expire", "schedule": "daily"}


def test_timers_and_agents_by_unit() -> None:
    agents = {"mailer": {"command": "mail", "stop_timeout": 5}, "api": {"command": "api", "restart": "before"}}
    result = work(record("shop", timers={"expire": TIMER}, agents=agents), record("blog", listen=8081))
    unit = {"app": "shop", "unit": "grove-shop-expire", "run": "/srv/wsgi/shop/run"}
    [expire] = result["timers"]
    assert timer_units([expire]) == {"grove-shop-expire": {"item": expire}}
    texts = {kind: {"grove-shop-expire": f"a {kind}"} for kind in ("service", "timer")}
    assert timer_files([expire], "/units", texts) == [
        {"path": f"/units/grove-shop-expire.{kind}", "content": f"a {kind}", "mode": "0640"}
        for kind in ("service", "timer")
    ]
    assert expire.pop("sandbox")
    assert expire == {**unit, "timer": "expire", "schedule": "daily"}
    assert result["agents"] == result["agents_before"]
    [shop] = result["agents"]
    assert list(shop["units"]) == ["api", "mailer"]
    assert shop["units"]["mailer"]["stop_timeout"] == 5
    assert list(agent_units(result["agents"])) == ["grove-shop-api", "grove-shop-mailer"]
    agent_texts = {"grove-shop-api": "one", "grove-shop-mailer": "two"}
    [application] = agent_applications(result["agents"], {"shop": "0123"}, agent_texts)
    assert (application["release"], application["units"]) == ("0123", {"api": "one", "mailer": "two"})
    assert application["record"]["name"] == "shop"
    only_after = work(record("shop", agents={"mailer": agents["mailer"]}))
    assert (len(only_after["agents"]), only_after["agents_before"]) == (1, [])


def test_an_agent_of_which_one_instance_is_enough_needs_a_lease_where_there_are_several_hosts() -> None:
    agents = {"mailer": {"command": "mail", "instances": "one", "database": {"variable": "URL"}, "stop_timeout": 5}}
    shop = record("shop", agents=agents, environment={"URL": "mysql://192.0.2.3/shop"})
    lease = {"database": {"variable": "URL"}, "stop_timeout": 5}
    for several, watchdog, seconds, more in (
        (False, None, 5, {}),
        (True, AGENT_WATCHDOG, 5 + AGENT_GIVE_BACK, {"lease": lease}),
    ):
        settings = dataclasses.replace(SETTINGS, several=several)
        checked = check_records([shop], SPEC, settings)
        [application] = steps(checked, settings, {})["agents"]
        unit = application["units"]["mailer"]
        assert (unit["watchdog"], unit["stop_timeout"]) == (watchdog, seconds)
        content = commands(build_view(checked.deployed[0]), {})["agents"]["mailer"]
        assert content == {"command": "mail", "restart": "after", "settle": 4, "notify": False, **more}


@pytest.mark.parametrize(
    ("database", "key", "actual"),
    [
        ({"config": "shop.conf"}, "", "database/connection of shop.conf is not set"),
        ({"config": "shop.conf", "option": "db/url"}, "", "db/url of shop.conf is a file of SQLite"),
        ({"config": "shop.conf", "option": "url"}, ".option", "'url' (a text)"),
        ({"config": "shop.conf", "option": "db/main"}, None, ""),
    ],
)
def test_the_database_of_several_hosts(database: dict[str, str], key: str | None, actual: str) -> None:
    """On a single host, nothing asks for it."""
    agents = {"mailer": {"command": "mail", "instances": "one", "database": database}}
    sections = {"db": {"url": "sqlite:////var/lib/shop/shop.sqlite", "main": "mysql://192.0.2.3/shop"}}
    shop = record("shop", agents=agents, config={"shop.conf": sections})
    found = check_records([shop], SPEC, dataclasses.replace(SETTINGS, several=True)).problems
    assert [(one.key, one.actual) for one in found] == (
        [] if key is None else [(f"agents.mailer.database{key}", actual)]
    )
    assert len(check_records([shop], SPEC, SETTINGS).problems) == (key == ".option")


def test_units_that_no_record_has_are_stale() -> None:
    folder = "/etc/systemd/system"
    units = (f"{folder}/grove-shop-expire.timer", f"{folder}/grove-shop-expire.service")
    current = (*units, "/etc/cron.d/grove-shop-expire")
    stale = (f"{folder}/grove-shop-expire-2.timer", f"{folder}/grove-old-shop-expire.timer")
    shop = record("shop", timers={"expire": TIMER})
    assert work(shop, units=(*current, *stale))["stale_units"] == list(stale)
    assert work(shop, units=stale, only=("shop",))["stale_units"] == []


def test_hooks_and_where_they_run() -> None:
    result = work(record("shop", migrate="true", contract="true", migrate_on="every_host"), record("blog", listen=81))
    expected = [{"name": "shop", "on_every_host": True}]
    assert (result["migrate"], result["contract"], result["after"]) == (expected, expected, [])


def test_services_that_this_run_serves() -> None:
    services = {"keystone": [record("keystone")], "glance": [record("glance")], "placement": [record("placement")]}
    with_tasks = ["keystone", "glance", "nova"]
    assert deployed_services(services, (), with_tasks) == ["keystone", "glance"]
    assert deployed_services(services, ("glance",), with_tasks) == ["glance"]


def test_hosts_that_have_an_application_or_are_not_switched() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "one": {"__wsgi_app_names": ["shop"], "__wsgi_app_switched": {"results": []}},
        "two": {"__wsgi_app_names": ["blog"]},
        "three": {},
    }
    assert hosts_with_app(["three", "two", "one"], "shop", hostvars) == ["one"]
    assert hosts_not_switched(["one", "two", "three"], ["one", "two", "three"], hostvars) == ["two", "three"]
    assert hosts_not_switched(["one"], [], hostvars) == ["one"]


def test_the_host_that_answers_for_an_app() -> None:
    def state(app: str, release: str | None, state: str = "served") -> dict[str, Any]:
        return {"app": app, "release": release, "state": state}

    hostvars: dict[str, dict[str, Any]] = {
        "one": {"__status": {"apps": [state("shop", None), state("blog", "1"), state("old", None, "removed")]}},
        "two": {"__status": {"apps": [state("shop", "2"), state("blog", "1")]}},
        "three": {"__status": {"apps": [state("shop", "2")]}},
        "lost": {},
    }
    assert live_app(hostvars, hostvars, "shop") == {"host": "two", "problem": ""}
    assert live_app(hostvars, hostvars, "blog") == {"host": "one", "problem": ""}
    problems = {app: live_app(hostvars, hostvars, app)["problem"] for app in ("", "shoop", "old")}
    assert problems == {
        "": "name the app: -e app=NAME; the live apps are blog, shop",
        "shoop": "no host has a live app shoop; the live apps are blog, shop",
        "old": "app old was removed from one; its files are kept; the live apps are blog, shop",
    }
    assert live_app([], hostvars, "shop")["problem"] == "no host has a live app shop; no app is live"


def test_secrets_of_a_record_by_its_name() -> None:
    records = [3, {"no": "name"}, {"name": "shop", "environment": {"A": 1}, "config": {"a": "a.j2", "b": {"c": {}}}}]
    assert record_environment(records, "shop") == {"A": "1"}
    assert record_sections(records, "shop") == {"b": {"c": {}}}
    assert release_plans({"shop": {"build": {"name": "shop"}}}, records) == [
        {"record": {"name": "shop"}, "environment": {"A": "1"}, "sections": {"b": {"c": {}}}}
    ]
    assert served_applications([{"name": "shop"}], {"shop": "0123", "blog": "4567"}) == [
        {"record": {"name": "shop"}, "release": "0123"}
    ]


def test_the_plan_of_a_build() -> None:
    sections = {"DEFAULT": {"password": "sesame"}}
    shop = record("shop", config={"shop.conf": sections}, environment={"TOKEN": "sesame"}, path="/shop", migrate="true")
    view = build_view(check(shop).records[0])
    plan = json.loads(build_plan(view, Needs(), "0123456789ab"))
    assert plan.pop("request") == json.loads(json.dumps(request_of(view)))
    assert plan == {
        "release": "0123456789ab",
        "account": "shop",
        "python": "/usr/bin/python3",
        "source_kind": "requirement",
        "requirement": "shop==1",
        "requirements": [],
        "constraints": [],
        "static": {},
        "script_name": "/shop",
        "health": "/",
        "start_timeout": 60,
        "migrates": True,
        "builds": True,
        "expanded": ["shop.conf"],
        "marked": [],
        "modes": {},
        "places": {"state": "/var/lib/shop", "logs": "/var/log/shop"},
        "record": {
            "name": "shop",
            "entry": "shop",
            "requirements": [],
            "lock": "",
            "source_lock": "",
            "left_out": {},
        },
    }
    assert "sesame" not in str(view)
    content = commands(view, {"TOKEN": "sesame"})
    assert content == {
        "migrate": "true",
        "environment": {"TOKEN": "sesame"},
        "home": "/var/lib/shop",
        "state": "/var/lib/shop",
        "logs": "/var/log/shop",
        "argv": [],
        "max_log": 536870912,
        "log_days": 14,
        "extras": False,
        "timers": {},
    }


NOVA = {"database": {"connection": "one", "pool": 5}, "DEFAULT": {"transport_url": "bus", "debug": False}}


def migration_of(sections: dict[str, Any], **more: Any) -> str | None:
    changed = record("shop", config={"shop.conf": sections, "a.sh": {}}, migrate="true", **more)
    view = build_view(check(changed).records[0])
    payload = Payload()
    payload.add_source(view["source"])
    payload.add_file("etc/a.sh", more.get("source", ""), "config a.sh")
    return migration(view, {"shop.conf": sections}, payload).get("migration")


def test_what_a_migration_reads_is_what_it_depends_on() -> None:
    reads = {"shop.conf": ["database", "DEFAULT/transport_url", "absent"]}
    assert migration_of(NOVA) is None
    first = migration_of(NOVA, migrate_reads=reads)
    assert first == migration_of({**NOVA, "DEFAULT": {"transport_url": "bus", "debug": True}}, migrate_reads=reads)
    others = [
        migration_of({**NOVA, "database": {"connection": "one", "pool": 6}}, migrate_reads=reads),
        migration_of({**NOVA, "DEFAULT": {"transport_url": "other"}}, migrate_reads=reads),
        migration_of(NOVA, migrate_reads={**reads, "a.sh": []}),
        migration_of(NOVA, migrate_reads=reads, source="shop==2"),
    ]
    assert len({first, *others}) == 5


def test_a_build_and_apache_number_static_folders_in_the_same_order() -> None:
    shop = check(record("shop", static={"/public": "a", "/assets": "b", "/images": "c"})).records[0]
    plan = json.loads(build_plan(build_view(shop), Needs(), "0123456789ab"))
    assert list(plan["static"]) == list(apache_view(shop)["static"]) == ["/public", "/assets", "/images"]


@pytest.mark.parametrize(
    ("options", "environment", "expected"),
    [
        ({}, {}, {}),
        ({"lang": "C.UTF-8", "locale": "C.UTF-8"}, {}, {}),
        ({"lang": "de_DE.UTF-8"}, {}, {"LANG": "de_DE.UTF-8"}),
        ({"locale": "de_DE.UTF-8"}, {"A": "b"}, {"LC_ALL": "de_DE.UTF-8", "A": "b"}),
        ({"lang": "de_DE.UTF-8"}, {"LANG": "fr_FR.UTF-8"}, {"LANG": "fr_FR.UTF-8"}),
    ],
)
def test_all_programs_of_a_release_have_the_locale_of_its_daemon_processes(
    options: dict[str, str], environment: dict[str, str], expected: dict[str, str]
) -> None:
    view = build_view(check(record("shop", daemon_options=options)).records[0])
    assert commands(view, environment)["environment"] == expected
