"""With what the entries of one log are taken back: identities to try in turn, the cluster they must lead to, time."""

from collections.abc import Callable, Sequence

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.same_cluster import SameCluster
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import TargetRefused, UndoFailed

# Break-glass needed 7 s in the median for a write in the storms measured here; a shorter attempt queues anew each time.
ATTEMPT_S = 10.0
# How long a write that nobody saw answered can still land: the API server's default --request-timeout is 60 s, plus the
# time it may wait unread in a socket of a starved server.
WRITE_MAY_LAND_S = 65.0


class Healer:
    """What an undo kind is given to work with.

    Args:
        log: The log that is healed.
        clusters: Identities to try in this order, the ordinary one first, break-glass last; the one that got through
            goes first for what follows.
        clock: Source of time.
        attempt_s: Limit of one call, seconds.
        waits_for_pods: Call nothing closed before its pods are gone too, or have come to their own end.

    Attributes:
        same: Says whether it is the cluster of the log that answers.
        known_uids: UIDs that entries of the log have.
    """

    def __init__(
        self,
        log: UndoLog,
        clusters: Sequence[Cluster],
        clock: Clock,
        attempt_s: float = ATTEMPT_S,
        waits_for_pods: bool = True,
    ) -> None:
        self.log = log
        self.clock = clock
        self.attempt_s = attempt_s
        self.waits_for_pods = waits_for_pods
        self.same = SameCluster(str(log.header.get("cluster_uid") or ""))
        self.known_uids = frozenset(log.uids())
        self._order = list(clusters)

    def by_whoever_may(self, what: str, attempt: Callable[[Cluster], Undone]) -> Undone:
        """Make one attempt as each identity in turn, until one gets through.

        Args:
            what: What is tried, for the error, for example ``DaemonSet kube-system/x was not deleted``.
            attempt: One attempt as one identity.

        Raises:
            UndoFailed: None got through; why each of them did not is said.
        """
        reasons = []
        for cluster in tuple(self._order):
            try:
                undone = attempt(cluster)
            except (CallFailed, TargetRefused) as error:
                reasons.append(str(error))
                continue
            self._order.remove(cluster)
            self._order.insert(0, cluster)
            return undone
        raise UndoFailed(f"{what}: {' | '.join(reasons) or 'no identity could be opened'}")
