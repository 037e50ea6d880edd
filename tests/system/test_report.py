"""The page about an inventory in a real browser: at two widths, for readers who prefer light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import axe_core_python
import browser
import local_index
import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.model import Known, model
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.newest import newest
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.page import page
from report_answers import answers
from system.test_lock import wheel

pytestmark = pytest.mark.debian_packages("chromium", "chromium-driver")
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
PHONE, DESK = 390, 1280
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
WIDER = """
const wide = [...document.querySelectorAll('body *')].filter(one => !one.closest('pre') &&
    one.getBoundingClientRect().right > innerWidth + 0.5);
return [document.documentElement.scrollWidth - innerWidth, wide.map(one => one.outerHTML.slice(0, 200))];
"""
PAPER = {"light": "rgb(252, 252, 250)", "dark": "rgb(18, 21, 19)"}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    """A browser with an empty profile."""
    with browser.running(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about a host with apps, a database server, and a dead host, with HTML in every text."""
    known = Known(locks={"bookstore": {"pecan": "1.9.0"}}, tools={"uv": "0.13.9"})
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(model(answers(), known), title="inventory/mine", made_at=datetime.now(UTC)))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_for_a_reader(chromium: browser.Browser, file: Path, tmp_path: Path, width: int, scheme: str) -> None:
    """It needs no horizontal scrolling, loads nothing, runs nothing, and everybody can read it."""
    chromium.show(file, width=width, scheme=scheme)
    chromium.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert chromium.ask("return innerWidth") == width
    too_wide, elements = chromium.ask(WIDER)
    assert (too_wide <= 0, elements) == (True, [])
    assert chromium.ask("return getComputedStyle(document.body).backgroundColor") == PAPER[scheme]
    assert chromium.ask("return performance.getEntriesByType('resource').map(one => one.name)") == []
    assert chromium.ask("return document.title") == "inventory/mine: Grove report"
    assert chromium.messages() == []
    chromium.ask(AXE.read_text())
    found = chromium.wait_for("axe.run(document, arguments[0]).then(arguments[1])", RULES)
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    assert len(found["passes"]) > 15
    assert "color-contrast" in {one["id"] for one in found["passes"]}
    picture = tmp_path / f"{width}-{scheme}.png"
    chromium.save_picture(picture)
    assert picture.stat().st_size > 20_000


def test_links_lead_to_the_apps(chromium: browser.Browser, file: Path) -> None:
    chromium.show(file, width=DESK, scheme="light")
    links = "return [...document.querySelectorAll('tbody a')].map(one => one.getAttribute('href'))"
    targets = [target for target in chromium.ask(links) if target.startswith("#")]
    assert len(targets) == 2
    heading = "return document.getElementById(arguments[0]).textContent"
    assert [chromium.ask(heading, target[1:]) for target in targets] == ["bookstore", "shelf"]


def test_the_index_is_asked_for_newer_versions(tmp_path: Path) -> None:
    """Versions that are no releases, and those for a later Python, are not newer."""
    with local_index.serving(tmp_path / "index") as index:
        folder = index.folder / "simple" / "counter"
        folder.mkdir(parents=True)
        links = []
        for version, python in (("1.0", ""), ("1.10", ""), ("2.0rc1", ""), ("3.0", ">=3.99")):
            file = f"counter-{version}-py3-none-any.whl"
            (folder / file).write_bytes(wheel("counter", version))
            links.append(f'<a href="{file}" data-requires-python="{python.replace(">", "&gt;")}">{file}</a>')
        (folder / "index.html").write_text("\n".join(links))
        environment = {
            "UV_DEFAULT_INDEX": index.simple,
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "PATH": "/usr/bin:/bin",
        }
        assert newest({"counter"}, "3.11", environment) == ({"counter": "1.10"}, "")
        versions, problem = newest({"counter", "nobody-has-it"}, "3.11", environment)
        assert (versions, "nobody-has-it" in problem) == ({}, True), problem
    versions, problem = newest({"counter"}, "3.11", {**environment, "UV_CACHE_DIR": str(tmp_path / "empty")})
    assert (versions, index.simple.split("/")[2] in problem) == ({}, True), problem
    assert newest(set(), "3.11", environment) == ({}, "")
