"""Seeing DNS servers back on their own Corefile, once it has been given back."""

from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import require_permit
from chaoslib_cp.dns.armed import touch_if_possible, wait_for_revision
from chaoslib_cp.dns.corefile_source import find_corefile
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings


def seen_disarmed(settings: Settings, timeout_s: float, clock: Clock, touches: bool = True) -> dict[str, Any]:
    """How the servers went back to their own Corefile, as far as it can be seen: the fault is taken back already.

    Args:
        settings: What the run was told.
        timeout_s: Seconds to wait for it.
        clock: Source of time.
        touches: Take the annotation of the pods away, so that their kubelets hand the Corefile on at once.

    Returns:
        ``disarmed_after_s``: seconds by server, null where that was not seen; as a whole where nobody could look.
        ``reason``: why, where somebody says so, or why the pods could not be annotated.
    """
    try:
        with open_cluster(settings) as cluster:
            source = find_corefile(cluster, require_permit(cluster, settings, clock).dns)
            not_touched = touch_if_possible(cluster, source, None) if touches else ""
        seen = wait_for_revision(settings, source.servers, "", timeout_s, clock)
    except ControlPlaneError as error:
        return {"disarmed_after_s": None, "reason": str(error)}
    return {"disarmed_after_s": seen, **({"reason": not_touched} if not_touched else {})}
