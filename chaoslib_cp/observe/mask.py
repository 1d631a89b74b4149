"""How long will the cache hide it? Written down at the first wrong answer, before anybody can know.

Behind the node-local cache users see nothing until the cached record's TTL has run out. When an uncached answer is
wrong after a right one, the latest good cached answer tells what is left of that TTL. Each right uncached answer may
have refilled the cache, so each failure after one is predicted anew; so is one that goes on after the cache was seen to
be refilled, by an answer that the cache got and the uncached questions did not.
"""

from collections.abc import Callable

from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.vantage import DNS_CACHED, DNS_UNCACHED


class MaskPredictor:
    """Reads DNS samples in the order in which they began and writes a ``mask_predicted`` event for each failure."""

    def __init__(self, sink: Callable[[Record], None]) -> None:
        self._sink = sink
        self._waiting: list[Record] = []
        self._good_cached: Record | None = None
        self._ttl_of_cache: dict[object, int] = {}
        self._failing = False

    def feed(self, samples: list[Record], settled_s: float) -> None:
        """Take new samples; those that began before ``settled_s`` have no unfinished one before them and are judged.

        Without this, the first question that timed out would be read after a later one that failed at once.
        """
        self._waiting.extend(samples)
        self._waiting.sort(key=_began_s)
        while self._waiting and _began_s(self._waiting[0]) < settled_s:
            sample = self._waiting.pop(0)
            if not sample.get("void"):
                self._judge(sample)

    def _judge(self, sample: Record) -> None:
        if sample["vantage"] == DNS_CACHED.name and sample["ok"]:
            self._good_cached = sample
            if self._was_refilled(sample):
                self._failing = False
        elif sample["vantage"] == DNS_UNCACHED.name:
            if not sample["ok"] and not self._failing:
                self._sink(self._prediction(sample))
            self._failing = not sample["ok"]

    def _was_refilled(self, sample: Record) -> bool:
        """Whether this cache's TTL went up."""
        ttl_s, cache = sample["ttl_s"], sample["target"]
        if not isinstance(ttl_s, int):
            return False
        before_s = self._ttl_of_cache.get(cache)
        self._ttl_of_cache[cache] = ttl_s
        return before_s is not None and ttl_s > before_s

    def _prediction(self, first_wrong: Record) -> Record:
        event: Record = {
            "kind": "event",
            "at_s": first_wrong["at_s"],
            "event": "mask_predicted",
            "target": first_wrong["target"],
            "outcome": first_wrong["outcome"],
        }
        cached = self._good_cached
        ttl_s = cached["ttl_s"] if cached is not None else None
        if cached is None or not isinstance(ttl_s, int):
            return {**event, "predicted_mask_s": None, "ttl_s": None, "reason": "no good cached answer was seen before"}
        age_s = _began_s(first_wrong) - _began_s(cached)
        return {
            **event,
            "predicted_mask_s": max(0.0, ttl_s - age_s),
            "ttl_s": ttl_s,
            "ttl_seen_at_s": cached["at_s"],
            "cache": cached["target"],
        }


def _began_s(sample: Record) -> float:
    at_s = sample["at_s"]
    return at_s if isinstance(at_s, float) else float(str(at_s))
