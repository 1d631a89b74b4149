"""Restarting the DNS servers through the API, with the three waits that an overload stretches timed apart."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.call import CallFailed, Cluster
from chaoslib_cp.engine.undo.entry import ObserveOnly
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused, TargetUnreachable

DNS_NAMESPACE = "kube-system"
DNS_LABEL = "k8s-app=kube-dns"  # CoreDNS kept the label of its predecessor (source: kubeadm's CoreDNS manifest)
_PODS = f"/api/v1/namespaces/{DNS_NAMESPACE}/pods"
_CALL_S = 5.0
_POLL_S = 0.5


def delete_dns_pods(cluster: Cluster, log: UndoLog, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Delete every DNS pod once and watch, as far as time allows, what becomes of it.

    Controllers may starve as everything else does, so acceptance, rescheduling and readiness are timed apart.

    Args:
        cluster: As the runner.
        log: The run's undo log; the pods are recreated by their Deployment, so there is nothing to undo.
        timeout_s: Limit of everything together.
        clock: Source of time.

    Returns:
        ``pods`` (number deleted), ``accepted_s``, ``rescheduled_s``, ``synced_s`` (seconds from the start, null if not
        seen in time), ``unknown`` (deletes nobody answered) and ``reason`` for a null.

    Raises:
        TargetRefused: There are no DNS pods, or the runner may not delete them.
        TargetUnreachable: No delete was accepted.
    """
    started_s = clock.monotonic_s()
    before = _pods(cluster, min(_CALL_S, timeout_s))
    if not before:
        raise TargetRefused(
            f"no pod with {DNS_LABEL} in {DNS_NAMESPACE}; nothing was changed; name a cluster with CoreDNS"
        )
    number = log.intend(ObserveOnly(f"delete pods {DNS_NAMESPACE}/{', '.join(sorted(before.values()))}"))
    unknown = _delete_all(cluster, before, started_s + timeout_s, clock)
    accepted_s = clock.monotonic_s() - started_s
    log.done(number, "nothing to undo: their Deployment makes new ones")
    rescheduled_s, synced_s = _watch(cluster, before, started_s, timeout_s, clock)
    result = {
        "pods": len(before),
        "unknown": unknown,
        "accepted_s": accepted_s,
        "rescheduled_s": rescheduled_s,
        "synced_s": synced_s,
    }
    return result if synced_s is not None else {**result, "reason": f"not seen within {timeout_s:g} s"}


def _pods(cluster: Cluster, timeout_s: float) -> dict[str, str]:
    found = cluster.get(_PODS, timeout_s=timeout_s, labelSelector=DNS_LABEL) or {}
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in found.get("items") or []}


def _delete_all(cluster: Cluster, pods: Mapping[str, str], deadline_s: float, clock: Clock) -> int:
    """One delete per pod; returns how many got no answer. Each is made once: a second could hit the successor."""
    unknown, refused = 0, []
    for uid, name in pods.items():
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        limit_s = max(1.0, min(_CALL_S, deadline_s - clock.monotonic_s()))
        try:
            answer = cluster.call("DELETE", f"{_PODS}/{name}", body=options, timeout_s=limit_s)
            if answer.status not in (404, 409):  # gone already, or replaced already: both are what was wanted
                cluster.expect_success(answer, f"delete pod {DNS_NAMESPACE}/{name}")
        except CallFailed as error:
            unknown += error.is_unknown
            refused.extend([] if error.is_unknown else [error.outcome])
    if len(refused) == len(pods):
        raise TargetUnreachable(
            f"no DNS pod was deleted: the API answered {', '.join(refused)}; nothing was changed; "
            "restart them before the storm, or with coupling restart-containers"
        )
    return unknown


def _watch(
    cluster: Cluster, before: Mapping[str, str], started_s: float, timeout_s: float, clock: Clock
) -> tuple[float | None, float | None]:
    """When as many new pods as before were bound to a node, and when as many were ready.

    Ready says synced: CoreDNS' ``ready`` plugin waits for the kubernetes plugin's first list (source: CoreDNS,
    plugin/kubernetes/ready.go).
    """
    rescheduled_s: float | None = None
    while (left_s := started_s + timeout_s - clock.monotonic_s()) > 0:
        try:
            found = cluster.get(_PODS, timeout_s=min(_CALL_S, max(0.5, left_s)), labelSelector=DNS_LABEL) or {}
        except CallFailed:
            found = {}
        new = [pod for pod in found.get("items") or [] if pod["metadata"]["uid"] not in before]
        now_s = clock.monotonic_s() - started_s
        if rescheduled_s is None and sum(bool(pod["spec"].get("nodeName")) for pod in new) >= len(before):
            rescheduled_s = now_s
        if sum(map(_is_ready, new)) >= len(before):
            return rescheduled_s, now_s
        clock.sleep(min(_POLL_S, max(0.0, left_s)))
    return rescheduled_s, None


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
