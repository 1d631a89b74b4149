"""The observer's orders, which follow from the experiment's configuration, and waiting until it sees something."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.agent import prober
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.connect import IDENTITIES, choose
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.limits import checked
from chaoslib_cp.observe.plan import DEFAULT_PERIODS_S, MAX_DURATION_S, ObservePlan
from chaoslib_cp.observe.prober_pull import PULL_DEADLINE_S, PULL_PERIOD_S
from chaoslib_cp.observe.recent import recent_samples
from chaoslib_cp.results.hypothesis import read_hypothesis

DEFAULT_OBSERVE_S = 1800.0
"""Longer than any shipped run; the observer ends by itself after it, whatever becomes of the control."""

_SHORTEST_OBSERVE_S = 1.0
_SIGHT_WITHIN_S = 15.0
_A_FEW = 3
_LOOK_EVERY_S = 0.2
_PROBER_PERIODS_S: Final = {
    "dns_cached": prober.CACHED_PERIOD_S,
    "dns_uncached": prober.CACHED_PERIOD_S,
    "dns_pod": prober.POD_PERIOD_S,
    "dns_external": prober.EXTERNAL_PERIOD_S,
}


@dataclass(frozen=True)
class Pace:
    """How often a measure is sampled.

    Attributes:
        period_s: Seconds between the starts of two attempts.
        news_within_s: The longest that a watcher of the timeline waits for the next sample, seconds, even when every
            attempt takes its whole time to fail.
    """

    period_s: float
    news_within_s: float


def paces(configuration: Mapping[str, Any]) -> dict[str, Pace]:
    """Tell the pace of every measure that this configuration lets the observer or the prober sample.

    Raises:
        ProfileInvalid: ``observe_periods_s`` or ``observe_deadlines_s`` is wrong; nothing was changed.
    """
    try:
        plan = ObservePlan("", "", 1.0, **_cadence(configuration))
    except (TypeError, ValueError):
        raise ProfileInvalid(
            "configuration.observe_periods_s or observe_deadlines_s is not a mapping of measures to seconds; "
            "nothing was changed; mend it"
        ) from None
    asked = {measure: plan.period_s(measure) for measure in DEFAULT_PERIODS_S}
    pull_s = PULL_PERIOD_S + PULL_DEADLINE_S
    return {
        **{name: Pace(period_s, period_s + plan.deadline_s(name)) for name, period_s in asked.items() if period_s},
        **{name: Pace(one_s, one_s + prober.DEADLINE_S + pull_s) for name, one_s in _PROBER_PERIODS_S.items()},
    }


def observe_plan(
    run_dir: Path, epoch_offset_s: float, configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> ObservePlan:
    """Make the observer's orders: who asks, where, for how long at most.

    Configuration keys: ``observe_s`` (1 s to 6 h), ``observe_periods_s`` and ``observe_deadlines_s`` (by measure),
    ``prober_pages`` (list of ip:port). An identity without a context takes its vantage points with it.

    Raises:
        ProfileInvalid: One of those keys is wrong; nothing was changed.
        TargetRefused: There is no kubeconfig; nothing was changed.
    """
    chosen = {}
    for identity in IDENTITIES:
        try:
            chosen[identity] = choose(configuration, secrets, identity)
        except TargetRefused:
            if identity == "runner":
                raise
    return ObservePlan(
        run_dir=str(run_dir),
        kubeconfig=chosen["runner"].kubeconfig,
        duration_s=_observe_s(configuration),
        contexts={identity: choice.context for identity, choice in chosen.items()},
        prober_pages=_prober_pages(configuration),
        epoch_offset_s=epoch_offset_s,
        **_cadence(configuration),
    )


def watching_refusals(configuration: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with the keys that say how long is watched and where the prober is, one line each."""
    for read in (_observe_s, _prober_pages):
        try:
            read(configuration)
        except ProfileInvalid as error:
            yield str(error)


def _observe_s(configuration: Mapping[str, Any]) -> float:
    """A variable of the environment gives a number as text; an empty one gives none."""
    given = configuration.get("observe_s")
    if given is None or given == "":
        return DEFAULT_OBSERVE_S
    with suppress(ValueError):
        given = float(given) if isinstance(given, str) else given
    return checked("configuration.observe_s", given, _SHORTEST_OBSERVE_S, MAX_DURATION_S)


def _prober_pages(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    given = configuration.get("prober_pages")
    pages = [] if given is None or given == "" else given
    if not isinstance(pages, list | tuple) or not all(isinstance(page, str) for page in pages):
        raise ProfileInvalid(
            f"configuration.prober_pages is {given!r}; nothing was changed; use a list of ip:port, or leave it out"
        )
    return tuple(pages)


def _cadence(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "periods_s": dict(configuration.get("observe_periods_s") or {}),
        "deadlines_s": dict(configuration.get("observe_deadlines_s") or {}),
    }


def wait_for_sight(run_dir: Path, experiment: Mapping[str, Any], clock: Clock) -> list[str]:
    """Wait until every vantage point of the hypothesis has a few samples: a baseline needs something to stand on.

    Returns:
        The measures that still have too few after 15 s; the baseline will say what it thinks of that.
    """
    wanted = {measure for part in read_hypothesis(experiment, {}) for measure in part.measures}
    end_s = clock.monotonic_s() + _SIGHT_WITHIN_S
    while True:
        blind = [one for one in sorted(wanted) if len(recent_samples(run_dir, one, _SIGHT_WITHIN_S, clock)) < _A_FEW]
        if not blind or clock.monotonic_s() >= end_s:
            return blind
        clock.sleep(_LOOK_EVERY_S)
