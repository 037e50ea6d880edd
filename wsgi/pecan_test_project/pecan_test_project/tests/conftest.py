"""The application under test, made from the project's own config.py and api-paste.ini."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from paste.deploy import loadapp
from pecan.testing import load_test_app, reset_global_config
from webtest import TestApp

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _pristine_configuration() -> Iterator[None]:
    yield
    reset_global_config()


@pytest.fixture
def app() -> TestApp:
    return load_test_app(str(PROJECT / "config.py"))


@pytest.fixture
def paste_app() -> TestApp:
    return TestApp(loadapp(f"config:{PROJECT / 'api-paste.ini'}"))


class LogLines(logging.Handler):
    """Collects log records as text, with the traceback if a record has one."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The lines that the project logs during the test."""
    handler = LogLines()
    logger = logging.getLogger("pecan_test_project")
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)
