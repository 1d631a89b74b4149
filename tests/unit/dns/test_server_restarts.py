"""Whether DNS servers stay up, as their pods' status tells."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.dns.probes import dns_servers_stay_up
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects


def container(ago_s: float, reason: str = "OOMKilled", state: str = "lastState", restarts: int = 3) -> dict[str, Any]:
    """The status of a container that ended so many seconds ago."""
    at = datetime.fromtimestamp(SystemClock().epoch_s() - ago_s, UTC)
    ended = {"reason": reason, "finishedAt": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {"name": "coredns", "restartCount": restarts, state: {"terminated": ended}}


def look(kube: KubeObjects, *containers: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """What the probe says of two DNS servers, one of which has these containers."""
    kube.add_dns_service()
    kube.add_dns_pod("coredns-a", containerStatuses=list(containers))
    kube.add_dns_pod("coredns-b", is_ready=False)
    return dns_servers_stay_up(configuration=kube.configuration(), **arguments)


def test_a_container_that_was_killed_of_late_is_told(kube: KubeObjects) -> None:
    """With how many were kills for memory; the next look back may be shorter than the end is ago."""
    found = look(kube, container(5))
    assert found == {
        "ok": False, "servers": 2, "ready": 1, "restarted": ["coredns-a"], "restarts": 3, "oom_killed": 1, "reason": "",
    }  # fmt: skip
    assert look(kube, container(100), window_s=60)["ok"] is True
    assert look(kube, container(100), window_s=600)["ok"] is False


@pytest.mark.parametrize(
    ("ended", "others", "ok", "oom_killed"),
    [
        ([(5.0, "Error", "state")], [], False, 0),
        ([(5.0, "Error"), (6.0,)], [], False, 1),
        ([], [{"name": "coredns", "restartCount": 2, "state": {"running": {}}}], True, 0),
        ([], [{"name": "coredns", "lastState": {"terminated": {"reason": "OOMKilled"}}}], True, 0),
        ([], [], True, 0),
    ],
    ids=["waits to be restarted", "several", "runs", "nobody says when", "not begun"],
)
def test_each_end_counts(
    kube: KubeObjects, ended: list[tuple[Any, ...]], others: list[dict[str, Any]], ok: bool, oom_killed: int
) -> None:
    """Of the container that is there and of the one before it."""
    found = look(kube, *(container(*one) for one in ended), *others)
    assert (found["ok"], found["oom_killed"]) == (ok, oom_killed)


def test_nobody_can_tell(kube: KubeObjects) -> None:
    """No DNS server, or no answer, is not well, and says why."""
    kube.add_dns_service()
    found = dns_servers_stay_up(configuration=kube.configuration())
    assert (found["ok"], found["servers"], found["reason"]) == (
        False, 0, "there are no pods with k8s-app=kube-dns in kube-system"
    )  # fmt: skip
    kube.fail_next("GET", "/api/v1/services", Answer(500), times=9)
    assert "500" in dns_servers_stay_up(configuration=kube.configuration())["reason"]
