"""The rounds of the hypothesis: told when they change, kept off the terminal otherwise, always in log files."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.control.rounds import Rounds

LOGGER = logging.getLogger("chaostoolkit")
MET = {"steady_state_met": True, "probes": [{"activity": {"name": "dns"}}]}
NOT_MET = {"steady_state_met": False, "probes": [{"activity": {"name": "api"}}, {"activity": {"name": "dns"}}]}


class Terminal(logging.StreamHandler[Any]):
    """A terminal that keeps what it shows."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.setLevel(level)
        self.shown: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line."""
        self.shown.append(record.getMessage())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Terminal:
    """Chaos Toolkit's terminal."""
    made = Terminal(logging.INFO)
    monkeypatch.setattr(LOGGER, "handlers", [made])
    monkeypatch.setattr(LOGGER, "propagate", False)
    caplog.set_level(logging.DEBUG, LOGGER.name)  # not the attribute: a logger remembers what it is enabled for
    return made


def beside(play: Callable[[], None]) -> None:
    """Play something in a thread of its own, as Chaos Toolkit plays rounds beside the method."""
    thread = threading.Thread(target=play)
    thread.start()
    thread.join()


def a_round(rounds: Rounds, *states: dict[str, Any] | None, beside_the_method: bool = True) -> Callable[[], None]:
    """Rounds with these records, each with a routine line and an error."""

    def play() -> None:
        for state in states:
            rounds.begin(beside_the_method=beside_the_method)
            LOGGER.info("Probe: dns")
            LOGGER.error("probe raised")
            rounds.end(state)

    return play


def test_only_changes_and_errors_of_rounds_beside_the_method_are_shown(terminal: Terminal) -> None:
    """Five lines a second would hide what the run is doing."""
    rounds = Rounds()
    rounds.install()
    beside(a_round(rounds, MET, NOT_MET, NOT_MET, MET, None, {}, NOT_MET))
    changes = [line for line in terminal.shown if line != "probe raised"]
    assert changes == ["Hypothesis NOT met: dns", "Hypothesis met again", "Hypothesis NOT met: dns"]
    assert terminal.shown.count("probe raised") == 7


def test_another_claim_that_fails_is_told_too(terminal: Terminal) -> None:
    """The last probe of a record is the one that was not met."""
    rounds = Rounds()
    rounds.install()
    other = {"steady_state_met": False, "probes": NOT_MET["probes"][:1]}  # type: ignore[index]
    beside(a_round(rounds, NOT_MET, other, MET))
    assert [line for line in terminal.shown if "Hypothesis" in line] == [
        "Hypothesis NOT met: dns",
        "Hypothesis NOT met: api",
        "Hypothesis met again",
    ]


def test_the_rounds_before_and_after_the_method_are_shown_as_ever(terminal: Terminal) -> None:
    """They are played in the main thread, or are told not to be beside the method."""
    rounds = Rounds()
    rounds.install()
    a_round(rounds, NOT_MET)()
    beside(a_round(rounds, NOT_MET, beside_the_method=False))
    assert terminal.shown == ["Probe: dns", "probe raised"] * 2


def test_after_the_method_a_thread_of_the_same_number_is_heard_again(terminal: Terminal) -> None:
    """The system gives numbers of threads anew; after a run nothing is filtered at all."""
    rounds = Rounds()
    rounds.install()

    def play() -> None:
        rounds.begin(beside_the_method=True)
        LOGGER.info("hidden")
        rounds.method_is_over()
        LOGGER.info("heard")

    beside(play)
    assert terminal.shown == ["heard"]
    rounds.restore()
    assert terminal.filters == []


def test_files_and_a_verbose_terminal_keep_every_line(terminal: Terminal, tmp_path: Path) -> None:
    """What is kept off the terminal must be found in the log."""
    verbose, file = Terminal(logging.DEBUG), logging.FileHandler(tmp_path / "log")
    file.setLevel(logging.INFO)
    LOGGER.handlers += [verbose, file, logging.NullHandler(logging.INFO)]
    rounds = Rounds()
    rounds.install()
    beside(a_round(rounds, MET))
    file.close()
    assert verbose.shown == ["Probe: dns", "probe raised"]
    assert (tmp_path / "log").read_text() == "Probe: dns\nprobe raised\n"
    assert terminal.shown == ["probe raised"]
    assert LOGGER.handlers[-1].filters == []


def test_a_thread_is_inside_from_the_beginning_of_a_round_to_its_end() -> None:
    """Each for itself: the method goes on meanwhile."""
    rounds = Rounds()
    seen = [rounds.inside]
    rounds.begin(beside_the_method=False)
    seen.append(rounds.inside)
    beside(lambda: seen.append(rounds.inside))
    rounds.end(None)
    assert [*seen, rounds.inside] == [False, True, False, False]
