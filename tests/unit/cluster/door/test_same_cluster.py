"""Which cluster answers an identity, asked once."""

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.same_cluster import CLUSTER_UID_PATH, SameCluster
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects


def test_which_cluster_answers_is_asked_once_for_each_identity(kube: KubeObjects) -> None:
    """Calls are dear in a storm; one identity's answer says nothing of another's."""
    with (
        open_cluster(kube.settings()) as runner,
        open_cluster(kube.settings(), "admin") as admin,
    ):
        same = SameCluster(CLUSTER_UID)
        for _ in range(2):
            for one in (runner, admin):
                same.require(one, 5)
    asked = [request.peer_name for request in kube.server.requests if request.path == CLUSTER_UID_PATH]
    assert asked == ["user-runner", "user-admin"]
