"""How long lookups took, layer by layer."""

from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from tests.unit.made_timeline import incident, recorded, rollout, sample, series

ALL = [f"dns_latency_{of}_by_layer{when}_s" for when in ("_before", "") for of in ("p50", "p99")]


def test_a_lookup_that_nobody_answered_took_its_whole_deadline() -> None:
    """Half of them time out while the fault is on: the percentile is the time-out, and before the fault it is not."""
    lines = [sample("dns_lookup", at_s / 10, latency_s=0.001 + at_s * 1e-6) for at_s in range(-200, -1)]
    lines += [sample("dns_lookup", at_s, "timeout" if at_s % 2 else "ok", latency_s=4.9 if at_s % 2 else 0.002)
              for at_s in range(1, 90)]  # fmt: skip
    recording = recorded(*rollout(deadline_s=90.0), *lines, *series("dns_pod", 80, latency_s=0.0004))
    values, _ = compute(recording, find_faults(recording))
    # of 199 values the 100th and the 198th, counted from the least
    assert [values[name].pop("dns_lookup") for name in ALL] == [0.000899, 0.000997, 4.9, 4.9]
    assert [values[name] for name in ALL] == [{"dns_pod": 0.0004}] * 4


def test_each_layer_that_was_asked_has_its_own() -> None:
    """In the order of the table; what was never asked is left out."""
    recording = recorded(*incident())
    values, reasons = compute(recording, find_faults(recording))
    assert [list(values[name]) for name in ALL] == [["dns_pod", "dns_uncached", "dns_cached"]] * 4
    assert not set(ALL) & set(reasons)


def test_answers_of_a_cache_are_no_latency_of_servers() -> None:
    """A layer whose questions did not go where they should is left out, with the reason; all may be."""
    ageing = [sample("dns_uncached", at_s, ttl_s=30 - at_s % 20) for at_s in range(-20, 60)]
    recording = recorded(*rollout(deadline_s=50.0), *ageing)
    values, reasons = compute(recording, find_faults(recording))
    assert [values[name] for name in ALL] == [None] * 4
    assert all("a cache answers at dns_uncached-target" in reasons[name] for name in ALL)
    recording = recorded(*rollout(deadline_s=50.0), *ageing, *series("dns_cached", 60))
    values, reasons = compute(recording, find_faults(recording))
    assert [list(values[name]) for name in ALL] == [["dns_cached"]] * 4
    assert all("a cache answers" in reasons[name] for name in ALL)


def test_a_run_without_dns_says_so() -> None:
    """Not null alone."""
    recording = recorded(*rollout(deadline_s=50.0))
    assert [compute(recording, find_faults(recording))[1][name] for name in ALL] == [
        *["no usable sample of DNS before the fault"] * 2,
        *["no usable sample of DNS while the fault was on"] * 2,
    ]
