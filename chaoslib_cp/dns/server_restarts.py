"""Whether containers of the DNS servers end: killed for their memory, crashed, or restarted in a loop."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.cluster_dns import find_cluster_dns
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.live_pods import is_ready, live_pods
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings

_CALL_S: Final = 5.0
_SHOWN: Final = 10
_WORDS: Final = 300  # characters of what an error says
# What a kubelet calls the end of a container that the kernel killed (source: kubelet, kuberuntime_container.go).
_OUT_OF_MEMORY: Final = "OOMKilled"


def look_for_restarts(settings: Settings, window_s: float, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Ask the API about the pods of cluster DNS; keys are told by ``dns_servers_stay_up``."""
    call_s = min(_CALL_S, timeout_s / 3)
    try:
        with open_cluster(settings) as cluster:
            where = find_cluster_dns(cluster, call_s)
            listed = cluster.get(where.pods_path, timeout_s=call_s, labelSelector=where.selector)
            pods = live_pods(cluster, listed, call_s)
    except ControlPlaneError as error:
        return _told([], [], [], str(error)[:_WORDS])
    since_s = clock.epoch_s() - window_s
    ends = [(str(pod["metadata"]["name"]), end) for pod in pods for end in _ends(pod) if _at_s(end) >= since_s]
    reason = "" if pods else f"there are no {where}"
    return _told(pods, [name for name, _ in ends], [end.get("reason") for _, end in ends], reason)


def _told(pods: list[dict[str, Any]], restarted: list[str], reasons: list[Any], why_not: str) -> dict[str, Any]:
    statuses = [one for pod in pods for one in _containers(pod)]
    return {
        "ok": bool(pods) and not restarted,
        "servers": len(pods),
        "ready": sum(map(is_ready, pods)),
        "restarted": list(dict.fromkeys(restarted))[:_SHOWN],
        "restarts": sum(int(one.get("restartCount") or 0) for one in statuses),
        "oom_killed": reasons.count(_OUT_OF_MEMORY),
        "reason": why_not,
    }


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _ends(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """How containers of a pod ended, the one that is there now and the one before it."""
    for container in _containers(pod):
        for state in ("state", "lastState"):
            ended = (container.get(state) or {}).get("terminated")
            if ended:
                yield ended


def _at_s(ended: Mapping[str, Any]) -> float:
    """When it ended, epoch seconds; 0 where the kubelet does not say."""
    try:
        return datetime.fromisoformat(str(ended.get("finishedAt"))).timestamp()
    except ValueError:
        return 0.0
