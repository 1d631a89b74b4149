"""Reaching the DNS servers' containers past the API, by an infrastructure driver."""

from collections.abc import Mapping
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.cluster_dns import list_dns_pods
from chaoslib_cp.cluster.injection import Injection
from chaoslib_cp.cluster.undo.kinds.observe_only import observed
from chaoslib_cp.dns.pods import DnsPods
from chaoslib_cp.errors import ControlPlaneError, TargetRefused
from chaoslib_cp.infrastructure import Driver
from chaoslib_cp.infrastructure.container_act import ContainerAct

_SHOWN: Final = 20
_LOOK_S: Final = 2.0  # a healthy API lists two pods in milliseconds; in the storm nobody waits for it


def pods_to_reach(cluster: Cluster, noted: DnsPods) -> DnsPods:
    """The DNS pods there are now or, where the API does not say at once, those that the gate saw.

    Both come from a server that the permit's authority vouches for, so they are pods of that cluster.

    Raises:
        TargetRefused: None is known.
    """
    try:
        pods: Mapping[str, str] = list_dns_pods(cluster, noted.where, _LOOK_S)
    except ControlPlaneError:
        pods = noted.names
    if not pods:
        raise TargetRefused(
            f"no pod with {noted.where.selector} in {noted.where.namespace} of {cluster.server} is known; nothing was "
            "changed; name a cluster whose DNS runs in pods, or start a new run while its API is healthy"
        )
    return DnsPods(noted.where, pods)


def act_on_dns_containers(
    injection: Injection, driver: Driver, act: ContainerAct, pods: DnsPods, timeout_s: float
) -> dict[str, Any]:
    """Do it to the containers of these pods, and of nobody else's, wherever the driver leads.

    Args:
        injection: The fault that this is.
        driver: What reaches the containers.
        act: What is done to them.
        pods: Whose containers.
        timeout_s: Limit of everything.

    Returns:
        How many it was done to, under the key of the act's answer, ``names`` (the first 20) and ``took_s``.

    Raises:
        TargetRefused: The driver cannot do it, or its infrastructure runs none of them; nothing was changed.
        TargetUnreachable: The driver failed; it may have been done to some.
        UndoFailed: It cannot be put on record.
    """
    where, log = pods.where, injection.log
    names = f"{where.namespace}/{', '.join(sorted(pods.names.values())[:_SHOWN])}"
    started_s = injection.clock.monotonic_s()
    number = log.intend(observed(injection.fault, f"{act.name} of {names}"))
    try:
        done = driver.act_on_containers(act, where.namespace, where.label, list(pods.names), timeout_s)
        if not done:
            raise TargetRefused(
                f"infrastructure {injection.settings.infrastructure} runs no container of the DNS pods {names}; "
                "nothing was changed; set configuration.infrastructure to the one of this cluster, or wait until these "
                "pods run"
            )
    except TargetRefused:
        log.done(number, "nothing to undo: nothing was changed")
        raise
    log.done(number, f"nothing to undo: {act.after}")
    return {act.answer: len(done), "names": done[:_SHOWN], "took_s": injection.clock.monotonic_s() - started_s}
