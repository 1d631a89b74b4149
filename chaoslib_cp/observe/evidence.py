"""What probes know: the observer's recent samples, or, where there are none, one measurement of their own."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from chaoslib_cp.clock import Clock, SteadyTime, SystemClock
from chaoslib_cp.cluster.door.connect import choose
from chaoslib_cp.engine.sample.https import KeptConnections
from chaoslib_cp.engine.sample.pace import Question, Record, sample_record
from chaoslib_cp.errors import ControlPlaneError, TargetRefused
from chaoslib_cp.observe.plan import ObservePlan
from chaoslib_cp.observe.pull_once import pull_samples
from chaoslib_cp.observe.questions import Kept, questions_of, ways_of
from chaoslib_cp.observe.recent import recent_samples
from chaoslib_cp.outcome import was_let_in
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import asked_by_observer


class NotLetIn(TargetRefused):
    """A vantage point cannot authenticate, or may not ask: it says nothing of the server. Nothing was changed."""


_ENOUGH_S: Final = 60.0  # an ObservePlan must end; a single measurement ends by the deadline of its own

Samples = dict[str, list[Record]]


def gather(
    settings: Settings,
    vantages: Sequence[str],
    window_s: float,
    clock: Clock | None = None,
) -> Samples:
    """Return the samples of each vantage point, the observer's where it has some, else measured now.

    One that nobody could sample has an empty list: missing data is never good news. Only without a run, as from
    Python, is the reason raised: nobody would read it anywhere else.

    Args:
        settings: What the run was told; ``run_dir`` leads to the observer's timeline.
        vantages: Names of vantage points, such as "api_read".
        window_s: How far to look back.
        clock: Source of "now".

    Raises:
        TargetRefused: Without a run: no cluster was named, or it has no context for whoever asks this.
        NotLetIn: All that a vantage point has are answers of 401 and 403.
    """
    clock = clock or SystemClock()
    run_dir = settings.run_dir
    found: Samples = {
        vantage: recent_samples(run_dir, vantage, window_s, clock) if run_dir else [] for vantage in vantages
    }
    missing = [vantage for vantage in vantages if not found[vantage]]
    if missing:
        # A loop on the main thread would swallow a signal that lands in it (ecosystem facts, row S2).
        with ThreadPoolExecutor(max_workers=1) as thread:
            taken = thread.submit(_ask_all, settings, missing, window_s, clock).result()
        for record in taken:
            found[str(record["vantage"])].append({**record, "by": "probe"})
    return {vantage: _let_in(vantage, samples) for vantage, samples in found.items()}


def _let_in(vantage: str, samples: list[Record]) -> list[Record]:
    """The samples that say something of the server.

    Raises:
        NotLetIn: There are only others.
    """
    usable = [sample for sample in samples if was_let_in(str(sample["outcome"]))]
    if samples and not usable:
        point = asked_by_observer()[vantage]
        raise NotLetIn(
            f"{vantage} cannot be measured: as {point.identity}, the server answers {samples[-1]['outcome']}; nothing "
            f"was changed; see that the credentials of {point.identity} are good and may ask this"
        )
    return usable


def summary(samples: Sequence[Record], min_ok_ratio: float) -> dict[str, Any]:
    """Judge the samples of one vantage point; no sample at all is not ok.

    Of several nodes the one decides that had the least share of right answers: none stands for another.

    Returns:
        ``ok``, ``ok_ratio`` (0..1), ``samples``, ``last_outcome``, ``worst_latency_s`` (None without a sample)
        and ``by`` ("observer", "probe" or "nobody"); ``node``, whose samples these are, where there are several nodes.
    """
    by_node: dict[str, list[Record]] = {}
    for sample in samples:
        by_node.setdefault(str(sample.get("node") or ""), []).append(sample)
    if len(by_node) <= 1:
        return _summary(samples, min_ok_ratio)
    each = [{**_summary(found, min_ok_ratio), "node": node} for node, found in by_node.items()]
    return min(each, key=lambda one: number(one, "ok_ratio"))


def _summary(samples: Sequence[Record], min_ok_ratio: float) -> dict[str, Any]:
    good = sum(bool(sample["ok"]) for sample in samples)
    ratio = good / len(samples) if samples else 0.0
    return {
        "ok": bool(samples) and ratio >= min_ok_ratio,
        "ok_ratio": ratio,
        "samples": len(samples),
        "last_outcome": str(samples[-1]["outcome"]) if samples else "not measured",
        "worst_latency_s": worst_latency_s(samples),
        "by": str(samples[-1].get("by", "observer")) if samples else "nobody",
    }


def worst_latency_s(samples: Iterable[Record]) -> float | None:
    """The longest that any of them took, seconds; None without a sample."""
    return max((number(sample, "latency_s") for sample in samples), default=None)


def number(sample: Record, key: str) -> float:
    """A numeric key of a sample, 0 where it has none."""
    value = sample.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def _ask_all(
    settings: Settings,
    vantages: Sequence[str],
    window_s: float,
    clock: Clock,
) -> list[Record]:
    taken: list[Record] = []
    time = SteadyTime(clock)
    asked = asked_by_observer()
    api = [vantage for vantage in vantages if vantage in asked]
    if api:
        taken += asyncio.run(_ask_api(settings, api, time))
    if len(api) < len(vantages):
        since_s = time.now_s() - window_s
        pulled: list[Record] = []
        try:
            pulled = pull_samples(settings, time, clock)
        except ControlPlaneError as error:
            if isinstance(error, TargetRefused) and settings.run_dir is None:
                raise
        taken += [one for one in pulled if one["vantage"] in vantages and number(one, "at_s") >= since_s]
    return taken


async def _ask_api(
    settings: Settings,
    vantages: Sequence[str],
    time: SteadyTime,
) -> list[Record]:
    questions: list[Question] = []
    kept: Kept = defaultdict(KeptConnections)
    points = asked_by_observer()
    for identity in {points[vantage].identity for vantage in vantages}:
        try:
            choice = choose(settings, identity)
            plan = ObservePlan("", choice.kubeconfig, _ENOUGH_S, {identity: choice.context})
            questions += questions_of(plan, ways_of(plan), kept)
        except ControlPlaneError as error:
            if isinstance(error, TargetRefused) and settings.run_dir is None:
                raise
            continue  # this identity cannot ask here: its vantage points stay without a sample
    try:
        wanted = [question for question in questions if question.vantage in vantages]
        return list(await asyncio.gather(*(_ask_one(question, time) for question in wanted)))
    finally:
        for connections in kept.values():
            connections.close()


async def _ask_one(question: Question, time: SteadyTime) -> Record:
    at_s = time.now_s()
    return sample_record(question.vantage, question.target, at_s, 0.0, await question.ask())
