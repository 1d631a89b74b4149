"""How containers of a pod ended, as their kubelet tells."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

OUT_OF_MEMORY: Final = "OOMKilled"
"""What a kubelet calls the end of a container that the kernel killed (source: kubelet, kuberuntime_container.go)."""


@dataclass(frozen=True)
class ContainerEnd:
    """One end.

    Attributes:
        at_s: When, epoch seconds; 0 where the kubelet does not say.
        reason: Its word for it.
        exit_code: 128 and the number of the signal for a container that a signal ended; None where it does not say.
    """

    at_s: float
    reason: str
    exit_code: int | None


def container_statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the kubelet tells of each container of a pod."""
    return (pod.get("status") or {}).get("containerStatuses") or []


def ends_of(pod: Mapping[str, Any]) -> Iterator[ContainerEnd]:
    """How its containers ended: of each the one that is there now, and the one before it."""
    for container in container_statuses(pod):
        for state in ("state", "lastState"):
            ended = (container.get(state) or {}).get("terminated")
            if ended:
                code = ended.get("exitCode")
                yield ContainerEnd(
                    _at_s(ended), str(ended.get("reason") or ""), code if isinstance(code, int) else None
                )


def _at_s(ended: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(ended.get("finishedAt"))).timestamp()
    except ValueError:
        return 0.0
