"""The files and sections that a distribution's package would bring, by what clients see of them."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path

import pytest
from cloud import Cloud
from served import Host, wait_for

pytest_plugins = ["control_plane_fixtures"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "openstack-files.md"
SERVICES = ("keystone", "placement", "glance", "neutron", "nova", "cinder", "gnocchi", "aodh")
# What a release's packages bring that is no code: data of all packages, and such files in the service's own package.
FILES = """
cd "/srv/wsgi/$1/slots/$2/venv/"
find etc share -type f 2>/dev/null || true
cd lib/python3*/site-packages
find "$1" -type f -not -path '*/tests/*' | grep -E '[.](ini|conf|cfg|json|ya?ml|xml|html|filters|template)$'
"""


def table() -> dict[str, set[str]]:
    """Return for each service the patterns of the page's first table."""
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| ([a-z, ]+) \| (`[^|]+`) \|", text.partition("\n## ")[2].partition("\n## ")[0])
    patterns: dict[str, set[str]] = {service: set() for service in SERVICES}
    for names, files in rows:
        for service in SERVICES if names == "all" else names.split(", "):
            patterns[service] |= set(re.findall("`([^`]+)`", files))
    return patterns


@pytest.mark.parametrize("service", SERVICES)
def test_the_page_names_every_file_of_the_packages(service: str, control: Host) -> None:
    """A new version that brings another file has to say what becomes of that file."""
    colour, _ = control.live(service)
    files = set(control.run("sh", "-ec", FILES, "files", service, colour).split())
    patterns = table()[service]
    assert {file for file in files if not any(fnmatch.fnmatchcase(file, one) for one in patterns)} == set()
    own = {one for one in patterns if service in one and "*/" not in one}
    assert {one for one in own if not fnmatch.filter(files, one)} == set(), f"no release of {service} has these"


@pytest.mark.parametrize("service", [*SERVICES, "nova-metadata", "telemetry"])
def test_every_file_that_a_configuration_names_is_there(service: str, control: Host) -> None:
    """Some services only log that a file is not there, and go on without it."""
    _, release = control.live(service)
    text = control.run("sh", "-c", f"cat /srv/wsgi/{service}/releases/{release}/etc/*.conf")
    named = set(re.findall(rf"/srv/wsgi/{service}/[^\s,:;]+", text))
    missing = control.run("sh", "-c", 'for path; do test -e "$path" || echo "$path"; done', "missing", *named)
    assert missing == ""


def test_a_member_may_filter_volumes(member: Cloud) -> None:
    """Without cinder's list of filters, the answer to a member is 400."""
    assert member.show("openstack volume list --name none") == []


# Prints what a service answers to a URL with a dictionary of headers.
ASK = """
import urllib.request
request = urllib.request.Request(arguments[0], headers=arguments[1])
print(urllib.request.urlopen(request).read().decode())
"""


def test_glance_has_its_metadata_definitions(admin: Cloud, control: Host) -> None:
    """The files make some of them private, so that the administrator alone sees all."""
    token = admin.show("openstack token issue")["id"]
    answer = control.python(ASK, "http://127.0.0.1:9292/v2/metadefs/namespaces?limit=500", {"X-Auth-Token": token})
    listed = {one["namespace"] for one in answer["namespaces"]}
    files = control.run("sh", "-c", "cat /srv/wsgi/glance/slots/*/venv/etc/glance/metadefs/*.json")
    assert listed == set(re.findall('"namespace": *"(.*)"', files))
    assert len(listed) > 20


def test_definitions_that_are_not_loaded_stop_a_migration(control: Host) -> None:
    """glance-manage itself ends with status 0."""
    folder = "/var/lib/glance/tmp/definitions"
    conf = f"{folder}/glance-api.conf"
    _, release = control.live("glance")
    program = f"""
umask 027
mkdir -p {folder}/empty
sed 's|^metadata_source_path = .*|metadata_source_path = {folder}/empty|' "$1" >{conf}
chown -R glance:glance {folder}
"""
    control.run("sh", "-ec", program, "program", f"/srv/wsgi/glance/releases/{release}/etc/glance-api.conf")
    load = ("/srv/wsgi/glance/run", "python", "-m", "grove_glance", "--config-file")
    refused = control.try_run(*load, conf)
    assert refused.returncode == 1
    assert f"metadata_source_path: found no *.json in {folder}/empty" in refused.stderr
    manage = ("/srv/wsgi/glance/run", "glance-manage", "--config-file", conf, "db", "load_metadefs")
    assert control.try_run(*manage).returncode == 0
    control.run("rm", "-rf", folder)


def test_glance_knows_the_usual_properties_of_images(member: Cloud, control: Host) -> None:
    token = member.show("openstack token issue")["id"]
    answer = control.python(ASK, "http://127.0.0.1:9292/v2/schemas/image", {"X-Auth-Token": token})
    properties = answer["properties"]
    assert {"architecture", "os_distro", "os_version", "instance_uuid"} <= set(properties)
    assert properties["kernel_id"]["type"] == ["null", "string"]


def test_a_network_is_deleted_without_an_error(member: Cloud, control: Host) -> None:
    """Neutron tells placement that the segments of a network are gone, two seconds after the answer."""
    before = control.log("neutron-output")
    member.run("openstack network create gone")
    member.run("openstack subnet create --network gone --subnet-range 198.51.100.0/24 gone")
    member.run("openstack network delete gone")
    assert not wait_for(lambda: "Traceback" if "Traceback" in control.log("neutron-output")[len(before) :] else "", 4)


def test_drivers_of_cinder_may_run_its_commands_as_root(control: Host) -> None:
    """Where sudo lets them: 96 is an allowed command that is not installed, 99 a command that is not allowed."""
    _, release = control.live("cinder")
    folder = f"/srv/wsgi/cinder/releases/{release}"
    rootwrap = (f"{folder}/venv/bin/cinder-rootwrap", f"{folder}/etc/rootwrap.conf")
    assert control.try_run(*rootwrap, "env", "LC_ALL=C", "vgs", "--version").returncode in (0, 96)
    assert control.try_run(*rootwrap, "cat", "/etc/shadow").returncode == 99
    assert control.try_run(*rootwrap, "privsep-helper", "--help").returncode == 0


def test_a_proxy_that_is_not_trusted_changes_no_link(control: Host) -> None:
    """The services read what a proxy says; Apache lets it through from trusted proxies alone."""
    answer = control.python(ASK, "http://127.0.0.1:8774/", {"X-Forwarded-Host": "evil.example.org"})
    links = json.dumps(answer)
    assert "evil" not in links
    assert "http://127.0.0.1:8774/" in links
