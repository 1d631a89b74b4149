"""Workload DNS seen from several nodes: it is broken where any node suffers, and each node must be seen."""

import re
from typing import Any

import pytest

from chaoslib_cp.fault import Expects, Injected
from chaoslib_cp.report.strips import draw_strips
from chaoslib_cp.results.expectations import judge_expectations
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.story import tell
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from tests.unit.made_timeline import EPOCH_S, Line, event, injected, recorded, sample, series
from tests.unit.results.test_coverage_of_claims import DNS, judged

FAULT_S = 40.0
SERVERS, CACHES = "dns_uncached", "dns_cached"
Bad = dict[tuple[float, float], str]


def gone() -> Line:
    """DNS servers go away at 0 s, for 40 s; workloads are expected to suffer."""
    made = Injected(
        fault="dns_gone-1",
        kind="dns_gone",
        label="DNS gone",
        expects=(Expects(CACHES, window_s=5.0, within_s=60.0, share=0.9),),
        deadline_epoch_s=EPOCH_S + FAULT_S,
    )
    return injected(made, at_s=0.5)


def node(name: str, servers: Bad | None = None, caches: Bad | None = None, until_s: float = 80.0) -> list[Line]:
    """What is asked from a node. Its cache has the address that the caches of all nodes have."""
    return [
        *series(SERVERS, until_s, servers, node=name, target="10.96.0.10"),
        *series(CACHES, until_s, caches, node=name, target="169.254.20.10", ttl_s=20.0),
    ]


WELL = node("worker-1")
FIRST = node("worker-2", {(3, 30): "servfail"}, {(12, 35): "servfail"})
LAST = node("worker-3", {(4, 30): "servfail"}, {(20, 55): "servfail"})


def figures(*lines: Line) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures, and the reasons that they come with."""
    recording = recorded(gone(), *lines)
    return compute(recording, find_faults(recording))


def test_the_first_node_that_suffers_and_the_last_that_is_healed_count() -> None:
    """As of one prober: caches of other nodes that hold longer hide nothing from the first that fails."""
    values, reasons = figures(*WELL, *FIRST, *LAST)
    assert (values["mask_s"], values["dns_lost_s"], values["recover_full_s"]) == (9.0, 35.0, 15.0)
    assert values["dns_lost_by_node_s"] == {"worker-2": 23.0, "worker-3": 35.0}
    assert (values["dns_seen_node_count"], "dns_seen_node_count" in reasons) == (3, False)


def test_the_story_names_the_nodes() -> None:
    """In the order in which they failed; where all failed, how many there are says nothing more."""
    recording = recorded(gone(), *WELL, *FIRST, *LAST)
    faults = find_faults(recording)
    assert faults is not None
    said = {moment.what: moment.since_s for moment in tell(recording, faults)}
    assert said["workload DNS FAILS on worker-2 and worker-3, 2 of 3 nodes (mask is over)"] == 12.0
    assert said["workload DNS works again (after 2 failures)"] == 55.0
    many = [line for number in range(5) for line in node(f"node-{number}", None, {(12 + number, 35): "servfail"})]
    recording = recorded(gone(), *many)
    assert "workload DNS FAILS on 5 of 5 nodes, first on node-0" in {one.what for one in tell(recording, faults)}


def test_one_prober_reads_as_before() -> None:
    """Whether it tells its node or not, no sentence names it."""
    for name in ("", "worker-2"):
        recording = recorded(gone(), *node(name, {(3, 30): "servfail"}, {(12, 35): "servfail"}))
        faults = find_faults(recording)
        assert faults is not None
        assert "workload DNS FAILS (mask is over)" in {one.what for one in tell(recording, faults)}
        assert compute(recording, faults)[0]["mask_s"] == 9.0


def test_a_page_that_never_answered_is_named() -> None:
    """Nobody saw what its node suffered; that is known, and it is no failure of the others."""
    never = event("prober_lost", 0.0, reason="its page has never answered: refused", page="192.0.2.3:30953")
    values, reasons = figures(*WELL, never)
    assert values["dns_seen_node_count"] == 1
    assert reasons["dns_seen_node_count"] == "not seen: 192.0.2.3:30953 never answered"
    assert figures(*node(""))[1]["dns_seen_node_count"] == "no prober told its node"


METHOD = [
    event("activity_started", 0.0, name="wait", phase="method"),
    event("activity_ended", FAULT_S, name="wait", phase="method"),
]
LATE = [line for line in node("worker-3") if line["at_s"] > EPOCH_S + 20]


@pytest.mark.parametrize(
    ("lines", "word", "why"),
    [
        ([*WELL, *node("worker-2")], "held", "every claim was checked all the time and was always true"),
        ([*WELL, *node("worker-2", until_s=10.0)], "inconclusive",
         "names: nobody looked at dns_cached for 31 s while the method ran, from node worker-2"),
        ([*WELL, *node("worker-2", until_s=3.0)], "inconclusive",
         "names: only 3 usable samples of dns_cached while the method ran, from node worker-2"),
        ([*WELL, *LATE], "held", "every claim was checked all the time and was always true"),
        ([*WELL, *FIRST], "broke", "the claim was false: names on worker-2, 1 of 2 nodes"),
    ],
    ids=["all seen", "one lost", "one lost at once", "one that came later", "one suffers"],
)  # fmt: skip
def test_no_node_stands_for_another(lines: list[Line], word: str, why: str) -> None:
    """A node that was seen when it began must be seen to the end, and its suffering breaks the claim."""
    verdict = judged([*METHOD, *lines], range(0, 40, 5), DNS)
    assert (verdict.word, verdict.why) == (word, (why,))


def test_what_came_on_one_node_has_come() -> None:
    """A share over all nodes would hide it; else the node that came closest is told."""
    for lines, came in (((*WELL, *FIRST), True), ((*WELL, *node("worker-2")), False)):
        recording = recorded(gone(), *lines)
        [expectation] = judge_expectations(recording, find_faults(recording))
        assert expectation.came is came


def test_strips_are_of_the_nodes_that_fared_worst() -> None:
    """Three for each question and server, and the label says how many are not shown."""
    caches = [
        sample("dns_pod", 0.1, "ok" if number else "servfail", node=f"n{number}", target="t") for number in range(5)
    ]
    drawn = draw_strips(recorded(*WELL, *FIRST, *LAST, *caches), EPOCH_S, [])
    labels = re.findall('class="target"[^>]*>([^<]*)<', drawn)
    assert labels[:3] == [f"dns_pod t from n{number} (2 not shown)" for number in range(3)]
    assert labels[6:9] == [f"{CACHES} 169.254.20.10 from worker-{number}" for number in (1, 2, 3)]


def test_a_summary_with_nodes_is_plain_json() -> None:
    """Other tools read it."""
    summary = summarise(recorded(gone(), *WELL, *FIRST), (), Conduct(), {})
    assert summary["figures"]["dns_lost_by_node_s"] == {"worker-2": 23.0}
