"""The second record of a change that leaves no object with our label: a ConfigMap of ours that holds its undo entry.

It is made before the change and taken away after that was taken back: the entry names it as its ``record``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import ENDS_AT, FAULT_LABEL, LIBRARY_NAMESPACE, OWNER_LABELS, ROLE_LABEL, RUN_LABEL
from chaoslib_cp.cluster.undo.kinds.kind import Found
from chaoslib_cp.cluster.undo.pods import seconds
from chaoslib_cp.engine.undo.entry import Entry, entry_as_dict, parse_entry
from chaoslib_cp.errors import UndoFailed

UNDO_RECORD: Final = "undo-record"
_KEY: Final = "entry.json"
_RECORDS: Final = f"/api/v1/namespaces/{LIBRARY_NAMESPACE}/configmaps"


def record_name(run: str, fault: str, what: str, number: int) -> str:
    """A name for the record of one change, its own in a cluster.

    Args:
        run: Run that makes the change.
        fault: Fault that it belongs to.
        what: What is changed.
        number: How many entries the run's log has by then.
    """
    text = json.dumps([run, fault, what, number])
    return f"chaoslib-cp-undo-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def record_manifest(entry: Entry, ends_at_epoch_s: float) -> dict[str, Any]:
    """The ConfigMap that holds an entry, whose facts name its ``run`` and its ``record``."""
    labels = {ROLE_LABEL: UNDO_RECORD, RUN_LABEL: entry.facts["run"], FAULT_LABEL: entry.fault}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": entry.facts["record"],
            "namespace": LIBRARY_NAMESPACE,
            "labels": {**OWNER_LABELS, **labels},
            "annotations": {ENDS_AT: f"{ends_at_epoch_s:.0f}"},
        },
        "data": {_KEY: json.dumps(entry_as_dict(entry), sort_keys=True)},
    }


def holds(entry: Entry, namespace: str, name: str) -> bool:
    """Whether an entry is the one that a ConfigMap holds."""
    return namespace == LIBRARY_NAMESPACE and entry.facts.get("record") == name


def find_records(kind: str, cluster: Cluster, timeout_s: float) -> Iterator[Found]:
    """Every change of one undo kind that a record in the cluster tells of."""
    listed = cluster.get(_RECORDS, timeout_s=timeout_s, labelSelector=f"{ROLE_LABEL}={UNDO_RECORD},{RUN_LABEL}") or {}
    for item in listed.get("items") or []:
        found = _found(item)
        if found is not None and found.entry.kind == kind:
            yield found


def _found(item: Mapping[str, Any]) -> Found | None:
    """What a record tells; None for what we never write."""
    metadata = item["metadata"]
    end_s = seconds((metadata.get("annotations") or {}).get(ENDS_AT))
    try:
        entry = parse_entry(json.loads((item.get("data") or {})[_KEY]))
        run = metadata["labels"][RUN_LABEL]
    except (UndoFailed, KeyError, ValueError, TypeError, AttributeError):
        return None
    is_ours = entry.facts.get("record") == metadata["name"] and entry.facts.get("run") == run
    return Found(entry, run, end_s) if is_ours and end_s is not None else None
