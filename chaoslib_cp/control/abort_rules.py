"""When a run must stop by itself: the rules an experiment writes, and whether the timeline breaches one.

In our block of ``extensions``::

    "abort_when": [
        {"vantage": "dns_cached", "max_error_ratio": 0.5, "window_s": 10},
        {"vantage": "api_read", "max_latency_p50_s": 2.0, "window_s": 10},
        {"vantage": "dns_cached", "blind_s": 15}
    ]

The first two are limits: too many samples of the window failed, or its median is too slow, on any one node. The third
is a blind guard: nobody has seen anything for that long, and whoever cannot see must not go on.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.control.extension import own_blocks
from chaoslib_cp.control.watching import Pace, paces
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.settings import Settings

BLIND: Final = "blind_s"
_ERRORS: Final = "max_error_ratio"
_PERCENTILES: Final = {"max_latency_p50_s": 0.50, "max_latency_p95_s": 0.95}
LIMITS: Final = (_ERRORS, *_PERCENTILES, BLIND)
"""What a rule may limit; one of them in each rule."""

_MOST_ERRORS: Final = 0.99  # no share is beyond 1: that rule could never act
_LATENCY_S: Final = (0.001, 60.0)
_LONGEST_WINDOW_S: Final = 300.0
_LONGEST_BLIND_S: Final = 600.0
_DEFAULT_WINDOW_S: Final = 10.0
_DEFAULT_MIN_SAMPLES: Final = 3
_MOST_SAMPLES: Final = 1000


@dataclass(frozen=True)
class AbortRule:
    """One rule.

    Attributes:
        vantage: The samples it looks at, for example ``dns_cached``.
        limits: What it limits, one of ``LIMITS``.
        limit: Beyond this it is breached: a share (0..1) or seconds, as the name of ``limits`` says.
        window_s: How far it looks back, never to before the method began. For a blind guard the same as ``limit``.
        min_samples: With fewer samples in the window a limit says nothing.
    """

    vantage: str
    limits: str
    limit: float
    window_s: float
    min_samples: float = 0

    def breach(self, recording: Recording, now_s: float, began_s: float) -> str:
        """Say in one line how the rule is breached; empty when it is not.

        Args:
            recording: The end of the timeline, at least the window; void samples do not count.
            now_s: Now, epoch seconds on the timeline's clock.
            began_s: When the method began, on the same clock: what was before is no reason to abort.
        """
        since_s = max(now_s - self.window_s, began_s)
        # By their end: an attempt that takes 5 s to fail is news when it fails.
        samples = [sample for sample in recording.of(self.vantage) if sample.at_s + sample.latency_s >= since_s]
        if self.limits == BLIND:
            return "" if samples or now_s - began_s <= self.limit else f"{self}: no valid sample for that long"
        nodes = sorted({sample.node for sample in samples})
        found = (self._breach_on(node, [one for one in samples if one.node == node]) for node in nodes)
        return next(filter(None, found), "")

    def _breach_on(self, node: str, samples: list[Sample]) -> str:
        """The same of what was asked from one node: on the others all may be well."""
        if len(samples) < self.min_samples:
            return ""
        measured = _error_ratio(samples) if self.limits == _ERRORS else _percentile(self.limits, samples)
        if measured <= self.limit:
            return ""
        value = f"it was {measured:.3g}" if math.isfinite(measured) else "no right answer came at all"
        where = f" on node {node}" if node else ""
        return f"{self}: {value}{where}, {len(samples)} samples within {self.window_s:g} s"

    def __str__(self) -> str:
        return f"abort rule {self.vantage} {self.limits} {self.limit:g}"


def read_rules(experiment: Mapping[str, Any], settings: Settings) -> list[AbortRule]:
    """Read the rules of an experiment that ``rule_refusals`` does not refuse."""
    known = paces(settings)
    return [_rule(place, given, known) for place, given in _written(experiment)]


def rule_refusals(experiment: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Say what is wrong with each rule, one line each."""
    try:
        known = paces(settings)
        written = list(_written(experiment))
    except ProfileInvalid as error:
        yield str(error)
        return
    for place, given in written:
        try:
            _rule(place, given, known)
        except ProfileInvalid as error:
            yield str(error)


def _written(experiment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each rule as it is written, with its place in the file."""
    for block in own_blocks(experiment):
        rules = block.get("abort_when", [])
        if not isinstance(rules, list):
            raise ProfileInvalid(f"abort_when is {rules!r}; nothing was changed; use a list of rules")
        yield from ((f"abort_when[{number}]", given) for number, given in enumerate(rules))


def _rule(place: str, given: Any, known: Mapping[str, Pace]) -> AbortRule:
    """Make one rule of what is written, or refuse what could not mean anything or could never act."""
    if not isinstance(given, Mapping):
        raise ProfileInvalid(f"{place} is {given!r}; nothing was changed; use a mapping with vantage and a limit")
    named = [limits for limits in LIMITS if limits in given]
    if len(named) != 1:
        raise ProfileInvalid(f"{place} has {len(named)} limits; nothing was changed; use one of {', '.join(LIMITS)}")
    [limits] = named
    keys = {"vantage", limits} if limits == BLIND else {"vantage", limits, "window_s", "min_samples"}
    unknown = sorted(str(key) for key in set(given) - keys)
    if unknown:
        raise ProfileInvalid(
            f"{place} has the unknown key {unknown[0]!r}; nothing was changed; use {', '.join(sorted(keys))}"
        )
    vantage = given.get("vantage")
    pace = known.get(vantage) if isinstance(vantage, str) else None
    if pace is None:
        raise ProfileInvalid(
            f"{place}.vantage is {vantage!r}, which nobody samples; nothing was changed; use one of {', '.join(known)}"
        )
    if limits == BLIND:
        # Sooner, an attempt that takes its whole time to fail would pass for blindness.
        blind_s = checked(f"{place}.{BLIND}", given[BLIND], pace.news_within_s, _LONGEST_BLIND_S)
        return AbortRule(str(vantage), BLIND, blind_s, blind_s)
    least, most = (0.0, _MOST_ERRORS) if limits == _ERRORS else _LATENCY_S
    limit = checked(f"{place}.{limits}", given[limits], least, most)
    samples = checked(f"{place}.min_samples", given.get("min_samples", _DEFAULT_MIN_SAMPLES), 1, _MOST_SAMPLES)
    # A shorter window never holds enough samples: a guard that cannot act.
    shortest_s = samples * pace.period_s
    window_s = checked(f"{place}.window_s", given.get("window_s", _DEFAULT_WINDOW_S), shortest_s, _LONGEST_WINDOW_S)
    return AbortRule(str(vantage), limits, limit, window_s, samples)


def _error_ratio(samples: list[Sample]) -> float:
    return sum(not sample.ok for sample in samples) / len(samples)


def _percentile(limits: str, samples: list[Sample]) -> float:
    """The nearest rank; a failed attempt is slower than any limit, so that quick refusals do not look good."""
    latencies_s = sorted(sample.latency_s if sample.ok else math.inf for sample in samples)
    return latencies_s[math.ceil(_PERCENTILES[limits] * len(latencies_s)) - 1]
