"""A sample that carries numbers from the body of its answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from chaoslib_cp.engine.sample.exposition import MetricsPage
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample
from chaoslib_cp.outcome import Outcome


@dataclass(frozen=True)
class CountedSample:
    """One of them.

    Attributes:
        sample: How the call went.
        counts: The numbers by name; empty where the answer did not have them.
    """

    sample: HttpsSample
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """How the attempt ended."""
        return self.sample.outcome

    @property
    def latency_s(self) -> float:
        """Seconds it took."""
        return self.sample.latency_s

    def extras(self) -> dict[str, object]:
        """Further keys for the timeline line."""
        return {**self.sample.extras(), **({"counts": dict(self.counts)} if self.counts else {})}


def counts_of(page: MetricsPage, metrics: Mapping[str, str]) -> dict[str, float]:
    """Those of the metrics that a page has.

    Args:
        page: What was kept of it.
        metrics: Names of metrics without labels, by what they are called in a sample.
    """
    told = {name: page.value(metric) for name, metric in metrics.items()}
    return {name: value for name, value in told.items() if value is not None}


async def ask_and_count(
    ask: Callable[[HttpsRequest], Awaitable[HttpsSample]], request: HttpsRequest, metrics: Mapping[str, str]
) -> CountedSample:
    """Ask for a page of metrics, and keep some of them; those of a page that did not come whole are dropped."""
    page = MetricsPage(tuple(metrics.values()))
    sample = await ask(replace(request, keep_body_bytes=0, take_body=page.feed))
    page.end()
    return CountedSample(sample, counts_of(page, metrics) if sample.outcome == "ok" else {})
