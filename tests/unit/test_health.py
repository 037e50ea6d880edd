"""When all processes of a slot count as healthy, by the answers of their door."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file, daemons, health, limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Answer
from record_settings import switching_part

ROUND = 4
"""Requests of a round to a slot with two processes."""


@pytest.fixture
def app(tmp_path: Path) -> App:
    shown = app_file.app_of(switching_part(tmp_path, 1), app_file.apache("no-such-program", None))
    return dataclasses.replace(shown, processes=2)


class Slot:
    """A slot of two processes, of which some have loaded the release in each round."""

    def __init__(self, rounds: list[list[Answer]]) -> None:
        self.rounds, self.asked, self.running = rounds, 0, {1, 2}

    def ask(self, *_: object) -> Answer:
        answers = self.rounds[min(self.asked // ROUND, len(self.rounds) - 1)]
        self.asked += 1
        return answers[self.asked % len(answers)]


ONE, TWO = Answer(200, "new", 1), Answer(200, "new", 2)
OLD, FAULT = Answer(200, "old", 1), Answer(500, "new", 1)


def attempts(number: int) -> Iterator[None]:
    yield from [None] * number


@pytest.mark.parametrize(
    ("rounds", "number", "expected", "asked"),
    [
        pytest.param([[ONE, TWO]], 1, True, 1, id="all answer"),
        # The second round brings no further process, so that the attempt ends.
        pytest.param([[ONE], [ONE], [TWO]], 1, False, 2, id="one still loads"),
        pytest.param([[ONE], [ONE], [TWO]], 2, True, 3, id="the other answers in the next attempt"),
        pytest.param([[ONE], [ONE], [OLD], [TWO]], 3, False, 5, id="a bad answer makes none count"),
        pytest.param([[ONE], [ONE], [FAULT], [TWO], [TWO], [ONE]], 4, True, 6, id="until all have answered again"),
    ],
)
def test_every_process_has_to_answer_well(
    rounds: list[list[Answer]],
    number: int,
    expected: bool,
    asked: int,
    app: App,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slot = Slot(rounds)
    monkeypatch.setattr(health, "ask", slot.ask)
    monkeypatch.setattr(daemons, "pids", lambda *_: slot.running)
    # One request at a time, so that each round has its own answers.
    monkeypatch.setattr(limits, "HEALTH_CONNECTIONS", 1)
    assert health.all_healthy(app, "green", "new", attempts(number)) is expected
    assert slot.asked == asked * ROUND


def test_a_process_that_has_ended_does_not_count(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = Slot([[ONE], [TWO]])
    monkeypatch.setattr(health, "ask", slot.ask)
    monkeypatch.setattr(daemons, "pids", lambda *_: {2, 3} if slot.asked > ROUND else {1, 2})
    monkeypatch.setattr(limits, "HEALTH_CONNECTIONS", 1)
    assert not health.all_healthy(app, "green", "new", attempts(3))
