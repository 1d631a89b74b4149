"""An uncached answer whose TTL counts down came from a cache: what would rest on it is null, and says why."""

from collections.abc import Callable

import pytest

from chaoslib_cp.fault import Expects, Injected
from chaoslib_cp.results.coverage import gap, window
from chaoslib_cp.results.expectations import judge_expectations
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.hypothesis import Part
from chaoslib_cp.results.premise import false_premise
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.results.story import tell
from tests.unit.made_timeline import Line, injected, recorded, rollout, sample

SERVICE, NODE_CACHE = "10.96.0.10", "169.254.20.10"
Ttl = Callable[[float], int]


def always(ttl_s: int) -> Ttl:
    """A server that makes its answers up afresh."""
    return lambda _: ttl_s


def cache(ttl_s: int) -> Ttl:
    """A cache that fills itself again when its record runs out."""
    return lambda at_s: ttl_s - int(at_s + 100) % ttl_s


def asked(vantage: str, target: str, ttl: Ttl, period_s: float = 0.5, failed_from_s: float = 99.0) -> list[Line]:
    """Answers from -5 s to 20 s."""
    times = [-5 + number * period_s for number in range(int(25 / period_s))]
    return [
        sample(vantage, at_s, target=target, ttl_s=ttl(at_s))
        if at_s < failed_from_s
        else sample(vantage, at_s, "servfail", target=target)
        for at_s in times
    ]


def seen(uncached: Ttl, pods: Ttl | None = None, pods_ask: str = NODE_CACHE, **how: float) -> Recording:
    """A run on a cluster whose servers answer so."""
    lines = [*asked("dns_cached", pods_ask, cache(30)), *asked("dns_uncached", SERVICE, uncached, **how)]
    for server in ("10.244.0.2", "10.244.1.2") if pods else ():
        lines += asked("dns_pod", server, pods or uncached, 1.0)
    return recorded(*rollout(), *lines)


FRESH = {
    "servers that make it up": seen(always(30), always(30)),
    "short-lived": seen(always(5)),
    "no time to live": seen(always(0)),
    "two servers with times of their own": seen(lambda at_s: 30 if int(at_s * 2) % 2 else 5),
    "servers that cache by themselves": seen(cache(30), cache(30)),
    "a change of the Corefile": seen(lambda at_s: 30 if at_s < 0 else 29),
}
CACHED = {
    "a node cache at the Service's address": seen(cache(30), always(30)),
    "nobody asked single servers": seen(cache(30)),
    "a short time to live": seen(cache(5), always(5)),
    "asked seldom": seen(cache(30), always(30), period_s=2.0),
    "pods ask that address themselves": seen(cache(30), cache(30), SERVICE),
}


@pytest.mark.parametrize("how", FRESH)
def test_answers_of_servers_are_uncached(how: str) -> None:
    """Whatever their TTL, it is the same each time; servers with a cache of their own show that one by one."""
    assert false_premise(FRESH[how], "dns_uncached") == ""


@pytest.mark.parametrize("how", CACHED)
def test_a_ttl_that_counts_down_is_a_caches(how: str) -> None:
    """And the reason names the address that answers. The workload's own path may be cached: it says so."""
    assert SERVICE in false_premise(CACHED[how], "dns_uncached")
    assert false_premise(CACHED[how], "dns_cached") == ""


def test_what_rests_on_it_is_null_with_the_reason() -> None:
    """Figures, what was expected, a claim, and the story: none takes the cache for the servers."""
    made = Injected("dns_restart-1", "dns_restart", "DNS restart", expects=(Expects("dns_uncached", window_s=5.0),))
    lines = [*asked("dns_cached", SERVICE, cache(30), failed_from_s=8.0)]
    lines += [*asked("dns_uncached", SERVICE, cache(30), failed_from_s=7.5), *asked("dns_pod", "p", always(30), 1.0)]
    recording = recorded(injected(made, 7.0, 7.4), *lines)
    faults = find_faults(recording)
    values, reasons = compute(recording, faults)
    for name in ("mask_s", "predicted_mask_s", "dns_success_ratio_uncached"):
        assert (values[name], reasons[name][:28]) == (None, "a cache answers at 10.96.0.1")
    assert values["dns_success_ratio_cached"] is not None
    [expected] = judge_expectations(recording, faults)
    assert (expected.came, "nobody can tell whether it came: a cache answers" in expected.doubt) == (False, True)
    claim = Part("servers answer", ("dns_uncached",), (), ())
    assert gap(recording, window(recording, faults), claim).startswith("servers answer: a cache answers at")
    assert faults is not None
    assert not any("mask begins" in moment.what for moment in tell(recording, faults))
