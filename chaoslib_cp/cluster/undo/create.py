"""Making an object of ours: on record first, then for real."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, CallFailed, Cluster
from chaoslib_cp.cluster.undo.kinds.delete_object import of_manifest
from chaoslib_cp.cluster.undo.objects import collection_path
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid, TargetRefused


def create(cluster: Cluster, log: UndoLog, manifest: Mapping[str, Any], timeout_s: float = DEFAULT_TIMEOUT_S) -> int:
    """Create one object of ours: undo entry on disk, then the call, then its UID on record.

    Args:
        cluster: As whom.
        log: The run's undo log.
        manifest: The object; it must carry the labels of its run and its fault.
        timeout_s: Limit of the call.

    Returns:
        The number of its undo entry.

    Raises:
        TargetRefused: Not allowed, or an object of that name exists already; nothing was changed.
        ProfileInvalid: The API server does not accept it; nothing was changed.
        CallFailed: No answer; whether it exists is unknown and its entry stays open.
        UndoFailed: It cannot be put on record, or is of a kind that we do not make; nothing was changed.
    """
    entry = of_manifest(manifest)
    path = collection_path(manifest["kind"], manifest["metadata"].get("namespace", ""))
    number = log.intend(entry)
    try:
        answer = cluster.call("POST", path, body=manifest, timeout_s=timeout_s)
        cluster.expect_success(answer, f"create {entry}")
    except CallFailed as error:
        if not error.is_unknown:
            log.done(number, f"never made: {error.outcome}")
        raise
    except (TargetRefused, ProfileInvalid) as error:
        log.done(number, f"never made: {type(error).__name__}")
        raise
    log.note(number, uid=str((answer.json().get("metadata") or {}).get("uid") or ""))
    return number
