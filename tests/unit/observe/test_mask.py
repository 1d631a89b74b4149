"""How long the cache will hide it: predicted at the first wrong answer, from what was known then."""

import pytest

from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.observe.mask import MaskPredictor


def cached(at_s: float, ttl_s: int | None = None, ok: bool = True, **more: object) -> Record:
    """An answer of the node-local cache."""
    return {
        "vantage": "dns_cached", "at_s": at_s, "ok": ok, "outcome": "ok" if ok else "servfail", "target": "cache",
        "ttl_s": ttl_s, **more,
    }  # fmt: skip


def uncached(at_s: float, ok: bool = True, **more: object) -> Record:
    """An answer past it."""
    outcome = "ok" if ok else "servfail"
    return {"vantage": "dns_uncached", "at_s": at_s, "ok": ok, "outcome": outcome, "target": "vip", "ttl_s": 5, **more}


def predictions(*batches: tuple[list[Record], float]) -> list[Record]:
    """Feed batches of (samples, settled_s); returns the events."""
    events: list[Record] = []
    predictor = MaskPredictor(events.append)
    for samples, settled_s in batches:
        predictor.feed(samples, settled_s)
    return events


def test_remaining_ttl_less_its_age() -> None:
    """The last good cached answer showed 18 s; half a second later the uncached one is wrong: 17.5 s are left."""
    (event,) = predictions(([cached(99.0, 19), cached(100.0, 18), uncached(100.5, ok=False)], 101.0))
    assert event["event"] == "mask_predicted"
    assert event["at_s"] == 100.5
    assert event["predicted_mask_s"] == pytest.approx(17.5)
    assert event["ttl_s"] == 18


def test_written_once_per_failure() -> None:
    """Answers that stay wrong are one failure, also when the cache follows; after a right one there is another."""
    long = [uncached(100.0 + n, ok=False) for n in range(30)] + [cached(100.2 + n, 20 - n) for n in range(20)]
    again = [uncached(131.0), cached(131.2, 20), uncached(132.0, ok=False)]
    events = predictions(([cached(99.0, 20)], 99.5), (long, 130.5), (again, 140.0))
    assert [event["at_s"] for event in events] == [100.0, 132.0]
    assert events[1]["predicted_mask_s"] == pytest.approx(19.2)


def test_a_cache_that_is_refilled_during_a_failure_is_predicted_anew() -> None:
    """One answer reached the cache and no uncached question: users are hidden from the failure for another TTL."""
    samples = [cached(99.0, 3), uncached(100.0, ok=False), uncached(101.0, ok=False)]
    refilled = [cached(101.5, 20), uncached(102.0, ok=False), cached(102.5, 19), uncached(103.0, ok=False)]
    other_cache = [cached(103.2, 5, target="cache of another node"), uncached(103.4, ok=False)]
    events = predictions(([*samples, *refilled, *other_cache], 110.0))
    assert [event["at_s"] for event in events] == [100.0, 102.0]
    assert events[1]["predicted_mask_s"] == pytest.approx(19.5)


def test_order_of_beginning_counts() -> None:
    """A question that began first and timed out late is the first wrong one, although a later one failed at once."""
    timed_out, at_once = uncached(100.0, ok=False, outcome="timeout"), uncached(101.5, ok=False)
    events = predictions(([cached(99.8, 20), at_once], 100.0), ([timed_out], 101.9))
    assert [event["at_s"] for event in events] == [100.0]


def test_later_cached_answer_is_not_used() -> None:
    """What the cache showed after the first wrong answer was not known then."""
    (event,) = predictions(([cached(99.0, 3), uncached(100.0, ok=False), cached(100.1, 20)], 101.0))
    assert event["predicted_mask_s"] == pytest.approx(2.0)


def test_void_samples_say_nothing() -> None:
    """A wrong answer that we were too late for starts no failure."""
    assert predictions(([cached(99.0, 20), uncached(100.0, ok=False, void=True)], 101.0)) == []


def test_nothing_known_is_said() -> None:
    """Without a good cached answer before, there is no prediction but a reason."""
    (event,) = predictions(([cached(99.0, ok=False), uncached(100.0, ok=False)], 101.0))
    assert event["predicted_mask_s"] is None
    assert event["reason"]


def test_expired_record_masks_nothing() -> None:
    """A record past its TTL hides nothing: the prediction is zero, not negative."""
    (event,) = predictions(([cached(90.0, 5), uncached(100.0, ok=False)], 101.0))
    assert event["predicted_mask_s"] == 0.0
