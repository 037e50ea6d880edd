"""The page of the Telemetry API in a real browser, with the real API and a real database behind it.

Here a server for tests serves the page. The scenario ``telemetry-api`` has Apache serve it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import axe_core_python
import browser
import pytest
from ports import free_port
from system.test_report import DESK, PAPER, PHONE, RULES, WIDER
from test_telemetry import PACKAGE, installed

pytestmark = [pytest.mark.debian_packages("chromium", "chromium-driver"), pytest.mark.timeout(1800)]
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
SERVER = Path(__file__).parents[1] / "telemetry_page.py"
NOW = datetime(2026, 3, 2, 12, 0)
EVIL = "<img src=x onerror=\"document.title='owned'\">"
WHOLE: dict[str, Any] = {"range": "own", "from": "2026-03-02T00:00:00", "to": "2026-03-02T12:00:00"}
"""The twelve hours in which the samples are."""
READY = """
return document.querySelector('h1') !== null && document.querySelector('main [aria-busy=true]') === null;
"""
CLICK = """
const named = [...document.querySelectorAll('main a, main button, header a, header button')]
    .find(one => one.textContent.trim() === arguments[0]);
if (!named) throw new Error('nothing is called ' + arguments[0] + ' in ' + document.body.innerText);
named.click();
"""
TYPE = """
const control = document.querySelector(`[name="${arguments[0]}"]`);
control.value = arguments[1];
control.dispatchEvent(new Event('input', { bubbles: true }));
control.dispatchEvent(new Event('change', { bubbles: true }));
"""
ROWS = """
const table = [...document.querySelectorAll('table')].find(one => one.caption.textContent === arguments[0]);
return [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent));
"""
__all__ = ["installed"]


@dataclass(frozen=True)
class Served:
    """The API with its page. ``process`` is its server."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, path: str, body: object = None, *, method: str = "", kind: str = "application/json") -> Any:
        """Return the API's answer to a request, with a body if there is one."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data, method=method or ("GET" if data is None else "POST")
        )
        request.add_header("Content-Type", kind)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as answer:
            return json.load(answer)

    def bulk(self, samples: list[dict[str, object]]) -> None:
        """Store samples."""
        lines = "\n".join(map(json.dumps, samples)).encode()
        self.ask("/v2/samples", lines, kind="application/x-ndjson")


@dataclass(frozen=True)
class Page:
    """The page in a browser."""

    browser: browser.Browser
    address: str

    def open(self, view: str, *, width: int = DESK, scheme: str = "light", **parameters: Any) -> None:
        """Open a view by its address, as a link from elsewhere does, and wait until it is complete."""
        self.browser.open("about:blank", width=width, scheme=scheme)
        query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
        self.browser.open(f"{self.address}/ui/#/{view}{query}", width=width, scheme=scheme)
        self.wait()

    def wait(self) -> None:
        """Wait until the view has its answers."""
        self.until(READY)

    def until(self, script: str, *arguments: Any) -> Any:
        """Wait until a script returns something true, and return it."""
        end = time.monotonic() + 240
        while not (value := self.browser.ask(script, *arguments)):
            assert time.monotonic() < end, self.text()
            time.sleep(0.1)
        return value

    def shows(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.until("return document.body.innerText.includes(arguments[0])", text)

    def text(self) -> str:
        """Return what the page shows."""
        shown: str = self.browser.ask("return document.body.innerText")
        return shown

    def click(self, name: str) -> None:
        """Click a link or button by its text, and wait."""
        self.browser.ask(CLICK, name)
        self.wait()

    def type(self, name: str, value: str) -> None:
        """Type into the control of a form with that name."""
        self.browser.ask(TYPE, name, value)

    def rows(self, caption: str) -> list[list[str]]:
        """Return the cells of a table."""
        rows: list[list[str]] = self.browser.ask(ROWS, caption)
        return rows

    def count(self, selector: str) -> int:
        """Return how many elements there are."""
        number: int = self.browser.ask("return document.querySelectorAll(arguments[0]).length", selector)
        return number


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    """A browser with an empty profile."""
    with browser.running(tmp_path_factory.mktemp("browser")) as running:
        yield running


Serve = Callable[..., contextlib.AbstractContextManager[Served]]


@pytest.fixture(scope="module")
def serve(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """A function that serves the API and its page, with further text of the configuration."""

    @contextlib.contextmanager
    def serving(more: str = "", *, strategy: str = "noauth", upgrade: bool = True) -> Iterator[Served]:
        folder = tmp_path_factory.mktemp("api")
        file, port = folder / "telemetry.conf", free_port()
        file.write_text(f"[DEFAULT]\nauth_strategy = {strategy}\nstate_path = {folder}\n{more}")
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        if upgrade:
            words = [sys.executable, "-m", "telemetry.cmd.upgrade", "--config-file", str(file)]
            subprocess.run(words, env=environment, check=True, capture_output=True)
        with (folder / "log").open("wb") as log:
            words = [sys.executable, str(SERVER), str(port), str(file)]
            process = subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT)
            served = Served(f"http://127.0.0.1:{port}", process, folder / "log")
            try:
                wait_for(served)
                yield served
            finally:
                process.kill()
                process.wait()

    return serving


def wait_for(served: Served) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + 120
    while True:
        assert served.process.poll() is None, served.log.read_text()
        with contextlib.suppress(OSError):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(served.address + "/ui/", timeout=10):
                return
        assert time.monotonic() < end, served.log.read_text()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def api(serve: Serve) -> Iterator[Served]:
    """An API with twelve hours of samples, alarms with a history, and events."""
    with serve() as served:
        fill(served)
        yield served


@pytest.fixture
def page(chromium: browser.Browser, api: Served) -> Page:
    """The page of that API, with nobody signed in."""
    return fresh(chromium, api)


def fresh(chromium: browser.Browser, served: Served) -> Page:
    """Return the page of an API, in a browser that has forgotten everything of it."""
    chromium.open(f"{served.address}/ui/icon.svg")
    chromium.ask("sessionStorage.clear()")
    chromium.messages()
    return Page(chromium, served.address)


def sample(meter: str, resource: str, volume: float, minutes: float, **more: object) -> dict[str, object]:
    """Return a sample of a time so many minutes before NOW."""
    return {
        "counter_name": meter,
        "counter_type": "gauge",
        "counter_unit": "%",
        "counter_volume": volume,
        "resource_id": resource,
        "project_id": "shop",
        "user_id": "anna",
        "timestamp": (NOW - timedelta(minutes=minutes)).isoformat(),
        **more,
    }


def fill(served: Served) -> None:
    """Store what the tests look for."""
    samples = [
        sample("cpu", f"web{number}", 10 * number + minutes % 7, minutes, resource_metadata={"rack": f"r{number % 2}"})
        for number in range(1, 4)
        for minutes in range(5, 720, 5)
        # A gap of two hours.
        if not (number == 2 and 200 < minutes < 320)
    ]
    samples += [
        sample("rate", f"port{number:02}", number, minutes) for number in range(12) for minutes in range(5, 60, 5)
    ]
    samples += [sample(EVIL, EVIL, 1, 10, resource_metadata={EVIL: EVIL}), sample("a/b c%2F", "x/y", 2, 10)]
    served.bulk(samples)
    rule = {"meter_name": "cpu", "threshold": 25, "comparison_operator": "gt", "period": 300, "evaluation_periods": 3}
    query = [{"field": "resource_id", "op": "eq", "value": "web2"}]
    busy = served.ask(
        "/v2/alarms",
        {"name": "busy", "type": "threshold", "threshold_rule": {**rule, "query": query}, "severity": "critical"},
    )
    served.ask("/v2/alarms", {"name": EVIL, "type": "event", "event_rule": {"event_type": EVIL}})
    for state in ("ok", "alarm"):
        served.ask(f"/v2/alarms/{busy['alarm_id']}/state", state, method="PUT")
    events = [
        {
            "message_id": f"m{number}",
            "event_type": EVIL if number == 0 else "image.update",
            "generated": (NOW - timedelta(minutes=number)).isoformat(),
            "traits": [
                {"name": "size", "type": "integer", "value": str(number)},
                {"name": "name", "type": "string", "value": EVIL},
            ],
            "raw": {"publisher": "host1"},
        }
        for number in range(120)
    ]
    served.ask("/v2/events", events)


def alarm_id(api: Served, name: str) -> str:
    """Return the id of the alarm with a name."""
    [identifier] = [alarm["alarm_id"] for alarm in api.ask("/v2/alarms") if alarm["name"] == name]
    return str(identifier)


def views(api: Served) -> list[tuple[str, dict[str, Any]]]:
    """Return every view with what it takes to show something."""
    return [
        ("meters", {}),
        ("resources", {}),
        ("resource", {"id": "web1"}),
        ("chart", {"meter": "cpu", "threshold": "25", "field": "resource_id", "value": "web2", **WHOLE}),
        ("chart", {"meter": "rate", "groupby": "resource_id", **WHOLE}),
        ("chart", {"meter": "cpu", "statistic": "foo"}),
        ("alarms", {}),
        ("alarm", {"id": alarm_id(api, "busy")}),
        ("events", {"range": "all"}),
        ("event", {"id": "m0"}),
        ("login", {}),
    ]


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESK, "dark"), (DESK, "light")])
def test_every_view_for_a_reader(page: Page, api: Served, width: int, scheme: str, tmp_path: Path) -> None:
    """Nothing needs horizontal scrolling, nothing comes from elsewhere, and everybody can read it."""
    for view, parameters in views(api):
        page.open(view, width=width, scheme=scheme, **parameters)
        assert page.browser.ask("return innerWidth") == width
        page.browser.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        beyond, elements = page.browser.ask(WIDER)
        assert (beyond <= 0, elements) == (True, []), view
        assert page.browser.ask("return getComputedStyle(document.body).backgroundColor") == PAPER[scheme]
        loaded = page.browser.ask("return performance.getEntriesByType('resource').map(one => one.name)")
        assert {name for name in loaded if not name.startswith(page.address + "/")} == set()
        page.browser.ask(AXE.read_text())
        found = page.browser.wait_for("axe.run(document, arguments[0]).then(arguments[1])", RULES)
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == [], view
        assert "color-contrast" in {one["id"] for one in found["passes"]}, view
        picture = tmp_path / f"{view}.png"
        page.browser.save_picture(picture)
        assert picture.stat().st_size > 8_000
    # The request for an unknown statistic is answered 400. Browsers ask for an icon beside a file that is no page.
    messages = [message for message in page.browser.messages() if "/favicon.ico" not in message]
    assert {message.rpartition(" - ")[2] for message in messages} == {
        "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    }


def test_the_chart_has_the_figures_of_the_api(page: Page, api: Served) -> None:
    page.open("chart", meter="cpu", period="3600", field="resource_id", value="web2", **WHOLE)
    condition = [("q.field", "resource_id"), ("q.value", "web2"), ("q.op", "eq")]
    times = [
        *(("q.field", "timestamp"), ("q.value", WHOLE["from"]), ("q.op", "ge")),
        *(("q.field", "timestamp"), ("q.value", WHOLE["to"]), ("q.op", "lt")),
    ]
    expected = api.ask(f"/v2/meters/cpu/statistics?{urlencode([*condition, *times, ('period', '3600')])}")
    rows = page.rows("Figures of each period")
    assert len(rows) == len(expected) == 11
    for row, one in zip(rows, expected, strict=True):
        assert row[0] == one["period_start"].replace("T", " ")[:16]
        figures = [one[name] for name in ("avg", "min", "max", "sum", "count")]
        assert [float(text.replace("\u202f", "")) for text in row[1:]] == pytest.approx(figures, rel=0.001)
    # No sample is between 06:40 and 08:40: the hour from 07:00 is missing, and breaks the line.
    assert [row[0][11:] for row in rows] == [f"{hour:02}:00" for hour in range(12) if hour != 7]
    assert page.count(".plot path.line") == 2
    assert page.count(".plot path.band") == 2
    drawn = page.browser.ask("return [...document.querySelectorAll('path.line')].map(one => one.getAttribute('d'))")
    assert [path.count("L") + 1 for path in drawn] == [7, 4]
    high, low = (float(path.removeprefix("M").split("L")[0].split()[1]) for path in drawn)
    assert abs(high - low) < 340


def test_a_chart_is_read_by_keyboard(page: Page) -> None:
    page.open("chart", meter="cpu", period="3600", field="resource_id", value="web2", **WHOLE)
    value = "return document.querySelector('[role=slider]').getAttribute('aria-valuetext')"
    page.browser.ask("document.querySelector('button[type=submit]').focus()")
    for _ in range(10):
        page.browser.press("Tab")
        if page.browser.ask("return document.activeElement.getAttribute('role')") == "slider":
            break
    rows = page.rows("Figures of each period")
    page.browser.press("Home")
    assert page.browser.ask(value) == f"{rows[0][0]} to 01:00 UTC: {rows[0][1]} %"
    page.browser.press("ArrowRight")
    assert page.browser.ask(value) == f"{rows[1][0]} to 02:00 UTC: {rows[1][1]} %"
    page.browser.press("End")
    page.browser.press("ArrowRight")
    assert page.browser.ask(value).startswith(rows[-1][0])
    assert page.browser.ask("return document.querySelector('.readout').hidden") is False
    page.browser.press("Tab")
    assert page.browser.ask("return document.querySelector('.readout').hidden") is True


def test_groups_and_a_threshold(page: Page) -> None:
    page.open("chart", meter="cpu", groupby="resource_id", threshold="42", **WHOLE)
    names = "return [...document.querySelectorAll('.legend li')].map(one => one.textContent)"
    assert page.browser.ask(names) == ["web3", "web2", "web1"]
    assert page.count(".plot path.s0") == 1
    assert "threshold 42" in page.browser.ask("return document.querySelector('.plot').textContent")
    page.click("web2")
    assert page.browser.ask("return document.querySelector('.rows [name=value]').value") == "web2"
    assert "143" not in page.text()
    page.open("chart", meter="cpu", groupby="metadata", metadata="rack", **WHOLE)
    assert sorted(page.browser.ask(names)) == ["r0", "r1"]
    # Of more groups than lines, those with the highest figures are drawn, and all are in the table.
    page.open("chart", meter="rate", groupby="resource_id", **WHOLE)
    assert page.browser.ask(names) == [f"port{number:02}" for number in range(11, 3, -1)]
    assert len(page.rows("Figures of the whole time")) == 12
    assert "8 of 12 groups" in page.text()
    page.open("chart", meter="rate", groupby="resource_id", statistic="cardinality/resource_id", period="0", **WHOLE)
    assert [row[2] for row in page.rows("Figures of the whole time")] == ["1"] * 12


def test_a_form_makes_the_address_of_its_chart(page: Page) -> None:
    page.open("chart", meter="cpu", **WHOLE)
    for name, value in {"statistic": "max", "period": "other", "seconds": "5400", "groupby": "project_id"}.items():
        page.type(name, value)
    page.click("Add a condition")
    page.browser.ask("document.querySelector('.rows [name=field]').value = 'user_id'")
    page.browser.ask("document.querySelector('.rows [name=value]').value = ' anna '")
    page.click("Draw")
    address = page.browser.ask("return location.hash")
    for part in ("statistic=max", "seconds=5400", "groupby=project_id", "field=user_id", "value=anna"):
        assert part in address
    page.shows("Maximum in %, by periods of 90 minutes")
    figures = page.rows("Figures of each period")
    page.browser.open("about:blank")
    page.browser.open(f"{page.address}/ui/{address}")
    page.wait()
    assert page.rows("Figures of each period") == figures
    assert page.browser.ask("return document.querySelector('[name=seconds]').value") == "5400"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "Choose a meter."),
        ({"meter": "nobody", "range": "all"}, "There is no sample of nobody."),
        ({"meter": "cpu", "range": "hour"}, "The newest sample is of 2026-03-02 11:55 UTC."),
        ({"meter": "cpu", "range": "all", "period": "-5"}, "The period is no whole number of seconds."),
        ({"meter": "cpu", "range": "all", "period": "1"}, "A period of 1 second makes 42\u202f600 points"),
        ({"meter": "cpu", "range": "own"}, "Choose a beginning or an end."),
        ({"meter": "cpu", **WHOLE, "to": "2026-03-01T00:00"}, "The time ends before it begins."),
        ({"meter": "cpu", "range": "own", "from": "2026-03-02T00:00", "to": "soon"}, "soon is no time."),
        ({"meter": "cpu", "range": "all", "statistic": "stddev/resource_id"}, "The API has no such statistic."),
        ({"meter": "cpu", "range": "all", "statistic": "foo"}, "Invalid aggregation function: foo"),
        ({"meter": "cpu", "range": "all", "groupby": "height"}, "Invalid groupby fields"),
        ({"meter": "cpu", "range": "all", "field": "height", "value": "1"}, "unrecognized field in query"),
    ],
)
def test_what_a_chart_says_in_the_place_of_figures(page: Page, parameters: dict[str, Any], text: str) -> None:
    page.open("chart", **parameters)
    assert text in page.text()
    assert page.count(".plot") == 0


def test_a_link_leads_to_samples_that_are_old(page: Page) -> None:
    page.open("chart", meter="cpu", range="week")
    page.click("Draw the day before it")
    assert page.count(".plot path.line") >= 1
    assert "2026-03-02 11:55 UTC" in page.text()


def test_data_is_text_and_never_html(page: Page, api: Served) -> None:
    places = [
        ("meters", {}),
        ("resources", {}),
        ("resource", {"id": EVIL}),
        ("chart", {"meter": EVIL, "groupby": "resource_id", **WHOLE}),
        ("chart", {"meter": EVIL, "statistic": EVIL, "range": EVIL, "period": EVIL}),
        ("alarms", {}),
        ("alarm", {"id": alarm_id(api, EVIL)}),
        ("events", {"range": "all"}),
        ("event", {"id": "m0"}),
        (f"{EVIL}", {}),
        ("login", {"to": "javascript:document.title='owned'"}),
    ]
    for view, parameters in places:
        page.open(view, **parameters)
        assert page.count("img, iframe, main script, [onerror]") == 0, view
        title = page.browser.ask("return document.title")
        assert title.endswith("Telemetry"), view
        if view not in (EVIL, "login"):
            assert EVIL in page.text() or view == "chart", view
    page.open("meters")
    page.click("a/b c%2F")
    page.open("chart", meter="a/b c%2F", **WHOLE)
    assert "2026-03-02 11:50 UTC" in page.text()
    page.open("resource", id="x/y")
    page.click("a/b c%2F")
    assert "2026-03-02 11:50 UTC" in page.text()


def test_an_alarm_with_its_history(page: Page) -> None:
    page.open("alarms")
    assert [row[1] for row in page.rows("Alarms")] == ["alarm", "insufficient data"]
    page.click("busy")
    text = page.text()
    assert "avg of cpu > 25 in each of 3 periods of 5 minutes" in text
    assert "resource_id = web2" in text
    history = page.rows("History")
    assert [row[1] for row in history] == ["state transition", "state transition", "creation"]
    assert [row[2] for row in history[:2]] == ["alarm", "ok"]
    page.click("Draw it")
    assert "threshold=25" in page.browser.ask("return location.hash")
    page.open("alarms", state="ok")
    assert "No alarm matches." in page.text()
    page.open("alarm", id="00000000-0000-0000-0000-000000000000")
    assert "There is no such object." in page.text()
    assert "Nothing is known of the past of this alarm." in page.text()


def test_events_page_by_page(page: Page) -> None:
    page.open("events", range="all")
    first = page.rows("Events")
    assert (len(first), first[0][1]) == (50, "2026-03-02 10:01")
    page.click("Next")
    page.click("Next")
    assert page.rows("Events")[-1][:2] == [EVIL, "2026-03-02 12:00"]
    page.click("Previous")
    assert "Page 2" in page.text()
    page.open("events", range="all", type="image.update", trait="size", op="ge", value="118", kind="integer")
    assert [row[1] for row in page.rows("Events")] == ["2026-03-02 10:01", "2026-03-02 10:02"]
    page.click("image.update")
    assert ["size", "119", "integer", "Others with it"] in page.rows("Traits")
    assert '"publisher": "host1"' in page.text()
    page.open("events", range="all", trait="size", op="eq", value="much", kind="integer")
    assert "The API cannot use this request." in page.text()
    page.open("events")
    assert "There is no event here." in page.text()


def test_who_asks_without_keystone(page: Page) -> None:
    """The page sends the identity, and the API shows what belongs to that person."""
    page.open("meters")
    page.click("Say who you are")
    page.type("user", "berta")
    page.type("project", "mail")
    page.click("Go on")
    page.shows("There are no meters yet.")
    assert "berta, project mail" in page.text()
    page.open("login")
    page.type("project", "")
    page.click("Go on")
    page.shows("You may not see this.")
    assert "the token belongs to no project" in page.text()
    page.click("Sign out")
    page.type("project", "m\u00f6bel")
    page.click("Go on")
    page.shows("has a character that it cannot have")
    page.open("meters")
    assert len(page.rows("Meters")) == 4


def test_ten_thousand_meters(chromium: browser.Browser, serve: Serve) -> None:
    """The browser answers all the time, and has few of the rows in the page."""
    with serve("[api]\ndefault_api_return_limit = 10000\n") as served:
        for start in range(0, 10_000, 2_500):
            served.bulk([sample(f"meter-{number:05}", "r", 1, 10) for number in range(start, start + 2_500)])
        page = fresh(chromium, served)
        page.browser.open(f"{page.address}/ui/icon.svg")
        # In seconds of the processor that the page has used.
        page.browser.tell("Performance.enable", timeDomain="threadTicks")
        page.open("meters")
        page.shows("of 10\u202f000")
        lag = "let last = performance.now(); window.lag = 0; setInterval(() => { const now = performance.now();"
        page.browser.ask(f"{lag} window.lag = Math.max(window.lag, now - last); last = now; }}, 20);")
        time.sleep(2)
        # On a busy machine, a browser that has nothing to do answers late, too.
        usual = page.browser.ask("const usual = window.lag; window.lag = 0; return usual;")
        assert len(page.rows("Meters")) == 100
        page.type("search", "99")
        # 99 stands in 00099, …, 99: at the last place, the middle or the front of five digits.
        expected = sum("99" in f"{number:05}" for number in range(10_000))
        page.shows(f"of {expected}")
        page.click("Next")
        page.shows(f"101 to 200 of {expected}")
        figures = {one["name"]: one["value"] for one in page.browser.tell("Performance.getMetrics")["metrics"]}
        assert 0 < figures["TaskDuration"] < 2
        assert page.browser.ask("return window.lag") < max(2_000, 20 * usual)


def test_an_api_that_is_slow_or_away(chromium: browser.Browser, serve: Serve) -> None:
    with serve() as served:
        page = fresh(chromium, served)
        page.open("meters")
        page.shows("There are no meters yet.")
        assert "ceilometer sample-create" in page.text()
        for view, text in (
            ("resources", "There are no resources yet."),
            ("alarms", "There are no alarms yet."),
            ("events", "There is no event here."),
        ):
            page.open(view)
            page.shows(text)
        served.process.send_signal(signal.SIGSTOP)
        page.browser.ask(CLICK, "Meters")
        page.shows("Still waiting.")
        page.browser.ask(CLICK, "Stop waiting")
        page.shows("You stopped the request.")
        page.browser.ask(CLICK, "Try again")
        page.shows("Still waiting.")
        served.process.send_signal(signal.SIGCONT)
        page.shows("There are no meters yet.")
        served.process.kill()
        served.process.wait()
        page.browser.ask(CLICK, "Alarms")
        page.shows("The API cannot be reached.")


def test_a_database_that_is_away(chromium: browser.Browser, serve: Serve) -> None:
    away = f"[database]\nconnection = postgresql://nobody@127.0.0.1:{free_port()}/none\n"
    with serve(away, upgrade=False) as served:
        page = fresh(chromium, served)
        page.open("alarms")
        page.shows("The API or its database is not available.")
        assert "Try again in" in page.text()


def keystone_module() -> ModuleType:
    """Return the module of the package's tests that answers as keystone does."""
    spec = importlib.util.spec_from_file_location("telemetry_keystone", PACKAGE / "tests" / "keystone.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_token_of_keystone(chromium: browser.Browser, serve: Serve) -> None:
    """The real middleware checks the token. The token is in no address, no log and no lasting storage."""
    with keystone_module().keystone() as url:
        section = (
            f"[keystone_authtoken]\nauth_type = password\nauth_url = {url}\nwww_authenticate_uri = {url}\n"
            "username = u\npassword = p\nproject_name = p\nuser_domain_id = default\nproject_domain_id = default\n"
        )
        with serve(section, strategy="keystone") as served:
            page = fresh(chromium, served)
            page.open("alarms", state="ok")
            page.shows("This API takes tokens of keystone.")
            page.type("token", "forged")
            page.browser.ask("document.querySelector('form button').click()")
            page.shows("The API does not accept this token.")
            page.type("token", "project")
            page.browser.ask("document.querySelector('form button').click()")
            page.shows("No alarm matches.")
            assert page.browser.ask("return location.hash") == "#/alarms?state=ok"
            assert "Signed in with a token" in page.text()
            kept = page.browser.ask(
                "return [JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie]"
            )
            assert ("project" in kept[0], kept[1:]) == (True, ["{}", ""])
            page.open("events")
            page.shows("There is no event here.")
            names = page.browser.ask("return performance.getEntriesByType('resource').map(one => one.name)")
            assert not [name for name in names if "token" in name.lower()]
            assert "X-Auth-Token" not in served.log.read_text()
            page.click("Sign out")
            page.shows("This API takes tokens of keystone.")
            assert page.browser.ask("return sessionStorage.length") == 0
            page.type("token", "unscoped")
            page.browser.ask("document.querySelector('form button').click()")
            page.shows("You may not see this.")
            # Keystone forgets the token while the user reads.
            page.browser.ask("sessionStorage.setItem('telemetry-caller', '{\"token\": \"expired\"}')")
            page.open("resources")
            page.shows("The API does not know who you are.")


def test_the_time_of_the_newest_samples(chromium: browser.Browser, serve: Serve) -> None:
    """The usual time, the last day, has the samples of this moment."""
    with serve() as served:
        now = datetime.now(UTC).replace(tzinfo=None)
        times = [(now - timedelta(minutes=minutes)).isoformat() for minutes in range(0, 600, 10)]
        served.bulk([{**sample("cpu", "r", 5, 0), "timestamp": time} for time in times])
        page = fresh(chromium, served)
        page.open("meters")
        page.click("cpu")
        assert "Samples\n60" in page.text()
        assert "by periods of 15 minutes" in page.text()
        starts = [row[0][14:16] for row in page.rows("Figures of each period")]
        assert set(starts) <= {"00", "15", "30", "45"}
