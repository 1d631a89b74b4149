"""Whether and when a failed try is made again.

``client-go`` does what Kubernetes' own Go client does (kubernetes/client-go: rest/with_retry.go, rest/request.go): a
429 or 5xx answer that carries Retry-After in whole seconds is tried again after that time, and so is a read whose
connection was reset or closed, after 1 s; at most 10 times. Time-outs and refused connections are not tried again.

``naive`` is a loop in a script or an agent without a client library: whatever may go away by itself (429, 5xx, no
answer, no connection, and the 403 of a server that has just come back and has not read its roles yet) is tried again at
once, for ever, and Retry-After is not read. At once is 0.1 s here, the
shortest period that a profile may have, and the profile's caps count each try.
"""

from typing import Final

from chaoslib_cp.engine.load.profile import RETRY_CLIENT_GO, RETRY_NAIVE
from chaoslib_cp.outcome import Outcome

MAX_RETRIES = 10
_LOST_CONNECTION_WAIT_S = 1.0
_NAIVE_WAIT_S = 0.1
_MAY_GO_AWAY: Final[frozenset[Outcome]] = frozenset({
    "http_403",
    "http_429",
    "http_5xx",
    "timeout",
    "refused",
    "reset",
    "unreachable",
})  # fmt: skip


def retry_wait_s(policy: str, tries: int, outcome: Outcome, retry_after: str | None) -> float | None:
    """Return how long to wait before the next try, or None when this one was the last.

    Args:
        policy: ``none``, ``naive`` or ``client-go``.
        tries: tries made so far, the failed one included.
        outcome: how the try ended, one word of ``chaoslib_cp/outcome.py``.
        retry_after: the answer's Retry-After header, if there was one.
    """
    if policy == RETRY_NAIVE:
        return _NAIVE_WAIT_S if outcome in _MAY_GO_AWAY else None
    if policy != RETRY_CLIENT_GO or tries > MAX_RETRIES:
        return None
    if outcome == "reset":
        return _LOST_CONNECTION_WAIT_S
    if outcome not in ("http_429", "http_5xx"):
        return None
    # client-go reads seconds only; the date form counts as none
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
