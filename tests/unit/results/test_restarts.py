"""Figures of API servers that go away, from timelines made by hand."""

import re
from pathlib import Path
from typing import Any

from chaoslib_cp.fault import Delivers, Injected
from chaoslib_cp.report.text import render_text
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from tests.unit.made_timeline import EPOCH_S, Line, injected, recorded, series

FIRST = "192.0.2.1:6443"
SECOND = "192.0.2.2:6443"
GONE = "refused"


def load(number: int, ends_s: float, began_s: float = 0.0) -> Line:
    """A load that ends by itself."""
    delivers = Delivers("virtual nodes", wanted=2, vantage="agent_load")
    name = f"api_overload-{number}"
    made = Injected(name, "api_overload", "API overload", delivers, deadline_epoch_s=EPOCH_S + ends_s)
    return injected(made, began_s, at_s=began_s + 1)


def livez(until_s: float, bad: dict[tuple[float, float], str] | None = None, target: str = FIRST) -> list[Line]:
    """Samples of one server, one each second."""
    return series("api_server_livez", until_s, bad, target=target)


def figures(*lines: Line) -> tuple[dict[str, Any], dict[str, str]]:
    """Values and reasons."""
    recording = recorded(*lines)
    return compute(recording, find_faults(recording))


def moments(values: dict[str, Any]) -> list[object]:
    """How often, the first and the last time."""
    return [values[f"api_{name}"] for name in ("restart_count", "first_restart_s", "last_restart_s")]


def test_each_time_that_a_server_is_gone_counts_once() -> None:
    """Two servers; one that is back and answers late is there, and gone anew when it refuses again."""
    first = livez(90, {(10, 20): GONE, (20, 30): "timeout", (30, 40): GONE})
    values, _ = figures(load(1, 60), *first, *livez(90, {(50, 55): GONE}, SECOND))
    assert moments(values) == [3, 10.0, 50.0]


def test_one_that_is_started_anew_at_once_has_lost_its_connections() -> None:
    """Nobody is refused: the new process takes connections before it can answer."""
    lines = livez(90, {(10, 11): "reset", (12, 15): "timeout"})
    for line in lines:
        if round(line["at_s"] - EPOCH_S) in (11, 40):
            line["hung_up"] = True
    values, _ = figures(load(1, 60), *lines)
    assert moments(values) == [2, 10.0, 40.0]


def test_a_slow_server_is_not_gone() -> None:
    """Time-outs and rejections are of a process that is there."""
    values, reasons = figures(load(1, 60), *livez(90, {(10, 20): "timeout", (30, 40): "http_429"}))
    assert moments(values) == [0, None, None]
    assert reasons["api_first_restart_s"] == "no API server went away"


def test_recovery_counts_from_the_end_of_each_load_to_the_last_failure() -> None:
    """A lucky answer in between is none: it must go on to answer; what failed for people counts, too."""
    reads = series("api_read", 200, {(10, 110): "timeout"})
    values, reasons = figures(load(1, 60), *livez(200, {(10, 70): GONE, (80, 100): GONE}), *reads)
    assert values["api_recover_by_load_s"] == {"api_overload-1": 50.0}
    assert "api_recover_by_load_s" not in reasons


def test_who_needed_the_end_of_another_load_did_not_come_back_alone() -> None:
    """The clients that went on kept it down; and who is not back at the end has no number."""
    loads = (load(1, 150), load(2, 60, began_s=10))
    values, reasons = figures(*loads, *livez(200, {(20, 160): GONE}))
    assert values["api_recover_by_load_s"] == {"api_overload-1": 10.0, "api_overload-2": 100.0}
    assert reasons["api_recover_by_load_s"] == "api_overload-2: not by itself: api_overload-1 ended in between"
    values, reasons = figures(load(1, 60), *livez(200, {(20, 200): GONE}))
    assert values["api_recover_by_load_s"] is None
    assert reasons["api_recover_by_load_s"] == "api_overload-1: it was not back when the recording ended"


def test_the_terminal_tells_them_where_a_server_went_away() -> None:
    """And is silent about them in every other run."""
    for bad, is_told in (({(20.0, 40.0): GONE}, True), ({}, False)):
        recording = recorded(load(1, 30), *livez(200, bad))
        drawn = render_text(summarise(recording, [], Conduct(), {}), Path("runs/memory"))
        assert (
            bool(re.search(r"times that an API server went away +1 +first at 20.0 s; last at 20.0 s", drawn)) is is_told
        )
        assert ("since the end of api_overload-1 10.0 s" in re.sub(" +", " ", drawn)) is is_told, drawn


def test_without_samples_of_each_server_nobody_counts() -> None:
    """Missing data is no zero."""
    values, reasons = figures(load(1, 60), *series("api_read", 90))
    assert moments(values) == [None, None, None]
    assert reasons["api_restart_count"] == "no API server was asked by itself"
