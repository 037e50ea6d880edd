"""A real Apache whose parent looks at once for processes that have ended, when it gets SIGCONT."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from httpd_modules import wake_file

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev")

CONFIGURATION = """
ServerRoot {root}
PidFile {root}/pid
ServerName localhost
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
ErrorLog {root}/error.log
Listen 127.0.0.1:18332
ServerLimit 1
StartServers 1
"""
ROUNDS = 6
SOON = 0.4
"""Seconds. Without the signal the parent needs up to one: six times in a row it hardly ever needs less than this."""


def wait_until_worker(parent: int) -> int:
    """Return the process id of Apache's worker process."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if children := [pid for pid in processes.children(parent) if not processes.has_ended(pid)]:
            return children[0]
        time.sleep(0.02)
    pytest.fail("Apache starts no worker process")


def seconds_until_gone(parent: int) -> float:
    """End the worker process at another moment of the parent's second each time; return how long it stays a zombie."""
    worker = wait_until_worker(parent)
    os.kill(worker, signal.SIGKILL)
    begun = time.monotonic()
    while processes.start_time(worker):
        if processes.has_ended(worker):
            os.kill(parent, signal.SIGCONT)
        time.sleep(0.01)
    return time.monotonic() - begun


@pytest.fixture
def configuration() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "apache.conf")
        path.write_text(CONFIGURATION.format(root=folder))
        yield path


@pytest.fixture
def parent(configuration: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The parent process of an Apache, with the module where the test says so."""
    if request.param:
        configuration.write_text(f'{configuration.read_text()}LoadModule grove_wake_module "{wake_file()}"\n')
    apache = subprocess.Popen(["apache2", "-f", configuration, "-DFOREGROUND"], stdin=subprocess.DEVNULL)
    try:
        wait_until_worker(apache.pid)
        yield apache.pid
        assert apache.poll() is None
    finally:
        apache.terminate()
        apache.wait(30)


@pytest.mark.parametrize("parent", [True], indirect=True)
def test_the_signal_ends_the_wait_also_after_a_reload(parent: int, configuration: Path) -> None:
    for _ in range(2):
        assert max(seconds_until_gone(parent) for _ in range(ROUNDS)) < SOON
        log, former = configuration.with_name("error.log"), wait_until_worker(parent)
        resumed = log.read_text().count("resuming normal operations")
        os.kill(parent, signal.SIGUSR1)
        end = time.monotonic() + 20
        while log.read_text().count("resuming normal operations") == resumed or processes.start_time(former):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)


@pytest.mark.parametrize("parent", [False], indirect=True)
def test_an_apache_without_the_module_ignores_the_signal(parent: int) -> None:
    assert max(seconds_until_gone(parent) for _ in range(ROUNDS)) > SOON
