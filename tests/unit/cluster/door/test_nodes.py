"""Which nodes count: those with a kubelet that answers, on which our image runs."""

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.nodes import count_nodes, dead_nodes
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects


def counted(kube: KubeObjects) -> int | None:
    """How many agents a rollout wants."""
    with open_cluster(kube.settings()) as cluster:
        return count_nodes(cluster)


def test_dead_nodes_and_other_systems_get_no_agent(kube: KubeObjects) -> None:
    """Else a rollout that reached every living node would be called half done."""
    assert counted(kube) is None
    kube.add_nodes(3)
    kube.add_node("fine", kubernetes_io__os="linux")
    kube.add_node("silent", "Unknown")
    kube.add_node("broken", "False")
    kube.add_node("windows", kubernetes_io__os="windows")
    kube.add_node("just-made", "")
    assert counted(kube) == 5


def test_a_cluster_of_dead_nodes_wants_none(kube: KubeObjects) -> None:
    """That is another answer than not knowing."""
    kube.add_node("silent", "Unknown")
    assert counted(kube) == 0


@pytest.mark.parametrize("others", [0, 9])
def test_the_dead_are_found_by_name_or_among_all(kube: KubeObjects, others: int) -> None:
    """A few nodes are asked for one by one; of many, one list is less load."""
    names = [f"fine-{number}" for number in range(others)]
    for name in names:
        kube.add_node(name)
    kube.add_node("silent", "Unknown", "Kubelet stopped posting node status.")
    kube.add_node("not-asked-for", "False")
    with open_cluster(kube.settings()) as cluster:
        asked = len(kube.server.requests)
        dead = dead_nodes(cluster, {"silent", "gone", *names}, 5.0)
        assert len(kube.server.requests) - asked == (1 if others else 2)
        kube.fail_next("GET", "/api/v1/nodes", Answer(403))
        assert dead_nodes(cluster, {"silent"}, 5.0) == {}
    assert dead == {"silent": "Ready is Unknown: Kubelet stopped posting node status"}
