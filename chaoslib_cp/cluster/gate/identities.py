"""Do all identities of a run lead to the one cluster that the gate looked at? Each has a context of its own."""

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import choose, open_cluster
from chaoslib_cp.cluster.door.same_cluster import OtherCluster, SameCluster
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.settings import IDENTITIES, Settings


def refuse_other_clusters(cluster: Cluster, uid: str, settings: Settings, timeout_s: float) -> None:
    """Refuse an identity whose context leads elsewhere: it would be asked, and the verdict would be about that cluster.

    The server of the runner, behind its authority, is the runner's cluster. Behind another address of that authority
    there may be another cluster, so there the identity is asked for the UID.

    Args:
        cluster: As the runner; it is the cluster with that UID.
        uid: UID of its kube-system namespace.
        settings: What the run was told; an identity without a context is not used.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: One leads elsewhere, or nobody can tell where; nothing was changed.
        TargetUnreachable: Its server does not answer, or its name does not resolve; nothing was changed.
    """
    for identity in IDENTITIES[1:]:
        if _has_context(settings, identity):
            with open_cluster(settings, identity) as other:
                refuse_elsewhere(other, cluster, uid, timeout_s)


def _has_context(settings: Settings, identity: str) -> bool:
    try:
        choose(settings, identity)
    except TargetRefused:
        return False
    return True


def refuse_elsewhere(other: Cluster, cluster: Cluster, uid: str, timeout_s: float) -> None:
    """Refuse one identity whose context leads to another cluster; arguments and errors: as above."""
    if not other.is_verified or other.ca_sha256 != cluster.ca_sha256:
        raise TargetRefused(_words(other, cluster, "it has another certificate authority, or none"))
    if other.server == cluster.server:
        return
    try:
        SameCluster(uid).require(other, timeout_s)
    except OtherCluster as error:
        raise TargetRefused(_words(other, cluster, "its kube-system has another UID")) from error
    except TargetRefused as error:
        raise TargetRefused(_words(other, cluster, "it may not read the UID of kube-system there")) from error


def _words(other: Cluster, cluster: Cluster, why: str) -> str:
    return (
        f"context {other.context!r}, used as {other.identity}, leads to {other.server}, and nothing shows that this is "
        f"the cluster of the {cluster.identity}: {why}; nothing was changed; let it lead to {cluster.server}"
    )
