"""Virtual nodes of one process, and of pods of a Job."""

import pytest

from chaoslib_cp.agent.share import Share, share_of
from chaoslib_cp.engine.load.virtual_nodes import node_name, place_of
from chaoslib_cp.errors import ProfileInvalid


def test_pods_of_a_job_share_the_virtual_nodes_of_one_process() -> None:
    """Each once, under the names by which their schedules are drawn, where one process would have them."""
    parts = [share_of(5, 0.0, "chaoslib-cp", {"JOB_COMPLETION_INDEX": str(index)}) for index in range(3)]
    together = {name: place for part in parts for name, place in part.places.items()}
    assert together == {node_name(number): place_of(number, "chaoslib-cp") for number in range(15)}
    assert [part.source for part in parts] == ["pod-0", "pod-1", "pod-2"]
    assert sum(len(part.places) for part in parts) == 15


def test_without_virtual_nodes_it_stands_for_its_own_pod() -> None:
    """As a DaemonSet's does: its account is that of its node."""
    alone = share_of(0, 0.0, "monitoring", {"HOSTNAME": "telemetry-x", "NODE_NAME": "worker-1"})
    assert (alone.source, alone.is_part) == ("worker-1", False)
    assert alone.places == {"telemetry-x": {"node": "worker-1", "namespace": "monitoring", "pod": "telemetry-x"}}


@pytest.mark.parametrize("index", ["", "-1", "x"])
def test_a_pod_that_is_none_of_an_indexed_job_plays_nothing(index: str) -> None:
    """It would play the nodes of another."""
    with pytest.raises(ProfileInvalid, match=r"JOB_COMPLETION_INDEX is .*nothing was sent"):
        share_of(5, 0.0, "x", {"JOB_COMPLETION_INDEX": index})


def test_all_begin_together_and_a_wrong_clock_does_not_begin() -> None:
    """A pod that is late begins at once; one whose clock is an hour behind would begin when all is over."""
    share = Share("pod-0", begins_epoch_s=1000.0)
    assert (share.wait_s(990.0), share.wait_s(1030.0), share.wait_s(1000.0 - 3600)) == (10.0, 0.0, None)
