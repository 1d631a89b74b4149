"""What a vantage point is: a row of the table in ``vantage/``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from chaoslib_cp.errors import ProfileInvalid

Asker = Literal["observer", "prober", "injector"]
ASK_AS: Final = ("observer", "admin", "break-glass")
"""Whom the observer can ask as."""

SHORTEST_PERIOD_S: Final = 0.2
LONGEST_PERIOD_S: Final = 60.0


@dataclass(frozen=True)
class Request:
    """One call to the API, as plain data.

    Attributes:
        method: HTTP method.
        path: Path and query; ``{namespace}`` in it stands for the namespace of the library's own objects.
        body: What is sent as JSON; None sends nothing.
        kept: Over a connection that is kept, as a client that has long been there does; else each call connects anew,
            as each ``kubectl`` does.
        first_s: Seconds from the observer's start to the first call. Close to the others, so that the server is woken
            once, but one by one.
        each_server: Each API server is asked by itself, where the gate has noted where they are and they can be reached
            from here; else the cluster's own address is.
        metrics: Metrics (without labels) of the answer that become counts of the sample, by what they are called there;
            empty for an answer of which nothing is kept.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    kept: bool = True
    first_s: float = 0.2
    each_server: bool = False
    metrics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VantagePoint:
    """One row: a question that is asked again and again, and what its answers stand for.

    Attributes:
        name: What samples, abort rules and figures call it, for example ``api_read``.
        label: What a person calls it, for example "small API reads".
        asked_by: ``observer`` (from where ``chaos`` runs, at the API), ``prober`` (from a pod, at DNS) or ``injector``
            (what brings the fault tells about itself).
        period_s: Seconds between two attempts, 0.2 to 60; the experiment may set it for those that the observer asks.
        deadline_s: Seconds after which an attempt has failed, 0.2 to 60; may be set likewise.
        fails: What a story says when it breaks.
        works: What a story says when it is good again.
        identity: Whom the observer asks as, one of ``ASK_AS``; empty where it does not ask.
        request: What the observer asks; None where it does not.
        bad_in_a_row: How many bad samples begin a failure: a single lost packet is none.
        good_in_a_row: How many good samples end it: while one of two servers is back, single right answers get through.
        limit_s: A slower answer is not a good one, seconds; None when only the deadline counts.
        is_check: Each sample is a good or a bad answer. False where samples only carry numbers: never broken, never
            green, and no abort rule can be about them.
        in_story: Its failures are moments of the story, and a run is not healed before it works again.
        is_health: A health check of the API, as a monitor has them: it may give the first signal.
        is_queued: The API server lets such calls wait for a seat (fair queueing), so they tell of saturation.
        users_need: Without it users are not served: ``wait_until_recovered`` waits for it.
        is_optional: The prober asks it only where it was set up to, or is new enough.
        probe: The probe (``module:function``) whose claim these samples answer; empty when there is none.
        dns_path: The argument ``path`` with which that probe means this one; empty when it has no such argument.
    """

    name: str
    label: str
    asked_by: Asker
    period_s: float
    deadline_s: float
    fails: str
    works: str
    identity: str = ""
    request: Request | None = None
    bad_in_a_row: int = 2
    good_in_a_row: int = 3
    limit_s: float | None = None
    is_check: bool = True
    in_story: bool = True
    is_health: bool = False
    is_queued: bool = False
    users_need: bool = False
    is_optional: bool = False
    probe: str = ""
    dns_path: str = ""

    def __post_init__(self) -> None:
        """Refuse a row that could not be sampled or told.

        Raises:
            ProfileInvalid: Something is missing or out of its range.
        """
        for wrong in self._wrong():
            raise ProfileInvalid(f"vantage point {self.name!r}: {wrong}; correct its row")

    def _wrong(self) -> list[str]:
        asked = self.asked_by == "observer"
        numbers = (self.period_s, self.deadline_s)
        wrong = {
            "it needs a name, a label, and the words for fails and works": not all(
                (self.name, self.label, self.fails, self.works)
            ),
            f"asked_by is {self.asked_by!r}, use one of {', '.join(get_args(Asker))}": self.asked_by
            not in get_args(Asker),
            f"identity is {self.identity!r}, use one of {', '.join(ASK_AS)} where the observer asks, else none": (
                self.identity not in ASK_AS if asked else self.identity != ""
            ),
            "it needs a request where the observer asks, and none elsewhere": (self.request is not None) != asked,
            f"period_s and deadline_s are {numbers}, use {SHORTEST_PERIOD_S:g} to {LONGEST_PERIOD_S:g}": not all(
                SHORTEST_PERIOD_S <= one <= LONGEST_PERIOD_S for one in numbers
            ),
            "bad_in_a_row and good_in_a_row must be 1 or more": min(self.bad_in_a_row, self.good_in_a_row) < 1,
            "what is no check breaks nothing, so it is not in the story": self.in_story and not self.is_check,
        }
        return [words for words, is_so in wrong.items() if is_so]

    def metric(self, count: str) -> str:
        """The metric that is called ``count`` in its samples.

        Raises:
            KeyError: Nothing is.
        """
        metrics: Mapping[str, str] = self.request.metrics if self.request else {}
        return metrics[count]

    def is_good(self, ok: bool, latency_s: float) -> bool:
        """Whether an attempt counts as good: answered right, and within the limit."""
        return ok and (self.limit_s is None or latency_s <= self.limit_s)
