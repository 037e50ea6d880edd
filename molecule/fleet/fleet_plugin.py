"""A pytest plugin for the checks in this folder. It registers their marker."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "short: part of the short form of the scenario")
