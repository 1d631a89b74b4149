"""What of a run is still there, asked of the cluster itself."""

from collections.abc import Iterator

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import FAULT_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.same_cluster import SameCluster
from chaoslib_cp.cluster.undo.heal import addresses_of
from chaoslib_cp.cluster.undo.kinds import kind_of_item
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.pods import namespaces_of
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ControlPlaneError, UndoFailed, said_safely
from chaoslib_cp.settings import Settings

_READ_S = 10.0


def leftovers(settings: Settings) -> list[str]:
    """Changes and pods of this run that are still in the cluster, asked of the cluster itself.

    Raises:
        TargetRefused, TargetUnreachable: The cluster could not be asked, or another one answers, so nobody knows.
    """
    log = undo_log_of_run(settings, SystemClock())
    if log is None:
        return []
    with open_cluster(settings, known_addresses=addresses_of(log)) as cluster:
        SameCluster(str(log.header.get("cluster_uid") or "")).require(cluster, _READ_S)
        return [*_changes(log, cluster), *_pods(log, cluster)]


def _changes(log: UndoLog, cluster: Cluster) -> Iterator[str]:
    """What is on record and still there; of a kind that nobody here knows, whatever is open."""
    for item in log.items():
        try:
            there = kind_of_item(item).still_there(item, cluster, _READ_S)
        except UndoFailed:
            there = "" if item.done else str(item.entry)
        except ControlPlaneError:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake in one kind must not hide what there is of the others
            there = f"{item.entry}, as far as anybody can tell: {said_safely(error)}"
        if there:
            yield there


def _pods(log: UndoLog, cluster: Cluster) -> Iterator[str]:
    for namespace in sorted(namespaces_of(log)):
        path = f"/api/v1/namespaces/{namespace}/pods"
        pods = cluster.get(path, timeout_s=_READ_S, labelSelector=f"{RUN_LABEL}={log.run},{FAULT_LABEL}") or {}
        yield from (f"Pod {namespace}/{pod['metadata']['name']}" for pod in pods.get("items") or [])
