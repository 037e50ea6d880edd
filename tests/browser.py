"""Chromium without a window, as a page's reader sees it: through chromedriver, by the WebDriver protocol of the W3C."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
KEYS = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
"""Numbers of keys, as browsers know them."""
SECONDS = 240
"""For one command; the start of the browser on a busy machine takes the longest."""


@dataclass(frozen=True)
class Browser:
    """A running browser. ``session`` is the address of its session."""

    session: str

    def show(self, page: Path, *, width: int, scheme: str) -> None:
        """Open a file in a window of a width in CSS pixels, for a reader who prefers ``light`` or ``dark``."""
        self.open(page.resolve().as_uri(), width=width, scheme=scheme)

    def open(self, address: str, *, width: int = 1280, scheme: str = "light") -> None:
        """Open an address in such a window."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.tell("Emulation.setDeviceMetricsOverride", **metrics)
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        call(f"{self.session}/url", {"url": address})

    def ask(self, script: str, *arguments: Any) -> Any:
        """Return what the body of a function in JavaScript returns."""
        return call(f"{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, script: str, *arguments: Any) -> Any:
        """Return what the body of a function in JavaScript gives to its last argument, a function."""
        return call(f"{self.session}/execute/async", {"script": script, "args": list(arguments)})

    def tell(self, command: str, **parameters: Any) -> Any:
        """Return the answer to a command of Chromium's own protocol."""
        return call(f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def press(self, key: str) -> None:
        """Press a key and let it go, such as ``Tab`` or ``ArrowRight``."""
        for kind in ("keyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    def save_picture(self, file: Path) -> None:
        """Write a picture of the whole page."""
        answer = self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def messages(self) -> list[str]:
        """Return the errors and warnings that the page has caused, such as what it must not load."""
        messages = [entry["message"] for entry in call(f"{self.session}/se/log", {"type": "browser"})]
        # The page that the browser itself opens first complains about a slow machine.
        return [message for message in messages if not message.startswith("chrome://")]


def call(address: str, body: Any, method: str = "POST") -> Any:
    """Send a command; return the value of its answer."""
    request = urllib.request.Request(address, method=method)
    request.add_header("Content-Type", "application/json")
    data = json.dumps(body).encode() if method == "POST" else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, data, timeout=SECONDS) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{address}: {error.read().decode()[:2000]}") from error


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """Start a browser whose data are in a new folder below ``folder``, and end it."""
    profile = folder / "profile"
    profile.mkdir()
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            port = next(
                match[1] for line in driver.stdout if (match := re.search(r"started successfully on port (\d+)", line))
            )
            options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
            wanted = {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"script": SECONDS * 1000, "pageLoad": SECONDS * 1000},
            }
            address = f"http://127.0.0.1:{port}/session"
            session = call(address, {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            try:
                yield Browser(f"{address}/{session}")
            finally:
                call(f"{address}/{session}", None, "DELETE")
        finally:
            driver.terminate()
