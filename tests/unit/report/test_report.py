"""The table and the page: what a reader sees, exactly, and nothing from outside as markup."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.fault import NotPlayed
from chaoslib_cp.report.html import render_html
from chaoslib_cp.report.strips import draw_strips
from chaoslib_cp.report.text import render_text
from chaoslib_cp.report.words import value_of
from chaoslib_cp.results.figures import all_figures, unit_of
from chaoslib_cp.results.hypothesis import read_hypothesis
from chaoslib_cp.results.recording import record
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from tests.places import GOLDEN
from tests.unit.made_timeline import event, incident, recorded, rollout, sample, series
from tests.unit.results.test_verdict import EXPERIMENT, WORDS, a_round, journal

FACTS: dict[str, dict[str, Any]] = {
    "run": {"id": "20241211T151200Z-openai-2024-12-11", "title": "The day", "started": "2024-12-11T15:12:00+00:00"},
    "parameters": {"configuration": {"dns_restart": "delete-pods"}, "activities": {}},
    "versions": {"kube-apiserver": "v1.36.0"},
    "scale": {"node_cache_ttl_s": "20 s here stand for the 20 minutes of the original"},
}


def the_incident(conduct: Conduct | None = None, **changed: dict[str, Any]) -> dict[str, Any]:
    """The summary of the incident made by hand."""
    rounds = [a_round(at_s) for at_s in range(5)]
    rounds += [a_round(at_s, **{WORDS[0]: "met", WORDS[1]: "not met"}) for at_s in range(8, 40)]
    rounds += [a_round(at_s, **{WORDS[0]: "not met"}) for at_s in range(42, 100, 2)]
    parts = read_hypothesis(EXPERIMENT, journal(*rounds), {})
    return summarise(recorded(*incident()), parts, conduct or Conduct(), {**FACTS, **changed})


def test_the_table_is_the_golden_one() -> None:
    """The terminal shows exactly tests/golden/incident.txt for the incident made by hand."""
    drawn = render_text(the_incident(), Path("runs/20241211T151200Z-openai-2024-12-11")) + "\n"
    assert drawn == (GOLDEN / "incident.txt").read_text(encoding="utf-8")


def test_the_summary_is_the_golden_one() -> None:
    """summary.json is exactly tests/golden/incident.summary.json: other tools read it."""
    assert the_incident() == json.loads((GOLDEN / "incident.summary.json").read_text(encoding="utf-8"))


def test_the_page_is_the_golden_one() -> None:
    """The page is exactly tests/golden/incident.html."""
    drawn = render_html(the_incident(), recorded(*incident()))
    assert drawn == (GOLDEN / "incident.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No script, no link, no picture, no style from another place; and its drawing is well formed."""
    page = render_html(the_incident(), recorded(*incident()))
    assert not re.search(r"<(script|link|img|iframe|object)|https?://|@import|url\(", page)
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert [len(ElementTree.fromstring(one).findall("rect")) > 20 for one in drawings] == [True, True]  # noqa: S314 - we drew it ourselves


@pytest.mark.parametrize("key", ["title", "id"])
def test_what_comes_from_outside_is_text_on_the_page(key: str) -> None:
    """Titles, targets, reasons and scale sentences are escaped wherever they appear."""
    evil = "<img src=x onerror=alert(1)>&'\""
    summary = the_incident(
        Conduct(left_behind=(evil,)),
        run={**FACTS["run"], key: evil},
        scale={"knob": evil},
        parameters={"configuration": {"x": evil}, "activities": {}},
    )
    summary["parts"][0]["why"] = evil
    summary["reasons"]["mask_s"] = evil
    lines = [*incident(), sample("dns_pod", 30.0, "servfail", target=evil), sample(evil, 30.0, evil)]
    page = render_html(summary, recorded(*lines))
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_strip_says_in_which_phase_a_call_failed() -> None:
    """A handshake that does not end tells of a starved server, an answer that does not come of a queue."""
    calls = [
        sample("api_read", at_s, "timeout", failed_in=phase) for at_s, phase in ((1.0, "tls"), (4.0, "first_byte"))
    ]
    drawn = draw_strips(recorded(*calls, sample("api_read", 7.0, "http_429")), None, [])
    words = ["timeout in the TLS handshake", "timeout while waiting for the answer", "http_429"]
    assert re.findall("<title>(.*?)</title>", drawn) == [*words, *words]  # for a wide and for a narrow screen


def test_accounts_have_no_strip() -> None:
    """There is one for each node, and none of them is good or bad."""
    drawn = draw_strips(recorded(sample("agent_load", 1.0, target="node-1"), sample("api_read", 1.0)), None, [])
    assert "api_read" in drawn
    assert "node-1" not in drawn


def test_a_run_without_samples_can_still_be_read() -> None:
    """Nothing recorded: both forms say so instead of failing."""
    summary = summarise(record([]), [], Conduct(interrupted_by="signal SIGTERM"), FACTS)
    assert "No samples were taken." in render_html(summary, record([]))
    assert "because: interrupted by signal SIGTERM" in render_text(summary, Path("runs/x"))


def test_a_run_that_injected_nothing_is_told_in_a_few_lines() -> None:
    """No figure of a fault, no sentence about the load, and nothing that would work again."""
    recording = recorded(*series("api_read", 9))
    summary = summarise(recording, [], Conduct(has_method=False), FACTS)
    page, drawn = render_html(summary, recording), render_text(summary, Path("runs/x"))
    assert "healed: nothing was injected, and nothing of this run is left in the cluster" in drawn
    assert "VERDICT: HELD (every claim of the hypothesis was true when it was checked)" in render_text(
        {**summary, "verdict": "held"}, Path("runs/x")
    )
    assert len(drawn.splitlines()) < 6
    assert "Nothing was injected, so the figures of a fault are left out." in page
    assert page.count("nothing was injected") == 1
    for told in (page, drawn):
        assert "works again" not in told
        assert "the 20 minutes of the original" not in told.partition("<h2>Scale</h2>")[0]


def test_nothing_works_again_that_never_broke() -> None:
    """A run that held is healed, and that is all."""
    summary = summarise(recorded(*rollout(), *series("api_read", 60)), [], Conduct(), FACTS)
    assert "healed: nothing of this run is left in the cluster\n" in render_text(summary, Path("runs/x"))


@pytest.mark.parametrize(
    ("cached", "uncached", "told"),
    [
        (
            {(39, 60): "servfail"},
            {(20, 60): "servfail"},
            ["DNS servers fail; caches still answer (mask begins)", "workload DNS FAILS (mask is over)"],
        ),
        ({}, {(20, 60): "servfail"}, ["DNS servers fail; caches still answer (mask begins)"]),
        ({(20, 60): "servfail"}, {}, ["workload DNS FAILS"]),
        ({(10, 60): "servfail"}, {(20, 60): "servfail"}, ["workload DNS FAILS", "DNS servers fail"]),
    ],
)
def test_the_story_tells_of_a_mask_only_where_there_was_one(
    cached: dict[tuple[float, float], str], uncached: dict[tuple[float, float], str], told: list[str]
) -> None:
    """Caches that did not answer hid nothing."""
    recording = recorded(*rollout(), *series("dns_cached", 60, cached), *series("dns_uncached", 60, uncached))
    story = summarise(recording, [], Conduct(), FACTS)["story"]
    assert [moment["what"] for moment in story if moment["kind"] == "bad"] == told


def test_an_act_that_did_nothing_is_told_as_that() -> None:
    """With coupling none no DNS server restarts, whatever the activity is called."""
    name = "restart the DNS servers"
    output = NotPlayed("coupling is none").as_dict()
    act = [
        event("activity_started", 9.0, name=name, type="action"),
        event("activity_ended", 9.1, name=name, type="action", status="succeeded", output=output),
    ]
    story = summarise(recorded(*rollout(), *act), [], Conduct(), FACTS)["story"]
    assert story[-1]["what"] == "restart the DNS servers: not played, coupling is none"


def test_what_is_left_behind_is_said_with_the_way_out() -> None:
    """An unhealed cluster stands in the table with the command that heals it."""
    drawn = render_text(the_incident(Conduct(left_behind=("DaemonSet kube-system/agent",))), Path("runs/x"))
    assert "NOT HEALED: DaemonSet kube-system/agent; run `chaos cp recover`" in drawn
    assert "healed: nothing" not in drawn


def test_every_figure_has_words_for_a_person() -> None:
    """No name of summary.json shows up raw in a report."""
    assert list(the_incident()["figures"]) == [row.name for row in all_figures()]


@pytest.mark.parametrize(
    ("name", "value", "drawn"),
    [
        ("mask_s", 19.84, "19.8 s"),
        ("mask_s", 0.042, "0.04 s"),
        ("mask_s", 0.0, "0.0 s"),
        ("mask_s", None, "- s"),
        ("dns_success_ratio_cached", 0.4291, "42.9 %"),
        ("rollout_share_at_first_signal", 1.0, "100.0 %"),
        ("observer_samples", 1234, "1234"),
        ("amplification", 84.2, "84.2 x"),
        ("misleading_green", [], "none"),
        ("api_error_ratio_by_class", {"api_read": {}}, "api_read: no failure"),
        ("dns_latency_p99_by_layer_s", {"dns_pod": 0.00042, "dns_cached": 1.9}, "dns_pod 0.4 ms, dns_cached 1.9 s"),
    ],
)
def test_values_are_said_with_their_unit(name: str, value: Any, drawn: str) -> None:
    """Seconds to a tenth, ratios in percent, and a dash for what was not measured."""
    assert f"{value_of(name, value)} {unit_of(name)}".strip() == drawn


def test_the_page_says_why_what_was_expected_did_not_come() -> None:
    """In the words of the results; and names from outside never become markup."""
    summary = the_incident()
    [expected] = summary["expectations"]
    doubt = "nobody can tell whether it came: <b> was so already before"
    page = render_html({**summary, "expectations": [{**expected, "came": False, "doubt": doubt}]}, recorded())
    assert "within 30 s: nobody can tell whether it came: &lt;b&gt; was so already before</li>" in page


def test_terminal_and_page_say_what_was_delivered() -> None:
    """The load in numbers, and in capitals when it was too little."""
    summary = the_incident()
    line = "agent rollout: 200 of 200 agents; sent 98% of what was asked for, 1764 requests: 1080 answered"
    assert line in render_text(summary, Path("runs/r"))
    assert line in render_html(summary, recorded())
    [fault] = summary["faults"]
    short = {**fault, "delivered": {**fault["delivered"], "shortfall": "only 3 of 200 agents began"}}
    assert "NOT DELIVERED: only 3 of 200 agents began" in render_text({**summary, "faults": [short]}, Path("runs/r"))
