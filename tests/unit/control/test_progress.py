"""What a run is doing is told while it takes long."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chaoslib_cp.control.progress import Progress
from chaoslib_cp.waits import telling, waiting_for
from tests.scaffold.waiting import until

LATE: dict[str, Any] = {
    "name": "delete the agent",
    "pauses": {"before": "${reaction_s}"},
    "provider": {"type": "python", "module": "m", "func": "f", "arguments": {"timeout_s": "${patience_s}"}},
}
CONFIGURATION = {"reaction_s": 20.0, "patience_s": "240", "words": "abc"}


@pytest.fixture
def progress(told: list[str]) -> Iterator[Progress]:
    """One under way, which is heard at once."""
    made = Progress()
    made.begin(CONFIGURATION)
    with telling(told.append, every_s=0.005):
        yield made
        made.ended()
    made.end()


@pytest.fixture
def told() -> list[str]:
    """The lines."""
    return []


def test_pauses_and_activities_are_told_with_their_limits(progress: Progress, told: list[str]) -> None:
    """As the file gives them, by name or by value; first the pause, then what follows it."""
    progress.before(LATE)
    until(lambda: told, "a line")
    assert told[0].startswith("waiting for the pause before 'delete the agent', until ")
    assert told[0].endswith("UTC at the latest (20 s)")
    progress.starts(LATE)
    until(lambda: "the pause" not in told[-1], "a line on the activity")
    assert told[-1].startswith("waiting for 'delete the agent', until ")
    assert told[-1].endswith("UTC at the latest (240 s)")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pauses": {"before": 0}},
        {"pauses": {"before": "${no_such}"}, "provider": {"type": "process", "arguments": "--timeout_s 3"}},
        {"provider": {"arguments": {"timeout_s": "${words}"}}},
        {"provider": {"arguments": {"timeout_s": [3]}}},
    ],
)
def test_an_activity_without_a_limit_is_told_with_the_time_it_took(
    progress: Progress, told: list[str], more: dict[str, Any]
) -> None:
    """Whatever else stands in the file."""
    progress.before({"name": "x", **more})
    until(lambda: told, "a line")
    assert told[0] == "waiting for 'x', 0 s so far"


def test_after_the_last_activity_the_round_under_way_is_told(progress: Progress, told: list[str]) -> None:
    """Chaos Toolkit lets it end, and plays nothing meanwhile; it may take longer than anybody should hear nothing."""
    progress.starts(LATE)
    progress.ended()
    until(lambda: told, "a line")
    assert told[-1] == "waiting for the look at the hypothesis to end, 0 s so far"


def test_rounds_played_beside_the_method_are_not_told(progress: Progress, told: list[str]) -> None:
    """They would end what is told of the activity that is waited for."""
    progress.starts({"name": "the long one"})

    def round_of_the_hypothesis() -> None:
        progress.starts({"name": "a probe"})
        progress.ended()

    beside = threading.Thread(target=round_of_the_hypothesis)
    beside.start()
    beside.join()
    lines = len(told)
    until(lambda: len(told) > lines, "one more line")
    assert {line.partition(",")[0] for line in told} == {"waiting for 'the long one'"}


def test_a_run_is_told_on_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    """By the logger that Chaos Toolkit shows, also while its rounds are kept off the terminal."""
    caplog.set_level(logging.INFO, "chaostoolkit")
    progress = Progress()
    progress.begin({})
    with waiting_for("the gate", None, at_once=True):
        assert [(one.getMessage(), hasattr(one, "chaoslib_cp")) for one in caplog.records] == [
            ("waiting for the gate, 0 s so far", True)
        ]
    progress.end()
    with waiting_for("nobody", None, at_once=True):
        assert len(caplog.records) == 1
