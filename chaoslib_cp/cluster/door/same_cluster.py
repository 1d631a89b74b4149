"""Does an identity still lead to the cluster that an undo log tells of? Clusters can share name, address and CA."""

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.errors import TargetRefused

CLUSTER_UID_PATH = "/api/v1/namespaces/kube-system"


class OtherCluster(TargetRefused):
    """Another cluster answers than the one that was meant; what it lacks may still be in that one."""


class SameCluster:
    """Asks each identity once which cluster answers it, and remembers a yes.

    Args:
        cluster_uid: UID of kube-system, as the undo log has it.
    """

    def __init__(self, cluster_uid: str) -> None:
        self._cluster_uid = cluster_uid
        self._sure: set[tuple[str, str, str]] = set()

    def require(self, cluster: Cluster, timeout_s: float) -> None:
        """Refuse unless the cluster that answers is the one in the log.

        Args:
            cluster: As whom.
            timeout_s: Limit of the one call.

        Raises:
            OtherCluster: It is another one, or one that shows no UID.
            TargetRefused: This identity may not look, so nobody knows.
            CallFailed: The API does not answer, so nobody knows.
        """
        who = (cluster.identity, cluster.server, cluster.context)
        if who in self._sure:
            return
        answer = cluster.call("GET", CLUSTER_UID_PATH, timeout_s=timeout_s)
        cluster.expect_success(answer, "read namespace kube-system")
        uid = str((answer.json().get("metadata") or {}).get("uid") or "")
        if not uid or uid != self._cluster_uid:
            raise OtherCluster(
                f"{cluster.server} as {cluster.identity} ({cluster.context or 'no context'}) is cluster "
                f"{uid or 'without a UID'}, the undo log is about cluster {self._cluster_uid or 'of no name'}; nothing "
                "was changed by it; let that kubeconfig lead to the cluster of the log again, or delete the log if "
                "that cluster is gone"
            )
        self._sure.add(who)
