"""Arming DNS servers and giving them back what they had: the parts that every fault in their answers shares.

Arming edits the Corefile once, which every DNS server reloads; that flushes their caches. Going back edits it again,
byte for byte as it was, and flushes what is left.
"""

from dataclasses import dataclass, replace
from typing import Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.health import refuse_unwell
from chaoslib_cp.cluster.injection import Injection
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.dns.armed import UNWELL, wait_for_revision
from chaoslib_cp.dns.corefile_edit import edit_corefile
from chaoslib_cp.dns.corefile_source import CorefileSource, find_corefile
from chaoslib_cp.dns.disarmed import seen_disarmed
from chaoslib_cp.engine.poison.arming import Poison
from chaoslib_cp.errors import TargetRefused, TargetUnreachable
from chaoslib_cp.fault import Ended, FaultKind
from chaoslib_cp.settings import Settings
from chaoslib_cp.waits import waiting_for

_LATER: Final = "the lie ends by its own clock; run `chaos cp recover` when the API is well"
_MARGIN_S: Final = 1.0


@dataclass(frozen=True)
class Arming:
    """What DNS servers are told, and how.

    Attributes:
        text: Their Corefile.
        poison: What it stands for.
        within_s: After how long every one of them must run it.
        touch_pods: Annotate them, so that their kubelets hand it on at once.
    """

    text: str
    poison: Poison
    within_s: float
    touch_pods: bool


def servers_to_arm(injection: Injection) -> CorefileSource:
    """Find the Corefile of the cluster's DNS servers, to arm them. Reads only.

    Raises:
        TargetRefused: Nobody knows which servers are meant, or they are none that can be told anything.
        TargetUnreachable: The API is unwell.
    """
    if injection.permit.dns_doubt:
        raise TargetRefused(f"no DNS server is poisoned: {injection.permit.dns_doubt}")
    refuse_unwell(injection.cluster, UNWELL)
    return find_corefile(injection.cluster, injection.permit.dns)


def arm(injection: Injection, source: CorefileSource, arming: Arming) -> dict[str, float | None]:
    """Edit the Corefile and wait until every server runs it and the lie begins.

    Returns:
        Seconds until that was seen, by server.

    Raises:
        TargetRefused: A right is missing, or somebody edits it at this moment.
        TargetUnreachable: A server does not run it in time; the Corefile is given back.
        UndoFailed: It cannot be put on record; nothing was changed.
    """
    poison = arming.poison
    ends_s = float(poison.ends_at_epoch_s)
    edit_corefile(injection, source, arming.text, poison.revision, arming.touch_pods, ends_s)
    seen = _wait_until_armed(injection, source, arming)
    _wait_for_the_gates(poison, injection.clock)
    return seen


def disarm(settings: Settings, kind: FaultKind, timeout_s: float, fault: str | None, clock: Clock) -> Ended:
    """Take back faults of a kind that has armed DNS servers.

    Args:
        settings: What the run was told.
        kind: Which kind of fault.
        timeout_s: Seconds to wait for an API that is well, to go on trying, and to see the servers disarmed, each.
        fault: Only the one with this id.
        clock: Source of time.

    Raises:
        TargetUnreachable: The API is unwell, or nobody reaches the cluster; nothing was undone.
        UndoFailed: The Corefile is still armed, and stays in the undo log.
    """
    if _is_armed(settings, kind, clock):
        _wait_until_well(settings, timeout_s, clock)
    ended = take_back(settings, timeout_s, clock, kind.name, fault)
    if not ended.faults:
        return ended
    return replace(ended, details={**ended.details, **seen_disarmed(settings, timeout_s, clock)})


def _is_armed(settings: Settings, kind: FaultKind, clock: Clock) -> bool:
    log = undo_log_of_run(settings, clock)
    return log is not None and bool(log.open_items(log.faults(kind.name)))


def _wait_until_well(settings: Settings, timeout_s: float, clock: Clock) -> None:
    """Wait for an API that a reload of CoreDNS can learn the cluster from: the way back is a reload, too.

    Raises:
        TargetUnreachable: It is unwell still; nothing was undone. The lie has ended, or ends, by its own clock.
    """
    end_s = clock.monotonic_s() + timeout_s
    with waiting_for("the API to be well: to give the Corefile back is a reload", timeout_s):
        while True:
            try:
                with open_cluster(settings) as cluster:
                    return refuse_unwell(cluster, UNWELL, _LATER)
            except TargetRefused:
                return None  # an answer all the same; who may take it back, the way back finds out
            except TargetUnreachable:
                if clock.monotonic_s() >= end_s:
                    raise
            clock.sleep(1.0)


def _wait_until_armed(injection: Injection, source: CorefileSource, arming: Arming) -> dict[str, float | None]:
    """Refuse to go on when a server does not run the new Corefile before its gates open: nobody knows what it does.

    Raises:
        TargetUnreachable: One does not; the Corefile is given back.
    """
    revision, begins_s = arming.poison.revision, arming.poison.begins_at_epoch_s
    left_s = max(0.0, begins_s - injection.clock.epoch_s() - _MARGIN_S)
    seen = wait_for_revision(injection.settings, source.servers, revision, left_s, injection.clock)
    late = [f"{one.name} ({one.address})" for one in source.servers if seen[one.address] is None]
    if late:
        raise TargetUnreachable(
            f"DNS server {', '.join(late[:3])} does not run the new Corefile after {arming.within_s:g} s; the old "
            "one is given back; use a larger arm_within_s, and look for a reload error in the log of that pod"
        )
    return seen


def _wait_for_the_gates(poison: Poison, clock: Clock) -> None:
    """Wait by the clock that is never set: the gates are the servers' own, and open by theirs."""
    left_s = max(0.0, poison.begins_at_epoch_s - clock.epoch_s())
    end_s = clock.monotonic_s() + left_s
    with waiting_for("the lie to begin", left_s):
        while (left_s := end_s - clock.monotonic_s()) > 0:
            clock.sleep(min(left_s, 0.5))
