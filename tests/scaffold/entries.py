"""Undo entries as faults write them."""

from typing import Any

from chaoslib_cp.cluster.undo.kinds import observe_only
from chaoslib_cp.cluster.undo.kinds.delete_object import OurObject
from chaoslib_cp.engine.undo.entry import Entry

FAULT = "agent_rollout-1"


def to_delete(object_kind: str, namespace: str, name: str, run: str, fault: str = FAULT, **facts: Any) -> Entry:
    """An object of ours is made."""
    return OurObject(object_kind, namespace, name, run, **facts).entry(fault)


def observed(what: str, fault: str = "dns_restart-1") -> Entry:
    """Something is done that the cluster repairs by itself."""
    return observe_only.observed(fault, what)


def labels(run: str, fault: str = FAULT, **more: str) -> dict[str, str]:
    """Labels of what a fault makes."""
    return {"chaoslib-cp/run": run, "chaoslib-cp/fault": fault, **more}
