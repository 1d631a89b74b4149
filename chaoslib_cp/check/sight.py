"""Will anybody see what workloads suffer? The probers, the way to their pages, and the DNS address that they ask."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from chaoslib_cp.check.finding import Finding, apply_manifests, refusal
from chaoslib_cp.check.identities import missing_contexts
from chaoslib_cp.check.probers import PROBER, page_findings, prober_findings, why_no_pods
from chaoslib_cp.check.scene import CALL_S, NotKnown, Scene
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns, list_dns_pods
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.prober import (
    PROBER_SERVICE,
    ProberObjects,
    ProberPage,
    configured_pages,
    read_pages,
    read_prober,
)
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings


def blind_spots(settings: Settings, dns: ClusterDns) -> list[Finding]:
    """Say before a run what nobody will see in it, and why: two reads as the runner, and a look at the pages.

    Args:
        settings: What the run is told.
        dns: Cluster DNS, as the gate found it.

    Returns:
        Findings that are not ok, each with its fix.
    """
    return [*missing_contexts(settings), *(one for one in _of_prober(settings, dns) if one.level != "ok")]


def prober(scene: Scene) -> Iterator[Finding]:
    """Are the probers there and ready?"""
    if configured_pages(scene.settings):
        yield Finding("ok", PROBER, "not looked for: configuration.prober_pages says where its page is")
        return
    found = scene.prober.get()
    findings = prober_findings(found)
    yield from ([_without_pods(scene, findings[0])] if found.service is not None and not found.pods else findings)


def page(scene: Scene) -> Iterator[Finding]:
    """Can the page of each be reached from here?"""
    pages = scene.pages.get()
    if not pages:
        raise NotKnown("the prober has no address")
    nodes = {} if configured_pages(scene.settings) else scene.prober.get().nodes
    whole = "the prober's page answers from here" if len(pages) == 1 else "the probers' pages answer from here"
    yield from page_findings(scene.read.get(), nodes) or [Finding("ok", ", ".join(pages), whole)]


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
            yield from prober_findings(found)
            pages = found.facts.pages
    except ControlPlaneError as error:
        yield refusal(error, PROBER)
        return
    if not pages:
        return
    read = read_pages(pages)
    yield from page_findings(read, found.nodes)
    asked = _asked(found, next((one for one in read.values() if isinstance(one, ProberPage)), None))
    if asked and dns.addresses:
        yield dns_finding(asked, dns.addresses, found.facts.image)


def _without_pods(scene: Scene, found: Finding) -> Finding:
    """Why there is no pod: the DaemonSet itself, which an administrator may read, may say so."""
    try:
        admin = scene.callers["admin"].get().cluster
        path = f"/apis/apps/v1/namespaces/{LIBRARY_NAMESPACE}/daemonsets/{PROBER_SERVICE}"
        return why_no_pods(found, admin.get(path, timeout_s=CALL_S))
    except ControlPlaneError:
        return found


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
