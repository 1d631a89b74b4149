"""Waiting for the moment when the node cache has just renewed its record: the longest mask begins there."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.observe.recent import recent_samples, timeline_now_s
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_CACHED
from chaoslib_cp.waits import waiting_for

_MARGIN_S: Final = 3.0  # the renewal is seen at the next question, and its sample is written a pull (1 s) later
_LONGEST_S: Final = 120.0  # a cache with a longer TTL is not waited for
_POLL_S: Final = 0.2
_WINDOW_S: Final = 10.0


def wait_for_fresh_entry(settings: Settings, wanted: bool, clock: Clock) -> dict[str, Any]:
    """Wait until the cached record's TTL goes up, for at most one TTL and 3 s.

    Of the caches of several nodes it is that whose record is the oldest: it would be the first to fail.

    Args:
        settings: ``run_dir`` leads to the observer's timeline.
        wanted: False returns at once.
        clock: Source of time.

    Returns:
        ``waited_s``, ``ttl_s`` (what the cache showed last, null if it was not seen) and ``reason``.
    """
    folder = settings.run_dir
    started_s = clock.monotonic_s()
    since_s = timeline_now_s(folder, clock) if folder else clock.epoch_s()

    def seen() -> list[dict[str, Any]]:
        samples = recent_samples(folder, DNS_CACHED.name, _WINDOW_S, clock) if folder else []
        return [sample for sample in samples if sample["ok"] and isinstance(sample.get("ttl_s"), int | float)]

    if not wanted:
        return {"waited_s": 0.0, "ttl_s": None, "reason": "not asked for"}
    samples = _oldest(seen())
    if not samples:
        return {"waited_s": 0.0, "ttl_s": None, "reason": "no sample of the cache, so it was not waited for"}
    longest_s = min(_LONGEST_S, float(samples[-1]["ttl_s"]) + _MARGIN_S)
    with waiting_for("the node cache to renew its record", longest_s):
        while (waited_s := clock.monotonic_s() - started_s) < longest_s:
            samples = [sample for sample in seen() if _cache(sample) == _cache(samples[-1])] or samples
            if _has_renewed(samples, since_s):
                return {"waited_s": waited_s, "ttl_s": samples[-1]["ttl_s"], "reason": "just renewed"}
            clock.sleep(_POLL_S)
    return {"waited_s": waited_s, "ttl_s": samples[-1]["ttl_s"], "reason": "no renewal seen within one TTL"}


def _oldest(samples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The samples of the cache whose record has the least left of its TTL."""
    ends_s = {_cache(sample): float(sample["at_s"]) + float(sample["ttl_s"]) for sample in samples}
    oldest = min(ends_s, key=lambda cache: ends_s[cache], default=None)
    return [sample for sample in samples if _cache(sample) == oldest]


def _cache(sample: Mapping[str, Any]) -> tuple[str, str]:
    return str(sample.get("node") or ""), str(sample.get("target"))


def _has_renewed(samples: Sequence[Mapping[str, Any]], since_s: float) -> bool:
    """Whether the TTL went up between two samples, the later of which was taken after ``since_s``."""
    pairs = itertools.pairwise(samples)
    return any(later["ttl_s"] > earlier["ttl_s"] and later["at_s"] >= since_s for earlier, later in pairs)
