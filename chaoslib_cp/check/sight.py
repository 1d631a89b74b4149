"""Will anybody see what workloads suffer? The prober, the way to its page, and the address of cluster DNS it asks."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from chaoslib_cp.check.finding import Finding, apply_manifests, refusal
from chaoslib_cp.check.identities import missing_contexts
from chaoslib_cp.check.scene import CALL_S, NotKnown, Scene, first_page
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns, list_dns_pods
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.live_pods import complaints, is_ready
from chaoslib_cp.cluster.door.prober import PROBER_SERVICE, ProberObjects, ProberPage, configured_pages, read_prober
from chaoslib_cp.errors import ControlPlaneError, TargetUnreachable
from chaoslib_cp.settings import Settings

_PROBER: Final = f"{LIBRARY_NAMESPACE}/{PROBER_SERVICE}"
_KUBECTL: Final = f"kubectl --namespace {LIBRARY_NAMESPACE}"


def blind_spots(settings: Settings, dns: ClusterDns) -> list[Finding]:
    """Say before a run what nobody will see in it, and why: two reads as the runner, and a look at the page.

    Args:
        settings: What the run is told.
        dns: Cluster DNS, as the gate found it.

    Returns:
        Findings that are not ok, each with its fix.
    """
    return [*missing_contexts(settings), *(one for one in _of_prober(settings, dns) if one.level != "ok")]


def prober(scene: Scene) -> Iterator[Finding]:
    """Is the prober there and ready?"""
    if configured_pages(scene.settings):
        yield Finding("ok", _PROBER, "not looked for: configuration.prober_pages says where its page is")
        return
    found = scene.prober.get()
    if found.service is not None and not found.pods:
        yield _without_pods(scene)
    else:
        yield prober_finding(found)


def page(scene: Scene) -> Iterator[Finding]:
    """Can its page be reached from here?"""
    pages = scene.pages.get()
    if not pages:
        raise NotKnown("the prober has no address")
    try:
        scene.page.get()
    except TargetUnreachable as error:
        yield page_finding(error)
    else:
        yield Finding("ok", ", ".join(pages), "the prober's page answers from here")


def dns(scene: Scene) -> Iterator[Finding]:
    """Is the address that the prober asks that of cluster DNS, and are there DNS servers?"""
    where = scene.dns.get()
    known = ProberObjects() if configured_pages(scene.settings) else scene.prober.get()
    yield dns_finding(_asked(known, _page_or_none(scene)), where.addresses, known.facts.image)
    pods = list_dns_pods(scene.runner, where, CALL_S)
    if not pods:
        yield Finding("wrong", f"cluster DNS ({where})", "no DNS pod is alive", "bring cluster DNS up")
    else:
        yield Finding("ok", f"cluster DNS ({where})", f"living pods: {len(pods)}")


def prober_finding(found: ProberObjects) -> Finding:
    """How the prober is, as its Service and pods tell."""
    if found.service is None:
        return Finding("wrong", _PROBER, "there is no prober, so nobody sees what workloads suffer", apply_manifests())
    if not found.node_port:
        return Finding("wrong", f"Service {_PROBER}", "has no NodePort, so its page has no address", apply_manifests())
    if not found.pods:
        fix = f"{_KUBECTL} describe deployment,replicaset"
        return Finding("wrong", f"Deployment {_PROBER}", "has no pod, so nobody sees what workloads suffer", fix)
    ready = [pod for pod in found.pods if is_ready(pod)]
    name = str((ready or found.pods)[0]["metadata"]["name"])
    if not ready:
        why = next((words for pod in found.pods for words in complaints(pod)), "its kubelet gives no reason")
        return Finding("wrong", f"Pod {LIBRARY_NAMESPACE}/{name}", f"is not ready: {why}", f"{_KUBECTL} logs {name}")
    return Finding("ok", f"Pod {LIBRARY_NAMESPACE}/{name}", f"is ready, with image {found.facts.image or 'unknown'}")


def page_finding(error: TargetUnreachable) -> Finding:
    """Why no page answers."""
    fix = "open that port from here to that node, or name an address that leads there: configuration.prober_pages"
    return Finding("wrong", "the prober's page", f"cannot be reached from here ({error})", fix)


def dns_finding(asked: str, addresses: Sequence[str], image: str = "") -> Finding:
    """Whether the address that the prober takes for that of cluster DNS is one of its Service.

    Args:
        asked: The address; empty where nobody can tell.
        addresses: Of the Services of cluster DNS.
        image: What the prober runs; empty where that is not known.
    """
    on = "DNS address of the prober"
    if not addresses:
        says = "no Service of the cluster answers port 53, so nobody can tell whether it is right"
        return Finding("warning", f"{on} ({asked or 'unknown'})", says, "use coupling none, and look yourself")
    fix = apply_manifests(image, f"--cluster-dns {addresses[0]}")
    if not asked:
        return Finding("warning", on, "it names none, and its page does not tell what it found", fix)
    if _address(asked) not in map(_address, addresses):
        says = f"no Service of cluster DNS has it ({', '.join(addresses)} has)"
        return Finding("wrong", f"{on} ({asked})", says, fix)
    return Finding("ok", f"{on} ({asked})", "a Service of cluster DNS has it")


def _of_prober(settings: Settings, dns: ClusterDns) -> Iterator[Finding]:
    """The same checks with what the gate knows already."""
    try:
        pages = configured_pages(settings)
        found = ProberObjects()
        if not pages:
            with open_cluster(settings) as cluster:
                found = read_prober(cluster, timeout_s=CALL_S)
            yield prober_finding(found)
            pages = found.facts.pages
    except ControlPlaneError as error:
        yield refusal(error, _PROBER)
        return
    if not pages:
        return
    seen: ProberPage | None = None
    try:
        seen = first_page(pages)
    except TargetUnreachable as error:
        yield page_finding(error)
    asked = _asked(found, seen)
    if asked and dns.addresses:
        yield dns_finding(asked, dns.addresses, found.facts.image)


def _without_pods(scene: Scene) -> Finding:
    """Why there is no pod: the Deployment itself, which an administrator may read, may say so."""
    found = prober_finding(scene.prober.get())
    try:
        admin = scene.callers["admin"].get().cluster
        path = f"/apis/apps/v1/namespaces/{LIBRARY_NAMESPACE}/deployments/{PROBER_SERVICE}"
        deployment = admin.get(path, timeout_s=CALL_S)
    except ControlPlaneError:
        return found
    if deployment is None:
        return Finding(
            "wrong", f"Deployment {_PROBER}", "is not there, so nobody sees what workloads suffer", apply_manifests()
        )
    conditions = (deployment.get("status") or {}).get("conditions") or []
    why = [str(one.get("message")) for one in conditions if one.get("type") == "ReplicaFailure"]
    return Finding("wrong", found.on, f"has no pod: {why[0]}", found.fix) if why else found


def _page_or_none(scene: Scene) -> ProberPage | None:
    try:
        return scene.page.get()
    except ControlPlaneError:
        return None


def _asked(found: ProberObjects, seen: ProberPage | None) -> str:
    """The address that the prober takes for that of cluster DNS: what it was told, else what pods have."""
    return found.told_dns or next(iter(seen.nameservers if seen else ()), "")


def _address(text: str) -> str:
    """One text for one address: IPv6 may be written in many ways (RFC 5952)."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text
