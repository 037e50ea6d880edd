"""The applications of docs/cookbook.md: each answers a question of its own kind, and one changes, returns and goes."""

from __future__ import annotations

import base64
import http.client
import json
import re
import struct
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import page
import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils import lock_text
from gallery_plugin import Reader, records_of_readme
from served import Answer, Host

CALENDAR = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//gallery//EN
BEGIN:VEVENT
UID:first
DTSTAMP:20260101T000000Z
DTSTART:20260102T100000Z
SUMMARY:Reading circle
END:VEVENT
END:VCALENDAR
""".replace(b"\n", b"\r\n")


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of a user with a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def cookies(*answers: Answer) -> dict[str, str]:
    """Return the header with the cookies that the answers have set, the last of each name."""
    jar = SimpleCookie()
    for answer in answers:
        for cookie in answer.cookies:
            jar.load(cookie)
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())}


@pytest.mark.app("shelf")
def test_a_scaffolded_pecan_project(reader: Reader) -> None:
    host = reader.host
    assert "Welcome to Pecan!" in host.ask("shelf", "/").text
    style = host.ask("shelf", "/css/style.css")
    assert (style.status, style.headers["content-type"].split(";")[0]) == (200, "text/css")
    searched = host.ask("shelf", "/", method="POST", form={"q": "hello"})
    assert (searched.status, searched.headers["location"].endswith("q=hello")) == (302, True)
    assert "debug" not in host.ask("shelf", "/nothing").text.lower()


@pytest.mark.app("wiki")
def test_a_pyramid_project_with_users(reader: Reader) -> None:
    host = reader.host
    page_of_login = host.ask("wiki", "/login")
    [token] = re.findall(r'name="csrf_token" value="(\w+)"', page_of_login.text)
    form = {"csrf_token": token, "login": "editor", "password": "editor", "form.submitted": "Log In"}
    answer = host.ask("wiki", "/login", method="POST", form=form, headers=cookies(page_of_login))
    assert answer.status == 303, answer.text
    sent = cookies(page_of_login, answer)
    editing = host.ask("wiki", "/FrontPage/edit_page", headers=sent)
    token, *_ = re.findall(r'name="csrf_token" value="(\w+)"', editing.text)  # the page has a form for logging out, too
    sent = cookies(page_of_login, answer, editing)
    form = {"csrf_token": token, "body": "Written by the gallery", "form.submitted": "Save"}
    assert host.ask("wiki", "/FrontPage/edit_page", method="POST", form=form, headers=sent).status == 303
    assert "Written by the gallery" in host.ask("wiki", "/FrontPage").text


@pytest.mark.app("kinto")
def test_kinto_keeps_a_record(reader: Reader) -> None:
    host, alice = reader.host, basic("alice", "secret word")
    body = json.dumps({"data": {"password": "secret word"}}).encode()
    json_type = {"Content-Type": "application/json"}
    assert host.ask("kinto", "/v1/accounts/alice", method="PUT", body=body, headers=json_type).status in (200, 201)
    sent = json.dumps({"data": {"title": "Momo"}}).encode()
    records = "/v1/buckets/default/collections/books/records"
    written = host.ask("kinto", records, method="POST", body=sent, headers=json_type | alice)
    assert written.status == 201, written.text
    read = host.ask("kinto", f"{records}/{json.loads(written.text)['data']['id']}", headers=alice)
    assert json.loads(read.text)["data"]["title"] == "Momo"
    assert host.ask("kinto", records).status == 401


@pytest.mark.app("flaskr")
def test_flask_registers_somebody_who_writes(reader: Reader) -> None:
    host, form = reader.host, {"username": "ada", "password": "ada's"}
    assert host.ask("flaskr", "/auth/register", method="POST", form=form).status == 302
    sent = cookies(host.ask("flaskr", "/auth/login", method="POST", form=form))
    post = {"title": "First of all", "body": "Hello"}
    assert host.ask("flaskr", "/create", method="POST", form=post, headers=sent).status == 302
    assert "First of all" in host.ask("flaskr", "/").text
    assert host.ask("flaskr", "/static/style.css").status == 200


@pytest.mark.app("bookclub")
def test_django_shows_its_administration_over_tls(reader: Reader) -> None:
    authority = str(reader.inventory / "secrets" / "tls" / "ca.crt")

    def ask(path: str, **more: object) -> Answer:
        headers = {"Host": "books.test", **more.pop("headers", {})}  # type: ignore[dict-item]
        return reader.host.ask("bookclub", path, authority=authority, headers=headers, **more)  # type: ignore[arg-type]

    login = ask("/admin/login/?next=/admin/")
    [style] = re.findall(r'<link rel="stylesheet" href="(/static/admin/css/base\.css)"', login.text)
    sheet = ask(style)
    assert (sheet.status, sheet.headers["content-type"].split(";")[0]) == (200, "text/css")
    program = "from django.contrib.auth.models import User; User.objects.create_superuser('eve', password='eve')"
    reader.host.run("/srv/wsgi/bookclub/run", "python", "src/manage.py", "shell", "-c", program)
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', login.text)
    form = {"csrfmiddlewaretoken": token, "username": "eve", "password": "eve", "next": "/admin/"}
    headers = {**cookies(login), "Referer": "https://books.test/admin/login/"}
    entered = ask("/admin/login/", method="POST", form=form, headers=headers)
    assert (entered.status, entered.headers.get("location")) == (302, "/admin/"), entered.text
    assert "Site administration" in ask("/admin/", headers=cookies(login, entered)).text


@pytest.mark.app("maps")
def test_mapproxy_draws_a_tile_and_keeps_it(reader: Reader) -> None:
    query = {
        "SERVICE": "WMS",
        "VERSION": "1.1.1",
        "REQUEST": "GetMap",
        "LAYERS": "world",
        "STYLES": "",
        "SRS": "EPSG:3857",
    }
    query |= {"BBOX": "-20037508,-20037508,20037508,20037508", "WIDTH": "256", "HEIGHT": "256", "FORMAT": "image/png"}
    connection = http.client.HTTPConnection(reader.host.address, 8085, timeout=60)
    connection.request("GET", f"/service?{urlencode(query)}")
    answer = connection.getresponse()
    image = answer.read()
    connection.close()
    assert (answer.status, image[:8]) == (200, b"\x89PNG\r\n\x1a\n"), image[:500]
    assert struct.unpack(">II", image[16:24]) == (256, 256)
    assert reader.host.run("find", "/var/lib/maps/tiles", "-name", "*.png")
    assert (
        "<Name>world</Name>"
        in reader.host.ask("maps", "/service?REQUEST=GetCapabilities&SERVICE=WMS&VERSION=1.1.1").text
    )


@pytest.mark.app("radicale")
def test_radicale_keeps_a_calendar(reader: Reader) -> None:
    host, alice = reader.host, basic("alice", "alice's password")
    assert host.ask("radicale", "/alice/", method="PROPFIND").status == 401
    assert host.ask("radicale", "/alice/circle/", method="MKCALENDAR", headers=alice).status == 201
    typed = alice | {"Content-Type": "text/calendar"}
    assert host.ask("radicale", "/alice/circle/first.ics", method="PUT", body=CALENDAR, headers=typed).status == 201
    report = b"""<C:calendar-query xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:">
<D:prop><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>
</C:calendar-query>"""
    headers = alice | {"Depth": "1", "Content-Type": "application/xml"}
    answer = host.ask("radicale", "/alice/circle/", method="REPORT", body=report, headers=headers)
    assert (answer.status, "SUMMARY:Reading circle" in answer.text) == (207, True), answer.text


@pytest.mark.app("dav")
def test_wsgidav_keeps_a_file(reader: Reader) -> None:
    host, alice = reader.host, basic("alice", reader.password("dav"))
    assert host.ask("dav", "/note.txt", method="PUT", body=b"Buy a ladder").status == 401
    assert host.ask("dav", "/note.txt", method="PUT", body=b"Buy a ladder", headers=alice).status == 201
    listed = host.ask("dav", "/", method="PROPFIND", headers=alice | {"Depth": "1"})
    assert (listed.status, "/note.txt" in listed.text) == (207, True), listed.text
    assert host.ask("dav", "/note.txt", headers=alice).text == "Buy a ladder"
    assert host.ask("dav", "/note.txt", method="MOVE", headers=alice | {"Destination": "/done.txt"}).status == 201
    assert host.run("cat", "/var/lib/dav/files/done.txt") == "Buy a ladder"


@pytest.mark.app("ironic")
def test_ironic_enrols_a_node(reader: Reader) -> None:
    """The API asks the conductor about the driver, and writes the node into the database."""
    host = reader.host
    assert json.loads(host.ask("ironic", "/v1").text)["id"] == "v1"
    body = json.dumps({"name": "node-1", "driver": "fake-hardware"}).encode()
    headers = {"Content-Type": "application/json", "X-OpenStack-Ironic-API-Version": "1.80"}
    enrolled = host.ask("ironic", "/v1/nodes", method="POST", body=body, headers=headers)
    assert enrolled.status == 201, enrolled.text
    [node] = json.loads(host.ask("ironic", "/v1/nodes", headers=headers).text)["nodes"]
    assert (node["name"], node["provision_state"]) == ("node-1", "enroll")


@pytest.mark.app("links")
def test_bottle_keeps_a_link(reader: Reader) -> None:
    host = reader.host
    assert host.ask("links", "/docs", method="PUT", body=b"https://bottlepy.org/docs/").status == 201
    answer = host.ask("links", "/docs")
    assert (answer.status, answer.headers["location"]) == (303, "https://bottlepy.org/docs/")


@pytest.mark.app("visits")
def test_an_old_folder_counts_its_visits(reader: Reader) -> None:
    first, second = (int(reader.host.ask("visits", "/").text.split()[1]) for _ in range(2))
    assert second == first + 1


def test_a_second_run_changes_nothing(reader: Reader) -> None:
    assert re.search(r"web1 +: ok=\d+ +changed=0 +unreachable=0 +failed=0", reader.deploy())


def test_one_changes_returns_and_goes(reader: Reader) -> None:
    """A change of the source, a rollback, and the removal of the record; the data stay."""
    host, module = reader.host, reader.inventory / "files" / "links" / "links.py"
    host.ask("links", "/docs", method="PUT", body=b"https://bottlepy.org/docs/")
    module.write_text(module.read_text().replace("Send a link", "Please send a link"))
    reader.deploy()
    assert host.ask("links", "/").text.startswith("Please send a link")
    reader.grove("./grove rollback -i inventory/mine -e app=links")
    assert host.ask("links", "/").text.startswith("Send a link")
    reader.recipes = [recipe for recipe in reader.recipes if recipe.name != "links"]
    reader.deploy()
    assert not [address for address in host.listeners() if address.endswith(":8088")]
    assert host.run("cat", "/var/lib/links/link-docs") == "https://bottlepy.org/docs/"
    assert "visit " in host.ask("visits", "/").text


def test_the_record_of_the_readme(reader: Reader) -> None:
    """README's record and commands, with a project of ``pecan create``."""
    files = reader.inventory / "files"
    page.run("uvx pecan@1.8.0 create bookstore", files)
    (files / "templates").mkdir()
    (files / "bookstore" / "config.py").rename(files / "templates" / "config.py.j2")
    (files / "bookstore" / "requirements.lock").write_text((files / "shelf.lock").read_text())
    reader.more = records_of_readme()
    reader.write()
    [sentence] = re.findall(r"Then run `\./grove doctor.*?\.\s", page.README.read_text(), re.DOTALL)
    commands = re.findall(r"`(\./grove [^`]+)`", sentence)
    assert [command.split()[1] for command in commands] == ["doctor", "site"]
    for command in commands:
        reader.grove(command)
    [record] = reader.more
    assert "Welcome to Pecan!" in Host("web1", reader.host.container, [record]).ask("bookstore", "/").text


@pytest.mark.whole
def test_the_commands_make_the_locks(reader: Reader) -> None:
    """The page's commands make locks of the same applications as those that the gallery installs."""
    files = reader.inventory / "files"
    installed = {path.name: path.read_text() for path in files.glob("*.lock")}
    for name in installed:
        (files / name).unlink()
    commands = "\n".join(block.text for block in page.sections(page.COOKBOOK)["Locks"])
    reader.grove(commands)
    assert sorted(path.name for path in files.glob("*.lock")) == sorted(installed)
    for name, text in installed.items():
        former, made = ({one.name for one in lock_text.packages(lock)} for lock in (text, (files / name).read_text()))
        # The locks of the gallery are for every platform.
        assert made, name
        assert made - former <= {"setuptools", "wheel", "hatchling"}, name
        (files / name).write_text(text)
