"""Which DNS servers run which revision of their Corefile, as the workload prober sees it; and making kubelets hurry."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.dns.corefile_source import CorefileSource, DnsServer
from chaoslib_cp.engine.poison.revision import read_revision
from chaoslib_cp.errors import ControlPlaneError, TargetRefused
from chaoslib_cp.observe.evidence import gather, number
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_REVISION, DNS_WATCHED_POD
from chaoslib_cp.waits import waiting_for

ANNOTATION: Final = "chaoslib-cp/corefile-revision"
UNWELL: Final = "a reload of CoreDNS would then lose all that it knows of the cluster"
"""Why no Corefile is edited while the API is unwell."""
_WINDOW_S: Final = 6.0  # two questions, and the pull that brings them
_POLL_S: Final = 0.5
_CALL_S: Final = 5.0


def revisions(settings: Settings, clock: Clock) -> dict[str, str]:
    """The revision that each DNS server said last, by its address; empty text for one that is not armed."""
    return {address: said for (address, _), said in revisions_by_node(settings, clock).items()}


def revisions_by_node(settings: Settings, clock: Clock) -> dict[tuple[str, str], str]:
    """The same by address and by the node from which it was asked, what was said last coming last."""
    samples = gather(settings, [DNS_REVISION.name], _WINDOW_S, clock)[DNS_REVISION.name]
    said: dict[tuple[str, str], str] = {}
    for sample in samples:
        answers = sample.get("answers")
        found = read_revision(map(str, answers)) if isinstance(answers, list) else None
        asked = (str(sample["target"]), str(sample.get("node") or ""))
        said.pop(asked, None)
        # without an upstream a server that is not armed may say nothing at all about this name
        said[asked] = found.id if found else ""
    return said


def refuse_unseen(settings: Settings, servers: Sequence[DnsServer], clock: Clock) -> None:
    """Refuse when nobody could see whether each of these servers is armed.

    Raises:
        TargetRefused: The prober does not ask one of them; nothing was changed.
    """
    seen = revisions(settings, clock)
    unseen = [f"{server.name} ({server.address or 'no address'})" for server in servers if server.address not in seen]
    if unseen:
        raise TargetRefused(
            f"the workload prober has no answer from DNS server {', '.join(unseen[:3])}, so nobody could see what it "
            "tells; nothing was changed; let the prober of this version run (`chaos cp manifests`), and see that it "
            "reaches each DNS pod"
        )


def wait_for_revision(
    settings: Settings, servers: Sequence[DnsServer], revision: str, within_s: float, clock: Clock
) -> dict[str, float | None]:
    """Wait until each server runs a revision.

    Args:
        settings: What the run was told.
        servers: Which ones.
        revision: Which one; empty for a Corefile that is not armed.
        within_s: Seconds to wait.
        clock: Source of time.

    Returns:
        By address, seconds until that was seen, to about a second; None for one that was not seen in time.
    """
    started_s = clock.monotonic_s()
    seen: dict[str, float | None] = {server.address: None for server in servers}
    what = "armed" if revision else "as it was"
    with waiting_for(f"each of {len(servers)} DNS servers to be {what}", within_s):
        while True:
            now = revisions(settings, clock)
            waited_s = clock.monotonic_s() - started_s
            for address, since_s in seen.items():
                if since_s is None and now.get(address) == revision:
                    seen[address] = round(waited_s, 1)
            if waited_s >= within_s or None not in seen.values():
                return seen
            clock.sleep(_POLL_S)


def wait_for_answers(
    settings: Settings, servers: Sequence[DnsServer], since_epoch_s: float, within_s: float, clock: Clock
) -> int:
    """Wait until each server has answered a watched question rightly since a moment: what it keeps is known then.

    Args:
        settings: What the run was told.
        servers: Which ones.
        since_epoch_s: The moment, seconds since 1970.
        within_s: Seconds to wait.
        clock: Source of time.

    Returns:
        How many have.
    """
    end_s = clock.monotonic_s() + within_s
    with waiting_for(f"an answer of each of {len(servers)} DNS servers about what is pinned", within_s):
        while True:
            samples = gather(settings, [DNS_WATCHED_POD.name], within_s + _WINDOW_S, clock)[DNS_WATCHED_POD.name]
            heard = {
                str(one["target"]).rpartition(" at ")[2]
                for one in samples
                if one["ok"] and number(one, "at_s") >= since_epoch_s
            }
            kept = sum(server.address in heard for server in servers)
            if kept == len(servers) or clock.monotonic_s() >= end_s:
                return kept
            clock.sleep(_POLL_S)


def touch_pods(cluster: Cluster, source: CorefileSource, revision: str | None) -> None:
    """Annotate the DNS pods, so that their kubelets look at their volumes now and not within a minute or two.

    The kubelet works on a pod whenever the pod changes (source: Kubernetes documentation, "Mounted ConfigMaps are
    updated automatically").

    Args:
        cluster: As the runner.
        source: Which pods.
        revision: What the annotation says; None takes it away.

    Raises:
        TargetRefused: The runner may not patch pods there; some may have the annotation.
        CallFailed: The API does not answer; likewise.
    """
    body: Mapping[str, Any] = {"metadata": {"annotations": {ANNOTATION: revision}}}
    for server in source.servers:
        path = f"/api/v1/namespaces/{source.namespace}/pods/{server.name}"
        answer = cluster.call("PATCH", path, body=body, timeout_s=_CALL_S)
        if answer.status != 404:  # replaced meanwhile: a new pod reads the new Corefile anyway
            cluster.expect_success(answer, f"annotate pod {source.namespace}/{server.name}")


def touch_if_possible(cluster: Cluster, source: CorefileSource, revision: str | None) -> str:
    """The same where nothing depends on it; returns why it could not be, empty when it could."""
    try:
        touch_pods(cluster, source, revision)
    except ControlPlaneError as error:
        return str(error)
    return ""
