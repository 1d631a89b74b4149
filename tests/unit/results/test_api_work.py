"""Whose work the API servers did: from two readings of their metrics, and from what our own clients counted."""

from typing import Any

import pytest

from chaoslib_cp.report.html import render_html
from chaoslib_cp.results.api_work import api_work
from chaoslib_cp.results.faults import find_faults
from tests.unit.made_timeline import Line, account, event, incident, recorded, rollout, sample, series
from tests.unit.report.test_report import the_incident

SERVER = "10.0.0.1:6443"
LEVELS = {"service-accounts": "workload-low", "global-default": "global-default", "exempt": "exempt"}


def reading(at_s: float, started_s: float = 7.0, server: str = SERVER, **flows: tuple[float, float, float]) -> Line:
    """One reading: dispatched, rejected and seconds of execution, by FlowSchema; each request has two seats."""
    rows = [
        [name.replace("_", "-"), LEVELS[name.replace("_", "-")], *counts, 2 * counts[0]]
        for name, counts in flows.items()
    ]
    return event("api_work", at_s, server=server, started_s=started_s, cpu_s=at_s + 10, flows=rows)


BEGIN = reading(-5, service_accounts=(1000, 0, 10), global_default=(500, 0, 5))
END = reading(95, service_accounts=(2950, 50, 85), global_default=(600, 0, 10), exempt=(100, 0, 20))
FLOWS = event("api_flows", -5, schemas={"uid-1": "service-accounts", "uid-2": "global-default"}, observer="uid-2")
LOAD = event("load_cpu", 5, fault="api_overload-1", client_cpu_s=1.0, flow_schema="uid-1")


def work(*lines: Line) -> dict[str, Any]:
    """What is told of a rollout whose agents got 1100 answers, with these lines beside it."""
    recording = recorded(*rollout(), account(20.0, due=2000, answered=1100, received_bytes=2_000_000), *lines)
    return api_work(recording, find_faults(recording))


def test_shares_are_those_of_what_came_between_two_readings() -> None:
    """Requests of the agents and of the observer by their own count, execution by flow."""
    asked = [*series("api_read", 45), sample("api_read", 46, "timeout"), sample("dns_cached", 47)]
    told = work(BEGIN, FLOWS, LOAD, *asked, event("observer_ended", 94, received_bytes=123_456), END)
    assert (told["unknown"], told["requests"], told["execution_s"], told["cpu_s"]) == ([], 2200, 100.0, 100.0)
    assert told["agents"] == {"requests": 1100, "received_bytes": 2_000_000, "request_share": 0.5}
    assert told["observer"] == {"requests": 50, "received_bytes": 123_456, "request_share": round(50 / 2200, 4)}
    keys = ("flow_schema", "requests", "rejected", "execution_share")
    assert [tuple(one[key] for key in keys) for one in told["flows"]] == [
        ("service-accounts", 2000, 50, 0.75), ("exempt", 100, 0, 0.2), ("global-default", 100, 0, 0.05),
    ]  # fmt: skip
    assert told["flows"][0]["seats"] == 2 * 1950
    assert [one["ours"] for one in told["flows"]] == [["api_overload-1"], [], ["observer"]]


UNKNOWN: dict[str, tuple[list[Line], str]] = {
    "nobody read": ([], "was not read at the begin and at the end"),
    "not allowed": ([event("api_work", -5, unknown="403")], "403"),
    "read once": ([BEGIN], "10.0.0.1:6443: read once alone"),
    "restarted": ([BEGIN, reading(95, started_s=50.0, exempt=(1, 0, 1))], "10.0.0.1:6443: restarted in the run"),
    "a line that was cut": ([event("api_work", -5, server="a", truncated=True)] * 2, "was not read"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_not_known_is_said_to_be_not_known(case: str) -> None:
    """No share is guessed; what our own clients counted is told all the same."""
    lines, words = UNKNOWN[case]
    told = work(*lines)
    assert words in told["unknown"][0]
    assert (told["requests"], told["execution_s"], told["cpu_s"], told["flows"]) == (None, None, None, [])
    assert told["agents"] == {"requests": 1100, "received_bytes": 2_000_000, "request_share": None}
    assert told["observer"]["requests"] is None


def test_the_page_says_whose_work_it_was() -> None:
    """A table by who and one by flow, and that CPU by flow is told by nobody."""
    recording = recorded(*incident(), BEGIN, FLOWS, LOAD, END)
    page = render_html({**the_incident(), "api_work": api_work(recording, find_faults(recording))}, recording)
    assert "Whose work the API servers did" in page
    assert "Kubernetes tells no CPU time by flow" in page
    assert ">service-accounts<" in page
    assert ">75.0%<" in page
