"""What a run does once for all hosts that ask for the same, such as fetching an archive."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from ansible import constants
from ansible_collections.grove.wsgi.plugins.plugin_utils.fetching import once


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))


def counting(calls: list[str], **result: Any) -> Callable[[], dict[str, Any]]:
    """Return work that notes each call."""

    def work() -> dict[str, Any]:
        calls.append("call")
        return result

    return work


def test_the_first_host_works_and_the_others_get_its_result() -> None:
    calls: list[str] = []
    together = Barrier(4)

    def ask() -> dict[str, Any]:
        together.wait(60)
        return once({"host": "api1", "apps": {"shop": {}}}, counting(calls, archives={"shop": "/tmp/shop.tar.gz"}))

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(ask) for _ in range(4)]]
    assert results == [{"archives": {"shop": "/tmp/shop.tar.gz"}}] * 4
    assert len(calls) == 1


def test_another_key_is_other_work() -> None:
    calls: list[str] = []
    for key in ({"host": "api1", "apps": ["a"]}, {"host": "api1", "apps": ["b"]}, {"host": "api2", "apps": ["a"]}):
        once(key, counting(calls))
    assert len(calls) == 3


def test_a_failure_is_not_kept() -> None:
    calls: list[str] = []
    for _ in range(2):
        assert once({"host": "api1"}, counting(calls, failed=True, msg="no room"))["failed"]
    assert len(calls) == 2
    with pytest.raises(OSError, match="lost"):
        once({"host": "api1"}, lambda: (_ for _ in ()).throw(OSError("lost")))
    assert once({"host": "api1"}, counting(calls, archives={})) == {"archives": {}}
