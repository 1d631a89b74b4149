"""The gate: is this provably the test cluster that was meant, and is nothing left over from before?

Passed while the API is healthy, it leaves a permit; every later action checks that, without the API.
Stopping, rolling back and recovering never come here: they need only the undo log and the CA.
"""

from contextlib import suppress
from typing import Any

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.door.api_servers import find_api_servers
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.cluster_dns import find_cluster_dns, list_dns_pods
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.lock import process_using
from chaoslib_cp.cluster.door.prober import ProberFacts, find_prober, nameservers_of_pods
from chaoslib_cp.cluster.door.same_cluster import CLUSTER_UID_PATH
from chaoslib_cp.cluster.gate.allowed import PINS, pinned_uid, refuse_contexts
from chaoslib_cp.cluster.gate.identities import refuse_other_clusters
from chaoslib_cp.cluster.gate.marker import MARKER_NAME, MARKER_NAMESPACE, MARKER_PATH, Marker, parse_marker
from chaoslib_cp.cluster.gate.permit import Permit, permit_for, write_permit
from chaoslib_cp.cluster.gate.production import max_nodes, production_signs
from chaoslib_cp.cluster.undo.finished import put_aside_if_forgotten
from chaoslib_cp.cluster.undo.pods import refuse_pods_at_work
from chaoslib_cp.cluster.undo.run import is_part_of, undo_folder
from chaoslib_cp.cluster.undo.second_record import refuse_runs_from_elsewhere
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import ControlPlaneError, TargetRefused, UndoFailed
from chaoslib_cp.settings import Settings

# A permit outlives any run we make (at most an hour of storm, then recovery), but not the working day.
_RUN_PERMIT_S = 4 * 3600.0
# Without a control nothing ends the run, so its permit is short: one action and the next.
_ADHOC_PERMIT_S = 900.0
# Agents carry an absolute deadline beside their own duration; more than this would make the second fuse useless.
_CLOCKS_APART_S = 60.0
_HEALTHY_S = 5.0  # the API service level objective for a single object is 1 s (sig-scalability); be generous once


def check_gate(settings: Settings, clock: Clock | None = None) -> Permit:
    """Pass the gate and leave a permit for this run. Reads a few objects, changes nothing in the cluster.

    Args:
        settings: What the run was told; ``cluster_uids`` pins the cluster, ``allowed_contexts`` (names in a list or
            with commas between them) says which contexts may be used at all, ``max_nodes`` (1 to 5000, default 300)
            how large it may be.
        clock: Source of time.

    Raises:
        TargetRefused: Not the cluster that was meant, not marked, mark expired, it looks like production, or something
            is left over.
        ProfileInvalid: ``max_nodes`` is not a number in its range, or a list of allowed contexts holds no names.
        TargetUnreachable: The API does not answer well enough to know.
    """
    clock = clock or SystemClock()
    with open_cluster(settings) as cluster:
        return _pass(cluster, settings, clock)


def require_permit(cluster: Cluster, settings: Settings, clock: Clock) -> Permit:
    """What every action that starts something calls first: this run's permit, or the whole gate if there is none yet.

    Raises:
        TargetRefused: No permit covers this cluster and the gate was not passed, the contexts are not on the list, or
            nothing says that it is this cluster that answers. Nothing was changed.
        TargetUnreachable: There is no permit and the API is too unwell to pass the gate.
    """
    refuse_unverified(cluster)
    refuse_contexts(cluster, settings)
    pinned = pinned_uid(settings)
    permit = permit_for(settings, cluster, pinned, clock)
    if permit is None:
        return _pass(cluster, settings, clock)
    reason = permit.refusal(cluster, pinned, clock)
    if reason:
        raise TargetRefused(f"{reason}; nothing was changed; start a new run")
    return permit


def _pass(cluster: Cluster, settings: Settings, clock: Clock) -> Permit:
    refuse_unverified(cluster)
    refuse_contexts(cluster, settings)
    if not settings.is_without_control:
        # what is known here is asked first: after a crash in the storm the API may not answer
        refuse_leftovers("", cluster.ca_sha256, settings.run, clock)
    uid = _cluster_uid(cluster, clock)
    refuse_other_pin(cluster, uid, settings)
    run = settings.run_on(uid)
    marker = require_marker(cluster, uid, clock.epoch_s())
    refuse_production(cluster, marker, settings)
    refuse_other_clusters(cluster, uid, settings, _HEALTHY_S)
    refuse_leftovers(uid, cluster.ca_sha256, run, clock)
    refuse_runs_from_elsewhere(cluster, uid, clock, _HEALTHY_S)
    refuse_pods_at_work(cluster, uid, run, clock, _HEALTHY_S)
    now_s, boot_s = clock.epoch_s(), clock.monotonic_s()
    lasts_s = min(_ADHOC_PERMIT_S if settings.is_without_control else _RUN_PERMIT_S, marker.expires_epoch_s - now_s)
    ends = (now_s + lasts_s, boot_s, boot_s + lasts_s)
    where = (uid, cluster.ca_sha256, cluster.server, cluster.context, cluster.addresses)
    permit = Permit(run, *where, marker.owner, *ends, **_for_the_storm(cluster))
    write_permit(permit)
    return permit


def refuse_other_pin(cluster: Cluster, uid: str, settings: Settings) -> None:
    """Refuse a cluster that is not the one which the run is pinned to.

    Raises:
        TargetRefused: It is another one, or two are named; nothing was changed.
    """
    pinned = pinned_uid(settings)
    if pinned and pinned != uid:
        raise TargetRefused(
            f"{cluster.server} is cluster {uid}, this run is pinned to {pinned} ({PINS}); nothing was changed; "
            "name the right cluster"
        )


def refuse_unverified(cluster: Cluster) -> None:
    """Refuse a cluster without an authority that is enforced: whoever answers at the address would pass for it.

    Raises:
        TargetRefused: It has none; nothing was changed.
    """
    if not cluster.is_verified:
        raise TargetRefused(
            f"nothing proves that {cluster.server} is the cluster that was meant: its certificate is not checked "
            "against an authority of its own; nothing was changed; use https and give the cluster's CA "
            "(certificate-authority in the kubeconfig, without insecure-skip-tls-verify, or KUBERNETES_CA_CERT_FILE)"
        )


def _for_the_storm(cluster: Cluster) -> dict[str, Any]:
    """What a permit says of prober, DNS servers and API servers, noted now because in the storm nobody can ask.

    A cluster without them passes all the same: it is the activity that needs them which says so.
    """
    prober = ProberFacts()
    noted: dict[str, Any] = {}
    api_servers: tuple[str, ...] = ()
    with suppress(ControlPlaneError):
        api_servers = find_api_servers(cluster, _HEALTHY_S)
    with suppress(ControlPlaneError):
        prober = find_prober(cluster, timeout_s=_HEALTHY_S)
    try:
        dns = find_cluster_dns(cluster, _HEALTHY_S, lambda: nameservers_of_pods(prober.pages))
        noted = {"dns_namespace": dns.namespace, "dns_selector": dns.selector, "dns_addresses": dns.addresses}
        noted["dns_pods"] = list_dns_pods(cluster, dns, timeout_s=_HEALTHY_S)
    except ControlPlaneError as error:
        noted["dns_doubt"] = "" if noted else str(error)
    return {
        "api_servers": api_servers,
        "prober_pages": prober.pages,
        "prober_image": prober.image,
        "prober_pull_secret": prober.image_pull_secret,
        **noted,
    }


def _cluster_uid(cluster: Cluster, clock: Clock) -> str:
    answer = cluster.call("GET", CLUSTER_UID_PATH, timeout_s=_HEALTHY_S)
    cluster.expect_success(answer, "read namespace kube-system")
    if answer.served_epoch_s is not None and abs(answer.served_epoch_s - clock.epoch_s()) > _CLOCKS_APART_S:
        raise TargetRefused(
            f"the clock of {cluster.server} and the one here are {abs(answer.served_epoch_s - clock.epoch_s()):.0f} s "
            "apart, so deadlines would end too late or too soon; nothing was changed; set the clocks"
        )
    namespace = answer.json()
    uid = str((namespace.get("metadata") or {}).get("uid") or "")
    if not uid:
        raise TargetRefused(
            f"{cluster.server} shows no UID of namespace kube-system, so it cannot be told from other clusters; "
            "nothing was changed; let the runner read that namespace"
        )
    return uid


def require_marker(cluster: Cluster, uid: str, now_epoch_s: float) -> Marker:
    """The owner's mark, which must be for this cluster and still count.

    Raises:
        TargetRefused: It is not there, for another cluster, over, or not readable; nothing was changed.
        CallFailed: The API does not answer.
    """
    found = cluster.get(MARKER_PATH, timeout_s=_HEALTHY_S)
    if found is None:
        raise TargetRefused(
            f"{cluster.server} is not marked as a test cluster (no ConfigMap {MARKER_NAMESPACE}/{MARKER_NAME}); "
            "nothing was changed; its owner can run `chaos cp mark`"
        )
    marker = parse_marker(found)
    if marker.cluster_uid != uid:
        raise TargetRefused(
            f"the mark in {cluster.server} was made for cluster {marker.cluster_uid}, this is {uid}; "
            "nothing was changed; mark this one with `chaos cp mark`"
        )
    if marker.expires_epoch_s <= now_epoch_s:
        raise TargetRefused(
            f"the mark of {marker.owner} in {cluster.server} has expired; nothing was changed; "
            "mark it again with `chaos cp mark`"
        )
    return marker


def refuse_production(cluster: Cluster, marker: Marker, settings: Settings) -> None:
    """Refuse a cluster that looks like production in a way that its owner did not accept.

    Raises:
        TargetRefused: It does, or the runner may not look; nothing was changed.
        ProfileInvalid: ``max_nodes`` is not a number in its range; nothing was changed.
        CallFailed: The API does not answer.
    """
    for sign in production_signs(cluster, max_nodes(settings), _HEALTHY_S):
        if sign.kind not in marker.accepted_signs:
            raise TargetRefused(
                f"{cluster.server} looks like production: {sign.words}; nothing was changed; if experiments may break "
                f"it all the same, its owner can mark it again with --accept {sign.kind}"
            )


def refuse_leftovers(uid: str, ca_sha256: str, run: str, clock: Clock) -> None:
    """Refuse while undo logs of this cluster, other than this run's own, are open: they must be healed first.

    Asks nothing of the cluster, so it is cheap to repeat.

    Args:
        uid: UID of the cluster's kube-system namespace; empty while nobody has asked.
        ca_sha256: Digest of its authority.
        run: This run.
        clock: Source of time.

    Raises:
        TargetRefused: Something is left over, or a log cannot be read and may hold something; nothing was changed.
    """
    try:
        paths = find_logs(undo_folder())
    except UndoFailed as error:
        raise TargetRefused(f"{error}; nothing was changed") from error
    for path in paths:
        try:
            log = UndoLog.read(path, clock)
            items = log.open_items()
        except UndoFailed as error:
            raise TargetRefused(f"{error}; nothing was changed; run `chaos cp recover`") from error
        if not items and not is_part_of(log.run, run):
            put_aside_if_forgotten(log, clock)
        is_here = log.header.get("cluster_uid") == uid or log.header.get("ca_sha256") == ca_sha256
        if is_here and items and not is_part_of(log.run, run):
            holder = process_using(str(log.header.get("cluster_uid")))
            if holder:
                raise TargetRefused(f"process {holder} is playing run {log.run} here; nothing was changed; wait for it")
            raise TargetRefused(
                f"run {log.run} left {len(items)} things in this cluster, first {items[0].entry}; nothing was changed; "
                "run `chaos cp recover`"
            )
