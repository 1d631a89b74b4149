"""What a ramp found, from what its process told: figures, ladder and page."""

from typing import Any

from chaoslib_cp.report.html import render_html
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.ramps import ramps
from tests.unit.made_timeline import Line, event, incident, recorded
from tests.unit.report.test_report import the_incident

FOUND: dict[str, Any] = {
    "capacity_nodes": 40,
    "capacity_rate_per_s": 2.6,
    "is_lower_bound": False,
    "crossed": {"signal": "client_p99_s", "value": 6.25, "line": 5.0, "nodes": 45},
    "hold_nodes": 40,
    "held_s": 30.0,
    "ended_by": "held to its end",
    "is_backed_off": False,
}


def rung(at_s: float, nodes: int, phase: str = "climb") -> Line:
    """One dwell of a ramp."""
    told = {"phase": phase, "nodes": nodes, "offered_per_s": nodes / 15, "answered_per_s": nodes / 15, "p50_s": 0.5}
    told |= {"p99_s": 1.5, "refused_ratio": 0.0, "error_ratio": 0.0, "server_cpu_cores": 0.3, "saturated": "cpu"}
    return event("ramp_rung", at_s, fault="api_ramp-1", rung=told)


def test_a_ramp_is_its_ladder_and_what_was_found() -> None:
    """The figures are those of its end; the page has a row for each dwell."""
    recording = recorded(rung(10, 40), rung(25, 45), event("ramp_over", 60, fault="api_ramp-1", ramp=FOUND))
    values, reasons = compute(recording, None)
    assert (values["capacity_node_count"], values["capacity_rate_per_s"]) == (40, 2.6)
    assert values["capacity_found_by"] == "client_p99_s 6.25 (line 5) at 45 virtual nodes"
    assert "capacity_node_count" not in reasons
    [told] = ramps(recording)
    assert [(row["nodes"], row["since_s"]) for row in told["ladder"]] == [(40, 0.0), (45, 15.0)]
    page = render_html({**the_incident(), "ramps": [told]}, recorded(*incident()))
    assert "api_ramp-1: 40 virtual nodes; held to its end." in page
    assert page.count(">climb<") == 2


def test_where_nothing_crossed_the_capacity_is_a_lower_bound() -> None:
    """And the reason says what ended the climb."""
    capped = {**FOUND, "is_lower_bound": True, "crossed": None, "ended_by": "the cap was reached"}
    values, reasons = compute(recorded(rung(10, 40), event("ramp_over", 60, fault="x", ramp=capped)), None)
    assert (values["capacity_node_count"], values["capacity_found_by"]) == (40, None)
    assert reasons["capacity_node_count"] == "a lower bound: the cap was reached"
    assert reasons["capacity_found_by"] == "the cap was reached"


def test_a_ramp_that_was_killed_is_told_as_far_as_it_came() -> None:
    """Its rungs are on record; a capacity is not made up from them."""
    values, reasons = compute(recorded(rung(10, 40)), None)
    assert values["capacity_node_count"] is None
    assert reasons["capacity_node_count"] == "it was killed before it could tell what it found"
    assert compute(recorded(), None)[1]["capacity_node_count"] == "no ramp was played"
