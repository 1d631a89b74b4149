"""A stop takes back its own faults; the run takes back all."""

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.create import create
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import ROLLBACK, Ended
from chaoslib_cp.settings import Settings
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels

CLOCK = ManualClock()
NOTHING = Ended((), ROLLBACK, details={"undone": 0, "left": 0, "outcomes": {}})


@pytest.fixture
def settings(kube: KubeObjects) -> Settings:
    """A run with two storms and a poisoning, each with a ConfigMap of its name."""
    made = kube.settings(chaoslib_cp_run_dir="/runs/r")
    with open_cluster(made) as cluster:
        log = undo_log_for_change(made, cluster, CLUSTER_UID, CLOCK)
        for kind in ("storm", "poison", "storm"):
            fault = log.next_fault(kind)
            metadata = {"name": fault.replace("_", "-"), "namespace": "kube-system", "labels": labels("r", fault)}
            create(cluster, log, {"kind": "ConfigMap", "metadata": metadata})
    return made


def there(kube: KubeObjects) -> list[str]:
    """Faults of which something is there."""
    return [path.rpartition("/")[2] for path in kube.objects if "/configmaps/storm" in path or "/poison" in path]


def test_all_faults_of_one_kind_are_taken_back_and_nothing_else(kube: KubeObjects, settings: Settings) -> None:
    """A stop leaves every other fault alone, and says which it ended; the second time there is nothing to do."""
    done = take_back(settings, 0, CLOCK, kind="storm")
    assert (done.details["undone"], done.faults) == (2, ("storm-1", "storm-2"))
    assert there(kube) == ["poison-1"]
    assert take_back(settings, 0, CLOCK, kind="storm") == NOTHING
    assert take_back(settings, 0, CLOCK, kind="drought") == NOTHING
    assert there(kube) == ["poison-1"]


def test_the_fault_that_is_named_is_taken_back_alone(kube: KubeObjects, settings: Settings) -> None:
    """One of several of its kind."""
    done = take_back(settings, 0, CLOCK, kind="storm", fault="storm-2")
    assert (done.details["undone"], done.faults) == (1, ("storm-2",))
    assert there(kube) == ["storm-1", "poison-1"]


def test_the_run_takes_back_all(kube: KubeObjects, settings: Settings) -> None:
    """Of whatever kind."""
    assert take_back(settings, 0, CLOCK).faults == ("storm-1", "poison-1", "storm-2")
    assert there(kube) == []


@pytest.mark.parametrize(
    ("kind", "fault", "says"),
    [
        (
            "storm",
            "storm-3",
            "no fault 'storm-3' of kind storm; nothing was undone; it has storm-1, storm-2",
        ),
        ("storm", "poison-1", "no fault 'poison-1' of kind storm; nothing was undone; it has storm-1, storm-2"),
        (None, "x", "this run has no fault 'x'; nothing was undone; it has storm-1, poison-1, storm-2"),
        ("drought", "drought-1", "no fault 'drought-1' of kind drought; nothing was undone; it has none"),
    ],
)
def test_a_fault_that_the_run_does_not_have_is_refused_with_those_it_has(
    kube: KubeObjects, settings: Settings, kind: str | None, fault: str, says: str
) -> None:
    """Nothing else is taken for it."""
    with pytest.raises(ProfileInvalid, match=says):
        take_back(settings, 0, CLOCK, kind=kind, fault=fault)
    assert len(there(kube)) == 3


def test_a_stop_without_its_start_has_nothing_to_do(kube: KubeObjects) -> None:
    """No log at all: rollbacks are played in any case."""
    assert take_back(kube.settings(chaoslib_cp_run_dir="/runs/none"), 0, CLOCK, kind="storm") == NOTHING
    assert kube.server.requests == []
