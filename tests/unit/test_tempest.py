"""The comparison of Tempest's results with the failures that are known, and their list in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tempest_results import Known, Result, by_reason, differences, read_known

REPOSITORY = Path(__file__).parents[2]
KNOWN = [
    Known(r"test_volumes\..*from_image", "the driver stores nothing"),
    Known(r"test_clock", "the clock", unstable="it depends on the hour"),
]
FAILING = Result("api.test_volumes.Volumes.test_create_from_image[id-1]", "fail", "Traceback\nTimeout: 120 s")


def test_a_run_with_the_known_failures_alone_has_no_difference() -> None:
    results = [FAILING, Result("api.test_clock.Clock.test_now", "success"), Result("api.test_other.Other.test", "skip")]
    assert differences(results, KNOWN, whole=True) == []
    assert by_reason(results, KNOWN) == {"the driver stores nothing": 1}


@pytest.mark.parametrize("name", ["api.test_other.Other.test", "setUpClass (api.test_other.Other)"])
@pytest.mark.parametrize("status", ["fail", "inprogress", "uxsuccess"])
def test_another_failure_is_a_difference(name: str, status: str) -> None:
    [line] = differences([FAILING, Result(name, status, "Traceback\nKeyError: 'a'\n")], KNOWN, whole=False)
    assert line.startswith(f"{name}: {status}: KeyError: 'a'")
    assert by_reason([Result(name, "fail")], KNOWN) == {"not known": 1}


@pytest.mark.parametrize("status", ["success", "skip"])
def test_a_known_failure_that_does_not_fail_is_a_difference(status: str) -> None:
    [line] = differences([Result(FAILING.name, status)], KNOWN, whole=False)
    assert FAILING.name in line


def test_an_entry_without_a_test_is_a_difference_of_a_whole_run() -> None:
    assert [line for line in differences([], KNOWN, whole=True) if "test_clock" in line]
    assert differences([], KNOWN, whole=False) == []


def test_every_known_failure_has_a_reason_and_a_line_in_the_documentation() -> None:
    known = read_known()
    for one in known:
        re.compile(one.tests)
        assert len(one.reason) > 20
    page = (REPOSITORY / "docs" / "openstack.md").read_text()
    section = page.split("\n## Tempest\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| `(.+?)` \| (.+?) \|$", section)
    assert rows == [(one.tests.replace("|", r"\|"), one.reason + one.unstable) for one in known]
