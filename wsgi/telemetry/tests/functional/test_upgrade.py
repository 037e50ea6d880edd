"""Upgrades of the schema: from each version to the newest and back, with what is stored."""

from pathlib import Path

import pytest
import webtest
from telemetry.errors import SchemaMismatchError
from telemetry.storage.filters import AlarmFilter
from telemetry.storage.sqlalchemy import schema
from telemetry.storage.stores import load_driver

from tests.conftest import configuration
from tests.functional.calls import sample


@pytest.mark.parametrize("older", schema.REVISIONS[:-1])
def test_older_and_newer(clean: str, api: webtest.TestApp, older: str) -> None:
    api.post_json("/v2/meters/cpu?direct=true", [sample()], status=201)
    rule = {"name": "a", "type": "threshold", "threshold_rule": {"meter_name": "m", "threshold": 1}}
    api.post_json("/v2/alarms", rule, status=201)
    driver = load_driver(configuration(clean), clean)
    try:
        assert driver.upgrade(older) == older
        with pytest.raises(SchemaMismatchError, match=f"is {older}, older than {schema.HEAD}"):
            driver.check()
    finally:
        assert driver.upgrade() == schema.HEAD
    driver.check()
    assert driver.leases() == []
    assert len(driver.alarms(AlarmFilter())) == 1
    assert driver.metering_counts()["samples"] == 1
    driver.close()


def test_the_newest_release_after_the_first(tmp_path: Path) -> None:
    """A database of the first schema, which has never seen a newer one."""
    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    driver = load_driver(configuration(url), url)
    assert driver.upgrade("0001") == "0001"
    assert driver.upgrade() == schema.HEAD
    driver.close()
