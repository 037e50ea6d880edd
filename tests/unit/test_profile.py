"""The lines of a profile."""

from __future__ import annotations

import os

from ansible_collections.grove.wsgi.plugins.plugin_utils.console import profile


def test_the_longest_task_is_first_and_the_sum_is_last() -> None:
    measured = profile.Profile(0.5)
    measured.begin(profile.BETWEEN, "", 10.0)
    measured.begin("Read", "1", 10.1)
    measured.calls([("1", 0.25), ("1", 0.5)])
    measured.done("1")
    measured.begin("Skip", "2", 12.1)
    # A task that begins once more, for another batch of hosts.
    measured.begin("Read", "1", 12.11)
    measured.calls([("1", 0.25)])
    measured.begin(profile.BETWEEN, "", 12.61)
    measured.end(12.7)
    lines = measured.lines(1.0, 2.5)
    assert lines[:2] == ["", "Where the time went: seconds, calls of modules, and the seconds of these calls"]
    assert lines[2:7] == [
        "     2.50    3    1.00  Read",
        "     0.50               Start of Ansible, and reading the playbooks",
        "     0.19               Between tasks: plays, roles and includes",
        "     0.01               Skip",
        "     3.20    3    1.00  All",
    ]
    assert lines[7] == "  tasks that every host skipped: 1"
    assert "3.50 s, of it 1.00 s of ansible-playbook and 2.50 s of" in lines[8]


def test_a_run_without_a_task_has_a_profile() -> None:
    assert profile.Profile(0.0).lines(0.1, 0.0)[2].endswith("  tasks that every host skipped: 0")


def test_the_time_since_the_start_of_this_process() -> None:
    """Linux counts in ticks."""
    expected = os.sysconf("SC_CLK_TCK") ** -1
    first = profile.seconds_since_start()
    assert 0 < first <= profile.seconds_since_start() + expected
