"""What the experiment itself claimed and what its probes said, read from Chaos Toolkit's journal.

Chaos Toolkit stops a round of checks at the first probe that fails, so a round says nothing about the probes after
it. Those gaps are filled from the timeline (``verdict.py``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Template
from typing import Any

from chaoslib_cp.vantage import DNS_CACHED, all_points

CHECKED_BY_THEMSELVES = {
    "dns_truth_is_back": "of an end: while a lie is told, false answers are meant",
    "api_comes_back": "of an end: while the load is on, the API may be away",
    "api_is_saturated": "a load, not a state of health: its good is the bad of api_health",
    "dns_configuration_risks": "of what is configured, which nobody suffers from before the outage",
    "dns_servers_stay_up": "of containers that ended, which the API alone tells",
    "ramp_progress": "of our own ramp, which no vantage point of a user sees",
    "rollout_progress": "of our own rollout, which no vantage point of a user sees",
    "what_is_saturated": "of what is used up, which is no state of health by itself",
    "wait_until_recovered": "waits for several vantage points at once, for the method",
}
"""Probes of ours that no vantage point stands for, and why: like probes of others, they count as often as they ran."""


@dataclass(frozen=True)
class Check:
    """One probe of one round of the hypothesis.

    Attributes:
        at_s: Start, epoch seconds.
        met: It was within its tolerance.
        measured: It came to a result at all.
    """

    at_s: float
    met: bool
    measured: bool


@dataclass(frozen=True)
class Part:
    """One claim of the hypothesis: a probe with its tolerance.

    Attributes:
        name: Name of the probe in the experiment.
        vantages: Vantage points in the timeline that answer the same question; empty for probes of others.
        before: Checks of the baseline.
        after_start: Checks while the method ran and after it.
    """

    name: str
    vantages: tuple[str, ...]
    before: tuple[Check, ...]
    after_start: tuple[Check, ...]


def read_hypothesis(
    experiment: Mapping[str, Any], journal: Mapping[str, Any], configuration: Mapping[str, Any]
) -> list[Part]:
    """Collect for each probe of the hypothesis what was checked.

    Args:
        experiment: The experiment, for the probes in their order.
        journal: Chaos Toolkit's journal; rounds are at ``steady_states`` ``before``, ``during`` (a list) and ``after``.
        configuration: The resolved configuration: the experiment may hold placeholders such as ``${way}``.
    """
    rounds = journal.get("steady_states") or {}
    before = [rounds.get("before")]
    later = [*(rounds.get("during") or []), rounds.get("after")]
    probes = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    return [
        Part(
            name=str(probe.get("name")),
            vantages=_vantages(probe, configuration),
            before=tuple(_checks(before, probe.get("name"))),
            after_start=tuple(_checks(later, probe.get("name"))),
        )
        for probe in probes
    ]


def _vantages(probe: Mapping[str, Any], configuration: Mapping[str, Any]) -> tuple[str, ...]:
    provider = probe.get("provider") or {}
    asked = f"{provider.get('module')}:{provider.get('func')}"
    answering = [point for point in all_points() if point.probe == asked]
    by_path = {point.dns_path: point.name for point in answering if point.dns_path}
    if not by_path:
        return tuple(point.name for point in answering)
    given = str((provider.get("arguments") or {}).get("path", DNS_CACHED.dns_path))
    # as Chaos Toolkit fills placeholders in (chaoslib, substitute)
    path = Template(given).safe_substitute(configuration)
    # the probe refuses any other path; a name that nobody samples makes sure that such a claim never holds
    return (by_path.get(path, f"path {path}"),)


def _checks(rounds: Iterable[Mapping[str, Any] | None], name: object) -> Iterable[Check]:
    for one in rounds:
        for run in (one or {}).get("probes") or []:
            if run["activity"].get("name") == name:
                at_s = datetime.fromisoformat(run["start"]).timestamp()
                yield Check(at_s, bool(run.get("tolerance_met")), run.get("status") == "succeeded")
