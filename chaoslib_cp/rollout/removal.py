"""Removing the agent as the ordinary administrator would, in the middle of the storm, and timing how that goes.

Each attempt is one delete on a fresh connection, as each kubectl is; one at a time, because a person waits for it.
"""

from collections import Counter
from dataclasses import asdict, dataclass

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.same_cluster import OtherCluster, SameCluster
from chaoslib_cp.cluster.undo.kinds.delete_object import ALREADY_GONE, delete_ours
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.fault import DELETE_LANDED, Ended
from chaoslib_cp.rollout.agent_rollout import agent_item
from chaoslib_cp.settings import Settings

_PAUSE_S = 1.0  # a person needs a moment to press the up arrow and Enter
_SLICE_S = 0.2  # so that a signal is handled soon while we wait
_SHOWN = 10  # attempts listed from either end; the result must stay under 4 KB
NOTHING = "nothing to remove"
TIMEOUT = "timeout"


@dataclass(frozen=True)
class Attempt:
    """One delete.

    Attributes:
        at_epoch_s: Start, seconds since 1970.
        outcome: ``ok``; ``unknown`` when no answer came, so it may have landed; else why it did not.
        how: The transport's or server's word behind the outcome.
        latency_s: Seconds until that was known.
    """

    at_epoch_s: float
    outcome: str
    how: str
    latency_s: float


def remove_as_admin(
    settings: Settings,
    timeout_s: float,
    attempt_deadline_s: float,
    clock: Clock,
) -> Ended:
    """Delete this run's agent DaemonSet as ``admin``, again and again until it lands or time is up.

    Returns:
        What ``remove_agent`` tells of its result.

    Raises:
        TargetRefused: This run rolled nothing out, or there is no admin context for that cluster.
        TargetUnreachable: The server's name does not resolve, and no address was noted; nothing was changed.
        UndoFailed: The undo log cannot be read, and nothing was changed; or not written: the DaemonSet is gone, and its
            entry stays open.
    """
    log = undo_log_of_run(settings, clock)
    item = agent_item(log)
    if log is None or item.done:
        return _result([], 0.0, NOTHING, "")
    admin = _open_admin(log, settings)
    same = SameCluster(str(log.header.get("cluster_uid") or ""))
    started_s = clock.monotonic_s()
    attempts: list[Attempt] = []
    while True:
        attempts.append(_attempt(admin, same, item, attempt_deadline_s, clock))
        waited_s = clock.monotonic_s() - started_s
        if attempts[-1].outcome == "ok":
            log.done(item.number, "deleted by the administrator")
            return _result(attempts, waited_s, DELETE_LANDED, item.fault)
        if waited_s >= timeout_s:
            return _result(attempts, waited_s, TIMEOUT, item.fault)
        _pause(min(_PAUSE_S, timeout_s - waited_s), clock)


def _open_admin(log: UndoLog, settings: Settings) -> Cluster:
    noted = log.header.get("addresses")
    addresses = [str(address) for address in noted] if isinstance(noted, list) else []
    admin = open_cluster(settings, "admin", known_addresses=addresses)
    if admin.ca_sha256 != log.header.get("ca_sha256"):
        raise TargetRefused(
            f"context {admin.context} leads to {admin.server}, which is not the cluster of run {log.run}; "
            "nothing was changed by it; name the right admin_context"
        )
    return admin


def _attempt(admin: Cluster, same: SameCluster, item: Item, deadline_s: float, clock: Clock) -> Attempt:
    at_s, started_s = clock.epoch_s(), clock.monotonic_s()
    with admin.fresh() as cluster:
        try:
            undone = delete_ours(cluster, same, item, deadline_s, clock)
            outcome, how = ("ok" if undone.closed else "unknown"), undone.words
        except CallFailed as error:
            outcome, how = ("unknown" if error.is_unknown else error.outcome), error.outcome
        except OtherCluster:
            raise
        except TargetRefused:
            # an overloaded server that just restarted says 403 before it has read its roles: go on
            outcome, how = "http_403", "not allowed"
    return Attempt(at_s, outcome, how, clock.monotonic_s() - started_s)


def _landed_after(attempts: list[Attempt]) -> float:
    """Start of the earliest attempt that may be the one that landed: a delete nobody answered may have."""
    earliest = attempts[-1].at_epoch_s
    for attempt in reversed(attempts[:-1]):
        if attempt.outcome == "unknown":
            earliest = attempt.at_epoch_s
    return earliest if attempts[-1].how == ALREADY_GONE else attempts[-1].at_epoch_s


def _pause(duration_s: float, clock: Clock) -> None:
    end_s = clock.monotonic_s() + duration_s
    while (left_s := end_s - clock.monotonic_s()) > 0:
        clock.sleep(min(_SLICE_S, left_s))


def _result(attempts: list[Attempt], waited_s: float, by: str, fault: str) -> Ended:
    shown = attempts if len(attempts) <= 2 * _SHOWN else attempts[:_SHOWN] + attempts[-_SHOWN:]
    has_landed = by == DELETE_LANDED
    return Ended(
        faults=(fault,) if has_landed else (),
        by=by,
        at_epoch_s=attempts[-1].at_epoch_s + attempts[-1].latency_s if has_landed else None,
        after_epoch_s=_landed_after(attempts) if has_landed else None,
        details={
            "landed": has_landed,
            "waited_s": waited_s,
            "identity": "admin",
            "attempt_count": len(attempts),
            "outcomes": dict(Counter(attempt.outcome for attempt in attempts)),
            "attempts": [asdict(attempt) for attempt in shown],
        },
    )
