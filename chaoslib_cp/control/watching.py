"""The observer's orders, which follow from the experiment's configuration, and waiting until it sees something."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.check.sight import blind_spots
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns
from chaoslib_cp.cluster.door.connect import choose
from chaoslib_cp.cluster.door.prober import configured_pages
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.limits import checked
from chaoslib_cp.observe.plan import MAX_DURATION_S, ObservePlan
from chaoslib_cp.observe.prober_page import PULL_DEADLINE_S
from chaoslib_cp.observe.prober_pull import PULL_PERIOD_S
from chaoslib_cp.observe.recent import recent_lines, recent_samples, timeline_now_s
from chaoslib_cp.results.hypothesis import read_hypothesis
from chaoslib_cp.settings import IDENTITIES, Settings
from chaoslib_cp.vantage import all_points, asked_by_observer
from chaoslib_cp.vantage_point import VantagePoint
from chaoslib_cp.waits import waiting_for

logger = logging.getLogger("chaostoolkit")

DEFAULT_OBSERVE_S = 1800.0
"""Longer than any shipped run; the observer ends by itself after it, whatever becomes of the control."""

_SHORTEST_OBSERVE_S = 1.0
_SIGHT_WITHIN_S = 15.0
_A_FEW = 3
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Pace:
    """How often a vantage point is sampled.

    Attributes:
        period_s: Seconds between the starts of two attempts.
        news_within_s: The longest that a watcher of the timeline waits for the next sample, seconds, even when every
            attempt takes its whole time to fail.
    """

    period_s: float
    news_within_s: float


def paces(settings: Settings) -> dict[str, Pace]:
    """Tell the pace of every vantage point that the settings let the observer or the prober sample.

    Raises:
        ProfileInvalid: ``observe_periods_s`` or ``observe_deadlines_s`` is wrong; nothing was changed.
    """
    plan = _plan(settings, run_dir="", kubeconfig="", duration_s=1.0)
    asked = {name: plan.period_s(name) for name in asked_by_observer()}
    pull_s = PULL_PERIOD_S + PULL_DEADLINE_S
    return {
        **{name: Pace(period_s, period_s + plan.deadline_s(name)) for name, period_s in asked.items() if period_s},
        **{one.name: Pace(one.period_s, one.period_s + one.deadline_s + pull_s) for one in _asked_by_prober()},
    }


def _asked_by_prober() -> list[VantagePoint]:
    return [point for point in all_points() if point.asked_by == "prober"]


def observe_plan(
    run_dir: Path, epoch_offset_s: float, settings: Settings, api_servers: tuple[str, ...] = ()
) -> ObservePlan:
    """Make the observer's orders: who asks, where, for how long at most.

    Configuration keys: ``observe_s`` (1 s to 6 h), ``observe_periods_s`` and ``observe_deadlines_s`` (by vantage
    point), ``prober_pages`` (list of ip:port). An identity without a context takes its vantage points with it.
    ``api_servers`` (``ip:port``) are those that the gate has noted.

    Raises:
        ProfileInvalid: One of those keys is wrong; nothing was changed.
        TargetRefused: There is no kubeconfig; nothing was changed.
    """
    chosen = {}
    for identity in IDENTITIES:
        try:
            chosen[identity] = choose(settings, identity)
        except TargetRefused:
            if identity == "runner":
                raise
    return _plan(
        settings,
        run_dir=str(run_dir),
        kubeconfig=chosen["runner"].kubeconfig,
        duration_s=_observe_s(settings),
        contexts={identity: choice.context for identity, choice in chosen.items()},
        prober_pages=configured_pages(settings),
        api_servers=api_servers,
        epoch_offset_s=epoch_offset_s,
    )


def _plan(settings: Settings, **facts: Any) -> ObservePlan:
    try:
        periods_s = dict(settings.observe_periods_s or {})
        deadlines_s = dict(settings.observe_deadlines_s or {})
        return ObservePlan(periods_s=periods_s, deadlines_s=deadlines_s, **facts)
    except (TypeError, ValueError):
        raise ProfileInvalid(
            "configuration.observe_periods_s or observe_deadlines_s is not a mapping of vantage points to seconds; "
            "nothing was changed; correct it"
        ) from None


def watching_refusals(settings: Settings) -> Iterator[str]:
    """Say what is wrong with the keys that say how long is watched and where the prober is, one line each."""
    for read in (_observe_s, configured_pages):
        try:
            read(settings)
        except ProfileInvalid as error:
            yield str(error)


def _observe_s(settings: Settings) -> float:
    """A variable of the environment gives a number as text; an empty one gives none."""
    given = settings.observe_s
    if given is None or given == "":
        return DEFAULT_OBSERVE_S
    with suppress(ValueError):
        given = float(given) if isinstance(given, str) else given
    return checked(settings.said("observe_s"), given, _SHORTEST_OBSERVE_S, MAX_DURATION_S)


def warn_of_blind_spots(settings: Settings, dns: ClusterDns) -> None:
    """Say, one line each, what nobody will see in this run, why, and what to do; asks the API two questions.

    Args:
        settings: What the run was told.
        dns: Cluster DNS, as the gate found it.
    """
    for found in blind_spots(settings, dns):
        logger.warning("Blind: %s", found.sentence())


def wait_for_sight(
    run_dir: Path, experiment: Mapping[str, Any], configuration: Mapping[str, Any], settings: Settings, clock: Clock
) -> list[str]:
    """Wait until there is something to stand on before anything is injected.

    The baseline needs a few samples of every vantage point of the hypothesis: three, or fewer where the period lets no
    three be taken in time. A declared effect counts only where its vantage point was good before, and which one that is
    becomes known too late, so with a method every vantage point needs one sample.

    Returns:
        The vantage points that still have too few after 15 s; the baseline, or the verdict, will say what it thinks of
        that.

    Raises:
        ProfileInvalid: ``observe_periods_s`` or ``observe_deadlines_s`` is wrong; nothing was changed.
    """
    paced = paces(settings)
    claimed = {one for part in read_hypothesis(experiment, {}, configuration) for one in part.vantages}
    end_s = clock.monotonic_s() + _SIGHT_WITHIN_S
    with waiting_for("the first samples", _SIGHT_WITHIN_S) as wait:
        while True:
            blind = {
                one
                for one in claimed
                if len(recent_samples(run_dir, one, _SIGHT_WITHIN_S, clock)) < _a_few(paced.get(one))
            }
            if experiment.get("method"):
                blind |= _not_seen_yet(run_dir, clock)
            if not blind or clock.monotonic_s() >= end_s:
                return sorted(blind)
            wait.what = f"the first samples of {', '.join(sorted(blind))}"
            clock.sleep(_LOOK_EVERY_S)


def _a_few(pace: Pace | None) -> int:
    """How many samples are enough to begin with, of those that can be had while we wait."""
    return min(_A_FEW, max(1, int(_SIGHT_WITHIN_S / pace.period_s))) if pace else _A_FEW


def _not_seen_yet(run_dir: Path, clock: Clock) -> set[str]:
    """What the observer said that it asks, itself or by the prober, and what has no valid sample yet."""
    lines = recent_lines(run_dir, timeline_now_s(run_dir, clock) - _SIGHT_WITHIN_S)
    started = [line for line in lines if line.get("event") == "observer_started"]
    if not started:
        return {"any vantage point"}
    asked = set(started[-1].get("periods_s") or {})
    if started[-1].get("prober_pages"):
        asked |= {point.name for point in _asked_by_prober() if not point.is_optional}
    return asked - {line.get("vantage") for line in lines if not line.get("void")}
