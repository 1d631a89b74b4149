"""What became of lookups, counted: a lookup is one request of ``Totals``, and has several questions."""

from typing import Any, Final

from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.outcome import Outcome

SLOW_S: Final = 0.1
"""Slower than the p99 that Kubernetes' own scale tests allow for a lookup (source: kubernetes/perf-tests,
clusterloader2/testing/load/modules/dns-performance-metrics.yaml)."""

_WELL: Final = ("ok", "nodata", "nxdomain")


class LookupTotals(Totals):
    """Counts of lookups. ``tries`` are lookups that began, ``sent`` those of which a question was sent.

    Attributes:
        queries: Questions sent.
        answers: How questions ended, by outcome; ``timeout`` has no answer, ``refused`` is a closed port or REFUSED.
        unwell: Lookups that brought no answer or SERVFAIL, or took longer than 0.1 s from their due time.
        read: Answers that were read in full.
        misread: Those of which the header told something else than the whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queries = self.unwell = self.read = self.misread = 0
        self.answers: dict[Outcome, int] = {}

    def request_ended(self, outcome: Outcome, duration_s: float) -> None:
        """Time a lookup from its due time."""
        super().request_ended(outcome, duration_s)
        self.unwell += duration_s > SLOW_S or outcome not in _WELL

    def question_ended(self, outcome: Outcome) -> None:
        """Count the end of one question."""
        self.answers[outcome] = self.answers.get(outcome, 0) + 1

    @property
    def queries_per_lookup(self) -> float | None:
        """Questions sent for each lookup that began; None where none did."""
        return self.queries / self.sent if self.sent else None

    def as_dict(self, elapsed_s: float) -> dict[str, Any]:
        """Return the counts of lookups as JSON, and those of questions beside them."""
        return {
            **super().as_dict(elapsed_s),
            "queries": self.queries,
            "query_rate_per_s": self.queries / elapsed_s if elapsed_s > 0 else None,
            "queries_per_lookup": self.queries_per_lookup,
            "answers": dict(sorted(self.answers.items())),
            "unwell": self.unwell,
            "read": self.read,
            "misread": self.misread,
        }

    def account(self) -> dict[str, int]:
        """Return what an agent tells of its lookups: those of any agent, and what only lookups have.

        ``answered`` ended with any answer, ``good`` with an address.
        """
        told = {"queries": self.queries, "good": self._count("ok"), "unwell": self.unwell}
        return {**super().account(), **told}
