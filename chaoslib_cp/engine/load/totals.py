"""What happened, counted: every request that came due is in exactly one place.

``due = first tries + held_back``, and what a profile asks for is ``due - held_back``; ``tries = first tries +
retries + pages``; the outcomes of all tries that are over add up to ``tries - in_flight``.
"""

from typing import Any, Final, get_args

from chaoslib_cp.engine.load.latency import Histogram
from chaoslib_cp.engine.load.told import count_of
from chaoslib_cp.outcome import Outcome, is_answer

_COUNTED = (
    "due",
    "held_back",
    "tries",
    "retries",
    "pages",
    "sent",
    "resent",
    "in_flight",
    "received_bytes",
    "not_initialized",
)
_OUTCOMES: Final[dict[str, Outcome]] = {one: one for one in get_args(Outcome)}


class Totals:
    """Counts of one kind of request, all agents together.

    Attributes:
        due: requests whose time came.
        held_back: came due while the agent had as many in flight, or all agents as many connections, as the profile
            allows: the server is slow, and the profile asks for that cap, so these are not asked for. Never tried.
        tries: attempts, retries and further pages included.
        retries: tries beyond a request's first, or beyond the first for one of its pages.
        pages: first tries for further pages of a list that is read in pages.
        sent: tries whose head was written to a connection; the others found none.
        resent: those of a request that had been sent before.
        in_flight: tries under way.
        outcomes: tries that are over, by outcome (``chaoslib_cp/outcome.py``); ``error`` is no valid HTTP, ``aborted``
            is by us: removed, stopped, over, or because the profile hangs up after a time.
        received_bytes: of all answers, headers and chunk framing included, still compressed.
        not_initialized: those of the outcome ``http_429`` that were no word of priority and fairness: the server's
            watch cache was not ready (source: KEP-4568). They carry a Status document, the others plain text.
        lag: how late first tries were begun against their due time: the engine's own starvation.
        from_send: duration of a try by outcome; connecting included, ``aborted`` left out. That of a watch which was
            answered is the time to the first byte of its answer.
        from_due: duration from the due time to the end of the last try by its outcome, so that waiting for retries
            and our own lag are inside (no coordinated omission).
    """

    def __init__(self) -> None:
        self.due = self.held_back = self.tries = self.retries = self.pages = self.sent = self.resent = 0
        self.in_flight = self.received_bytes = self.not_initialized = 0
        self.outcomes: dict[Outcome, int] = {}
        self.lag = Histogram()
        self.from_send: dict[Outcome, Histogram] = {}
        self.from_due: dict[Outcome, Histogram] = {}

    def try_ended(self, outcome: Outcome, duration_s: float | None) -> None:
        """Count the end of a try; without a duration it is not timed."""
        self.in_flight -= 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if duration_s is not None:
            self.from_send.setdefault(outcome, Histogram()).record(duration_s)

    def request_ended(self, outcome: Outcome, duration_s: float) -> None:
        """Time a request from its due time, after its last try."""
        self.from_due.setdefault(outcome, Histogram()).record(duration_s)

    def merge(self, other: "Totals") -> None:
        """Add another kind's, runner's or process's counts to these."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        self.lag.merge(other.lag)
        for mine, theirs in ((self.from_send, other.from_send), (self.from_due, other.from_due)):
            for outcome, histogram in theirs.items():
                mine.setdefault(outcome, Histogram()).merge(histogram)

    def as_bins(self) -> dict[str, Any]:
        """Return all of it as JSON, histograms with their bins: what :meth:`of_bins` reads is merged as these."""
        return {
            **{name: getattr(self, name) for name in _COUNTED},
            "outcomes": self.outcomes,
            "lag": self.lag.as_bins(),
            "from_send": {outcome: one.as_bins() for outcome, one in self.from_send.items()},
            "from_due": {outcome: one.as_bins() for outcome, one in self.from_due.items()},
        }

    @staticmethod
    def of_bins(told: Any) -> "Totals":
        """Read what :meth:`as_bins` wrote, which came over the network.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is none.
        """
        made = Totals()
        for name in _COUNTED:
            setattr(made, name, count_of(told[name]))
        made.outcomes = {_OUTCOMES[outcome]: count_of(count) for outcome, count in told["outcomes"].items()}
        made.lag = Histogram.of_bins(told["lag"])
        made.from_send, made.from_due = (
            {_OUTCOMES[outcome]: Histogram.of_bins(one) for outcome, one in told[name].items()}
            for name in ("from_send", "from_due")
        )
        return made

    def since(self, earlier: "Totals") -> "Totals":
        """Return what was counted after an earlier copy of these; ``in_flight`` is how many more there are."""
        later = Totals()
        for name in _COUNTED:
            setattr(later, name, getattr(self, name) - getattr(earlier, name))
        later.outcomes = {outcome: count - earlier.outcomes.get(outcome, 0) for outcome, count in self.outcomes.items()}
        later.lag = self.lag.since(earlier.lag)
        nothing = Histogram()
        later.from_send = {
            outcome: one.since(earlier.from_send.get(outcome, nothing)) for outcome, one in self.from_send.items()
        }
        later.from_due = {
            outcome: one.since(earlier.from_due.get(outcome, nothing)) for outcome, one in self.from_due.items()
        }
        return later

    def as_dict(self, elapsed_s: float) -> dict[str, Any]:
        """Return counts, rates over ``elapsed_s`` seconds, and latency summaries as JSON.

        ``error_ratio`` is the share of tries that ended in anything but a 2xx, those we aborted left out; ``latency``
        is ``latency_from_due`` of all outcomes together.
        """
        answered = self._answered()
        judged = sum(self.outcomes.values()) - self._count("aborted")
        return {
            **{name: getattr(self, name) for name in _COUNTED},
            "outcomes": dict(sorted(self.outcomes.items())),
            "offered_rate_per_s": self.due / elapsed_s if elapsed_s > 0 else None,
            "tried_rate_per_s": self.tries / elapsed_s if elapsed_s > 0 else None,
            "answered_rate_per_s": answered / elapsed_s if elapsed_s > 0 else None,
            "error_ratio": 1 - self._count("ok") / judged if judged else None,
            "lag": self.lag.summary(),
            "latency": self.latency().summary(),
            "latency_from_send": {outcome: one.summary() for outcome, one in sorted(self.from_send.items())},
            "latency_from_due": {outcome: one.summary() for outcome, one in sorted(self.from_due.items())},
        }

    def latency(self) -> Histogram:
        """Return the durations from the due time of all requests that are over, whatever became of them."""
        of_all = Histogram()
        for histogram in self.from_due.values():
            of_all.merge(histogram)
        return of_all

    def account(self) -> dict[str, int]:
        """Return what an agent tells of its requests, tries counted one by one.

        ``answered`` has any HTTP status, ``refused`` 429, ``unauthorized`` 401 or 403. Without an answer are
        ``failed_timeout`` (connecting included), ``failed_connect`` (refused, no route, TLS) and ``failed_broken``
        (reset, or no HTTP). What we broke off ourselves is in none of them. ``received_bytes`` are of all answers.
        """
        count = self._count
        return {
            "due": self.due,
            "held_back": self.held_back,
            "sent": self.sent,
            "resent": self.resent,
            "answered": self._answered(),
            "refused": count("http_429"),
            "unauthorized": count("http_401", "http_403"),
            "failed_timeout": count("timeout"),
            "failed_connect": count("refused", "unreachable", "tls"),
            "failed_broken": count("reset", "error"),
            "received_bytes": self.received_bytes,
        }

    def _count(self, *outcomes: Outcome) -> int:
        return sum(self.outcomes.get(outcome, 0) for outcome in outcomes)

    def _answered(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if is_answer(outcome))
