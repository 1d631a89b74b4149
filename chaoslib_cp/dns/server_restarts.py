"""Whether containers of the DNS servers end: killed for their memory, crashed, or restarted in a loop."""

from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.cluster_dns import find_cluster_dns
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.container_ends import OUT_OF_MEMORY, container_statuses, ends_of
from chaoslib_cp.cluster.door.live_pods import is_ready, live_pods
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings

_CALL_S: Final = 5.0
_SHOWN: Final = 10
_WORDS: Final = 300  # characters of what an error says


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
    ends = [(str(pod["metadata"]["name"]), end) for pod in pods for end in ends_of(pod) if end.at_s >= since_s]
    reason = "" if pods else f"there are no {where}"
    return _told(pods, [name for name, _ in ends], [end.reason for _, end in ends], reason)


def _told(pods: list[dict[str, Any]], restarted: list[str], reasons: list[str], why_not: str) -> dict[str, Any]:
    statuses = [one for pod in pods for one in container_statuses(pod)]
    return {
        "ok": bool(pods) and not restarted,
        "servers": len(pods),
        "ready": sum(map(is_ready, pods)),
        "restarted": list(dict.fromkeys(restarted))[:_SHOWN],
        "restarts": sum(int(one.get("restartCount") or 0) for one in statuses),
        "oom_killed": reasons.count(OUT_OF_MEMORY),
        "reason": why_not,
    }
