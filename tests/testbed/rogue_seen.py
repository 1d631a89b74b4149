"""What a rogue DNS server is asked to do in the tests, and what the prober must have seen of it."""

from typing import Any

from tests.testbed.prober_samples import ProberSamples, Sample

WAYS: dict[str, dict[str, Any]] = {
    "black-hole": {"lie": "wrong-address", "addresses": ["192.0.2.66"]},
    "refused": {"lie": "truth", "delay_s": 1.0},
    "gone": {"lie": "truth", "loss_ratio": 1.0},
    "another": {"lie": "nxdomain", "lie_ratio": 0.5},
}
"""Each told about a Service in a way of its own."""
SEEN = {"black-hole": {"wrong"}, "refused": {"late"}, "gone": {"timeout"}, "another": {"ok", "nxdomain"}}
TTL_S, STARTS_WITHIN_S = 20, 20.0


def asked_for(lasts_s: float) -> dict[str, Any]:
    """Arguments of one rogue that does all of it."""
    first, *also = ({"name": _name(what), **how} for what, how in WAYS.items())
    when = {"ttl_s": TTL_S, "duration_s": lasts_s, "arm_within_s": STARTS_WITHIN_S, "seed": 7}
    return {**first, "also": also, **when}


def judge(samples: ProberSamples, made: dict[str, Any]) -> None:
    """Past the caches of every server all of it was seen until its end, and the truth then; caches kept the lie.

    Behind the cache of a node the lie was heard, too.
    """
    begins_s, ends_s = made["begins_epoch_s"], made["ends_epoch_s"]
    for what, outcomes in SEEN.items():
        each = samples.by_target("dns_watched_backend", _name(what))
        assert len(each) == 2, f"{what}: {list(each)}"
        told = {one: _between(series, begins_s + 1, ends_s - 2) for one, series in each.items()}
        assert all(found <= outcomes for found in told.values()), told
        assert set().union(*told.values()) == outcomes, told
        after = {one: _between(series, ends_s + 1, ends_s + 1e9) for one, series in each.items()}
        assert all(found == {"ok"} for found in after.values()), after
    for target, series in samples.by_target("dns_watched_pod", _name("black-hole")).items():
        # no cache can have taken it before the begin, so each has it for its TTL from then on, at the least
        kept = [one for one in series if ends_s < one["at_s"] < begins_s + TTL_S - 1]
        left_s = [one["ttl_s"] for one in kept]
        assert {_seen(one) for one in kept} == {"wrong"}, target
        assert left_s == sorted(left_s, reverse=True), target
        assert left_s[0] > left_s[-1], target
    # a node's cache asks the DNS servers over TCP, and these ask the rogue likewise
    behind = samples.by_target("dns_watched_cached", _name("black-hole"))
    assert behind, "nobody asked behind the cache of a node"
    for target, series in behind.items():
        assert "wrong" in _between(series, begins_s + 1, ends_s + 6), f"{target}: the cache of a node never heard it"
    assert [one for one in samples.of("dns_cached", "dns_uncached", "dns_pod") if one["outcome"] == "wrong"] == []


def _name(what: str) -> str:
    return f"{what}.shop.svc.cluster.local."


def _between(series: list[Sample], from_s: float, until_s: float) -> set[str]:
    return {_seen(one) for one in series if from_s < one["at_s"] < until_s}


def _seen(sample: Sample) -> str:
    """The outcome of a sample; a true answer that took a second is late."""
    return "late" if sample["ok"] and sample["latency_s"] >= WAYS["refused"]["delay_s"] else str(sample["outcome"])
