"""Figures of a load of lookups: what a lookup cost in questions, and for how long lookups were unwell."""

from pathlib import Path

from chaoslib_cp.fault import Delivers, Injected
from chaoslib_cp.report.text import render_text
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from tests.unit.made_timeline import EPOCH_S, Line, incident, injected, recorded, sample, series

FIGURES = ("queries_per_lookup_count", "queries_per_lookup_worst_count", "lookups_unwell_s")


def load() -> Line:
    """A load at 0 s that lasts for half a minute, of two agents."""
    delivers = Delivers("agents", wanted=2, vantage="agent_load")
    made = Injected("dns_load-1", "dns_load", "DNS load", delivers, deadline_epoch_s=EPOCH_S + 30)
    return injected(made)


def told(at_s: float, source: str = "node-1", **counts: float) -> Line:
    """An agent's account; a hundred lookups a second of 4 questions each, unless told otherwise."""
    due = counts.pop("due", at_s * 100)
    usual = {"agents_began": 1, "due": due, "sent": due, "answered": due, "good": due, "queries": due * 4, "unwell": 0}
    return sample("agent_load", at_s, target=source, fault="dns_load-1", counts={**usual, **counts})


def figures(*lines: Line) -> list[object]:
    """The figures of a load."""
    recording = recorded(load(), *lines)
    values, _ = compute(recording, find_faults(recording))
    return [values[name] for name in FIGURES]


def test_a_load_that_nothing_troubles_costs_the_same_all_along() -> None:
    """Two agents that tell at different moments."""
    lines = [told(at_s + late, source) for at_s in range(2, 30, 2) for source, late in (("node-1", 0), ("node-2", 0.7))]
    assert figures(*lines) == [4.0, 4.0, 0.0]


def test_what_dns_servers_cost_while_they_fail_is_seen() -> None:
    """From 8 to 16 s each lookup costs twelve questions and is unwell; an agent that began anew counts from 0."""
    well = [told(at_s) for at_s in (2, 4, 6)]
    sick = [told(at_s, queries=2400 + (at_s - 6) * 1200, unwell=(at_s - 6) * 100) for at_s in (8, 10, 12, 14)]
    anew = [told(at_s, due=(at_s - 14) * 100) for at_s in (16, 18, 20)]
    per_lookup, worst, unwell_s = figures(*well, *sick, *anew)
    assert per_lookup == round((2400 + 9600 + 2400) / 2000, 2)
    assert worst == 12.0
    assert unwell_s == 8.0, "the windows that begin at 8 and 12 s"


def test_without_a_load_there_is_no_such_figure() -> None:
    """What agents of a rollout tell is none; terminal and page say what a load delivered."""
    recording = recorded(*incident())
    values, reasons = compute(recording, find_faults(recording))
    assert [values[name] for name in FIGURES] == [None] * 3
    assert reasons[FIGURES[0]] == "no load of lookups told anything"
    loaded = recorded(load(), *(told(at_s, source) for at_s in (2, 29) for source in "ab"), *series("dns_cached", 40))
    facts = {"run": {"id": "r", "title": "t", "started": "s"}, "parameters": {}, "versions": {}, "scale": {}}
    drawn = render_text(summarise(loaded, [], Conduct(), facts), Path("runs/r"))
    assert "DNS load: 2 of 2 agents; sent 100% of what was asked for, 5800 lookups of 4.0 questions each: 5800" in drawn
    assert "questions that a lookup of the load cost" in drawn
