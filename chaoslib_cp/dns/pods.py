"""Replacing pods through the API, DNS servers above all; the three waits that an overload stretches are timed apart."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns, find_cluster_dns, list_dns_pods
from chaoslib_cp.cluster.door.live_pods import is_dying, is_over, is_ready
from chaoslib_cp.cluster.undo.kinds.observe_only import observed
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused

# A kubelet forgets a container's crashes after twice its longest back-off of 300 s (source: kubelet,
# MaxContainerBackOff; client-go, util/flowcontrol/backoff.go).
BACK_OFF_S = 600.0
_CALL_S = 5.0
_POLL_S = 0.5
_MOST_AT_ONCE = 8  # a cluster has two or three DNS pods; more at once would be load of its own


@dataclass(frozen=True)
class DnsPods:
    """Pods that DNS is about: the DNS servers that the gate noted, or those that a name stands for.

    Attributes:
        where: Where they are.
        names: Those there were, name by UID.
    """

    where: ClusterDns
    names: Mapping[str, str]


def recent_crashes(cluster: Cluster, now_epoch_s: float, timeout_s: float = _CALL_S) -> dict[str, float]:
    """Seconds since the last crash of every DNS pod that crashed within ``BACK_OFF_S``, by its name.

    The next crash of such a pod is answered with a back-off of up to 300 s, whatever the API does.

    Raises:
        TargetRefused: The runner may not list them, or nobody can tell which pods are meant.
        CallFailed: The API does not answer.
    """
    where = find_cluster_dns(cluster, timeout_s)
    found = cluster.get(where.pods_path, timeout_s=timeout_s, labelSelector=where.selector) or {}
    crashes = {}
    for pod in found.get("items") or []:
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            ended_at = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
            since_s = now_epoch_s - datetime.fromisoformat(ended_at).timestamp() if ended_at else BACK_OFF_S
            if since_s < BACK_OFF_S:
                crashes[pod["metadata"]["name"]] = since_s
    return crashes


def delete_dns_pods(
    cluster: Cluster, log: UndoLog, fault: str, noted: DnsPods, timeout_s: float, clock: Clock
) -> dict[str, Any]:
    """Delete every DNS pod and watch, as far as time allows, what becomes of it; see :func:`delete_pods`.

    Args:
        cluster: As the runner.
        log: The run's undo log.
        fault: Id of the fault that this is.
        noted: Where the DNS pods are, and those that the gate saw, for when the API no longer lists them.
        timeout_s: Limit of everything together.
        clock: Source of time.

    Raises:
        TargetRefused: There are no DNS pods, or the runner may not delete them.
        TargetUnreachable: The API does not list them and none were noted.
    """
    ends_s = clock.monotonic_s() + timeout_s
    before = _known_pods(cluster, noted, timeout_s)
    return delete_pods(cluster, log, fault, DnsPods(noted.where, before), max(0.0, ends_s - clock.monotonic_s()), clock)


def delete_pods(
    cluster: Cluster, log: UndoLog, fault: str, pods: DnsPods, timeout_s: float, clock: Clock
) -> dict[str, Any]:
    """Delete pods and watch, as far as time allows, what becomes of them.

    Controllers may starve as everything else does, so acceptance, rescheduling and readiness are timed apart. A delete
    that the overload keeps from being accepted is a result.

    Args:
        cluster: As the runner.
        log: The run's undo log; the pods are recreated by their controllers, so there is nothing to undo.
        fault: Id of the fault that this is.
        pods: Which ones, and where others are looked for that take their place.
        timeout_s: Limit of everything together.
        clock: Source of time.

    Returns:
        ``pods`` (number that were to be deleted), ``accepted`` (number the API took), ``accepted_s``,
        ``rescheduled_s``, ``synced_s`` (seconds from the start until as many new ones were ready, null if not seen in
        time), ``outcomes`` (last outcome of the deletes that were not accepted: "unknown" may have landed) and
        ``reason`` for a null.

    Raises:
        TargetRefused: The runner may not delete them.
    """
    started_s = clock.monotonic_s()
    where, before = pods.where, pods.names
    number = log.intend(observed(fault, f"delete pods {where.namespace}/{', '.join(sorted(before.values()))}"))
    outcomes = _delete_all(cluster, where, before, started_s + timeout_s, clock)
    accepted_s = clock.monotonic_s() - started_s
    log.done(number, "nothing to undo: what controls them makes new ones")
    rescheduled_s, synced_s = _watch(cluster, where, before, started_s, timeout_s, clock)
    missing = [outcome for outcome in outcomes if outcome != "ok"]
    result = {
        "pods": len(before),
        "accepted": len(outcomes) - len(missing),
        "outcomes": missing,
        "accepted_s": None if missing else accepted_s,
        "rescheduled_s": rescheduled_s,
        "synced_s": synced_s,
    }
    return result if synced_s is not None else {**result, "reason": f"not seen within {round(timeout_s, 1):g} s"}


def _known_pods(cluster: Cluster, noted: DnsPods, timeout_s: float) -> Mapping[str, str]:
    """The DNS pods there are now or, where the API no longer says, those that the gate saw."""
    try:
        pods: Mapping[str, str] = list_dns_pods(cluster, noted.where, min(_CALL_S, timeout_s / 2))
    except CallFailed:
        if not noted.names:
            raise
        return noted.names
    if not pods:
        raise TargetRefused(
            f"no pod with {noted.where.selector} in {noted.where.namespace} is alive; nothing was changed; name a "
            "cluster whose DNS runs in pods"
        )
    return pods


def _delete_all(
    cluster: Cluster, where: ClusterDns, pods: Mapping[str, str], deadline_s: float, clock: Clock
) -> list[str]:
    """Delete all pods side by side, each until it is accepted or time is up; returns the last outcome of each.

    In threads, because one that waits in the server's queue must not hold up the other. When a signal takes the main
    thread out of here, they start nothing more.
    """
    stop = Event()
    threads = ThreadPoolExecutor(max_workers=min(len(pods), _MOST_AT_ONCE))

    def until_accepted(uid: str, name: str) -> str:
        outcome = "unknown"
        with cluster.fresh() as own:
            while outcome != "ok" and not stop.is_set() and (left_s := deadline_s - clock.monotonic_s()) > 0:
                # As long as there is time, as kubectl waits: each new attempt would queue anew behind the storm.
                outcome = _delete(own, where, uid, name, max(1.0, left_s))
                if outcome != "ok":
                    clock.sleep(_POLL_S)
        return outcome

    try:
        deletes = [threads.submit(until_accepted, uid, name) for uid, name in pods.items()]
        return [delete.result() for delete in deletes]
    finally:
        stop.set()
        threads.shutdown(wait=False, cancel_futures=True)


def _delete(cluster: Cluster, where: ClusterDns, uid: str, name: str, timeout_s: float) -> str:
    """Try once to delete one pod; the UID goes along, so that a repeated delete cannot hit its successor."""
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
    try:
        answer = cluster.call("DELETE", f"{where.pods_path}/{name}", body=options, timeout_s=timeout_s)
        if answer.status not in (404, 409):  # gone already, or replaced already: both are what was wanted
            cluster.expect_success(answer, f"delete pod {where.namespace}/{name}")
    except CallFailed as error:
        return "unknown" if error.is_unknown else error.outcome
    return "ok"


def _watch(
    cluster: Cluster, where: ClusterDns, before: Mapping[str, str], started_s: float, timeout_s: float, clock: Clock
) -> tuple[float | None, float | None]:
    """When as many new pods as before were bound to a node, and when as many were ready.

    Ready says synced: CoreDNS' ``ready`` plugin waits for the kubernetes plugin's first list (source: CoreDNS,
    plugin/kubernetes/ready.go).
    """
    rescheduled_s: float | None = None
    while (left_s := started_s + timeout_s - clock.monotonic_s()) > 0:
        try:
            limit_s = min(_CALL_S, max(0.5, left_s))
            found = cluster.get(where.pods_path, timeout_s=limit_s, labelSelector=where.selector) or {}
        except CallFailed:
            found = {}
        listed = [pod for pod in found.get("items") or [] if pod["metadata"]["uid"] not in before]
        new = [pod for pod in listed if not is_over(pod) and not is_dying(pod)]
        now_s = clock.monotonic_s() - started_s
        if rescheduled_s is None and sum(bool(pod["spec"].get("nodeName")) for pod in new) >= len(before):
            rescheduled_s = now_s
        if sum(map(is_ready, new)) >= len(before):
            return rescheduled_s, now_s
        clock.sleep(min(_POLL_S, max(0.0, left_s)))
    return rescheduled_s, None
