"""How long the cache will hide it: computed from what could be known when the servers failed."""

from typing import Any

import pytest

from chaoslib_cp.results.dns import predicted_mask_s
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figure import Figure
from tests.unit.made_timeline import Line, recorded, rollout, sample


def cached(at_s: float, ttl_s: int | None = None, ok: bool = True, **more: Any) -> Line:
    """An answer of the node-local cache."""
    return sample("dns_cached", at_s, "ok" if ok else "servfail", **{"target": "cache", "ttl_s": ttl_s, **more})


def wrong(*times_s: float, **more: Any) -> list[Line]:
    """Wrong answers past the cache."""
    return [sample("dns_uncached", at_s, "servfail", **more) for at_s in times_s]


def predicted(*lines: Line) -> Figure:
    """The prediction for a fault that began at 0 s."""
    recording = recorded(*rollout(), *lines)
    fault = find_faults(recording)
    assert fault is not None
    return predicted_mask_s(recording, fault)


def test_remaining_ttl_less_its_age() -> None:
    """The last good cached answer showed 18 s; half a second later the uncached one is wrong: 17.5 s are left."""
    assert predicted(cached(9.0, 19), cached(10.0, 18), *wrong(10.5, 11.0)).value == 17.5


def test_a_cache_that_is_refilled_during_a_failure_is_predicted_anew() -> None:
    """One answer reached the cache and no uncached question: users are hidden from the failure for another TTL."""
    before = [cached(9.0, 3), *wrong(10.0, 11.0)]
    refilled = [cached(11.2, 1), *wrong(11.4), cached(11.5, 20), *wrong(12.0, 13.0), cached(12.5, 19)]
    met = [cached(31.6, ok=False), cached(32.0, ok=False)]
    assert predicted(*before, *refilled, *met).value == pytest.approx(11.5 + 20 - 11.4)


def test_another_cache_tells_nothing() -> None:
    """With two nodes, the cache that ran out is the one that counts."""
    other = [cached(9.5, 2, target="cache of another node")]
    met = [cached(28.0, ok=False), cached(28.5, ok=False)]
    assert predicted(cached(9.0, 19), *other, *wrong(10.0, 10.5), *met).value == 18.0


def test_order_of_beginning_counts() -> None:
    """A question that began first and timed out late is the first wrong one, although a later one failed at once."""
    timed_out = sample("dns_uncached", 10.0, "timeout")
    assert predicted(cached(9.8, 20), *wrong(11.5), timed_out).value == pytest.approx(19.8)


def test_later_cached_answer_is_not_used() -> None:
    """What the cache showed after the first wrong answer was not known then."""
    assert predicted(cached(9.0, 3), *wrong(10.0, 10.5), cached(10.1, 20)).value == 2.0


def test_void_samples_say_nothing() -> None:
    """A wrong answer that we were too late for starts no failure."""
    figure = predicted(cached(9.0, 20), *wrong(10.0, 10.5, void=True))
    assert figure == Figure(None, "the DNS servers never failed: nothing to predict")


def test_nothing_known_is_said() -> None:
    """Without a good cached answer before, there is no prediction but a reason."""
    figure = predicted(cached(9.0, ok=False), *wrong(10.0, 10.5))
    assert figure == Figure(None, "no good cached answer with a TTL was seen before the servers failed")


def test_expired_record_masks_nothing() -> None:
    """A record past its TTL hides nothing: the prediction is zero, not negative."""
    assert predicted(cached(2.0, 5), *wrong(10.0, 10.5)).value == 0.0
