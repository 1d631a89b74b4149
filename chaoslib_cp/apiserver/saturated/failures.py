"""In which way calls to an API server fail: each class points somewhere else."""

from typing import Final, Literal

from chaoslib_cp.engine.sample.https import HttpsSample
from chaoslib_cp.outcome import Outcome

Failure = Literal[
    "429 fair queueing",  # plain text, with Retry-After: no seat, and no place to wait for one (KEP-1040)
    "429 not initialised",  # a watch cache that has not read its objects yet (KEP-4568)
    "504",  # the server gave up waiting for itself, or for etcd
    "5xx",
    "refused",  # nothing listens: the process is gone
    "reset",  # it went away in the middle
    "asked to leave",  # HTTP/1.1's GOAWAY: an answer with Connection: close
    "time-out",
    "tls",
    "unreachable",
    "not let in",  # 401, 403: says nothing of the server
    "other",
]

NOT_LET_IN: Final[Failure] = "not let in"
_NOT_READY: Final = b"initializing"  # source: kubernetes/apiserver, pkg/storage/cacher/ready.go
_OF_OUTCOMES: Final[dict[Outcome, Failure]] = {
    "http_401": NOT_LET_IN,
    "http_403": NOT_LET_IN,
    "http_5xx": "5xx",
    "refused": "refused",
    "reset": "reset",
    "timeout": "time-out",
    "tls": "tls",
    "unreachable": "unreachable",
}


def failure_of(sample: HttpsSample) -> Failure | None:
    """The class of failure of one call; None for one that was answered as it should be.

    A 404 is an answer: the object that is read need not be there.
    """
    if sample.http_status == 429:
        return "429 not initialised" if _NOT_READY in sample.body else "429 fair queueing"
    if sample.http_status == 504:
        return "504"
    if sample.outcome == "ok" or sample.http_status == 404:
        return "asked to leave" if sample.said_close else None
    return _OF_OUTCOMES.get(sample.outcome, "other")


def is_told_off(failure: Failure | None) -> bool:
    """Whether a call got no answer that it could use: being asked to leave comes with an answer."""
    return failure not in (None, "asked to leave", NOT_LET_IN)
