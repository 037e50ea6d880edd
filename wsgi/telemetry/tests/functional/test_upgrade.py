"""Upgrades of a database that an earlier release has made, which knew nothing of the evaluation of alarms."""

import pytest
import webtest
from telemetry.errors import SchemaMismatchError
from telemetry.storage.filters import AlarmFilter
from telemetry.storage.interface import Driver
from telemetry.storage.mongodb.driver import MongoDriver
from telemetry.storage.sqlalchemy import models, schema
from telemetry.storage.sqlalchemy.driver import SQLDriver
from telemetry.storage.stores import load_driver

from tests.conftest import configuration
from tests.functional.calls import sample


def test_what_an_earlier_release_did_not_have_is_added(clean: str, api: webtest.TestApp) -> None:
    api.post_json("/v2/meters/cpu?direct=true", [sample()], status=201)
    rule = {"name": "a", "type": "threshold", "threshold_rule": {"meter_name": "m", "threshold": 1}}
    api.post_json("/v2/alarms", rule, status=201)
    driver: Driver = load_driver(configuration(clean), clean)
    try:
        _remove_additions(driver)
        # An API of this release serves a database that is not upgraded yet: a release is tried before the upgrade.
        driver.check()
        assert len(api.get("/v2/alarms").json) == 1
        if isinstance(driver, SQLDriver):
            with pytest.raises(SchemaMismatchError, match=r"lacks the table alarm_lease\. Run: telemetry-upgrade"):
                driver.check_evaluation()
    finally:
        # The version stays, so an earlier release serves the upgraded database.
        assert driver.upgrade() == driver.upgrade() == "0001"
    driver.check_evaluation()
    assert driver.leases() == []
    assert len(driver.alarms(AlarmFilter())) == 1
    assert driver.metering_counts()["samples"] == 1
    driver.close()


def _remove_additions(driver: Driver) -> None:
    if isinstance(driver, SQLDriver):
        models.metadata.drop_all(driver.database.engine(), tables=list(schema.ADDITIONS))
    else:
        assert isinstance(driver, MongoDriver)
        with driver.database.use() as db:
            db.alarm_lease.drop()
            db.alarm_notification.drop()
