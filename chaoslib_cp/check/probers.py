"""Are the workload probers there, one on each node, and does the page of each node show its own?"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chaoslib_cp.check.finding import Finding, apply_manifests
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.live_pods import complaints, is_ready
from chaoslib_cp.cluster.door.prober import MOST_PAGES, PROBER_SERVICE, ProberObjects, ProberPage
from chaoslib_cp.errors import TargetUnreachable

PROBER: Final = f"{LIBRARY_NAMESPACE}/{PROBER_SERVICE}"
_DAEMON_SET: Final = f"DaemonSet {PROBER}"
_KUBECTL: Final = f"kubectl --namespace {LIBRARY_NAMESPACE}"
_UNSEEN: Final = "nobody sees what workloads suffer"
_OPEN: Final = "open that port from here to that node, or name an address that leads there: configuration.prober_pages"
_MOST_TOLD: Final = 3


def prober_findings(found: ProberObjects) -> list[Finding]:
    """How the probers are, as their Service and pods tell."""
    if found.service is None:
        return [Finding("wrong", PROBER, f"there is no prober, so {_UNSEEN}", apply_manifests())]
    if not found.node_port:
        return [Finding("wrong", f"Service {PROBER}", "has no NodePort, so its page has no address", apply_manifests())]
    if not found.pods:
        fix = f"{_KUBECTL} describe daemonset"
        return [Finding("wrong", _DAEMON_SET, f"has no pod, so {_UNSEEN}", fix)]
    return list(_of_pods(found)) or [_all_ready(found)]


def why_no_pods(found: Finding, daemon_set: Mapping[str, Any] | None) -> Finding:
    """The same where the DaemonSet itself could be read: it may say why there is no pod."""
    if daemon_set is None:
        return Finding("wrong", _DAEMON_SET, f"is not there, so {_UNSEEN}", apply_manifests())
    if (daemon_set.get("status") or {}).get("desiredNumberScheduled", 0):
        return found
    labels = ((daemon_set["spec"].get("template") or {}).get("spec") or {}).get("nodeSelector") or {}
    wanted = ",".join(f"{key}={value}" for key, value in labels.items())
    return Finding(
        "wrong", found.on, f"has no pod: no node that takes pods has the labels {wanted}", "kubectl get nodes"
    )


def page_findings(pages: Mapping[str, ProberPage | TargetUnreachable], nodes: Mapping[str, str]) -> list[Finding]:
    """Which pages answer from here, and whether each is that of its node.

    Args:
        pages: What each said of itself, or why it did not.
        nodes: The node of each page, where that is known.
    """
    reasons = {page: told for page, told in pages.items() if isinstance(told, TargetUnreachable)}
    if len(reasons) == len(pages):
        why = ", ".join(f"{page}: {error}" for page, error in reasons.items())
        return [Finding("wrong", "the prober's page", f"cannot be reached from here ({why})", _OPEN)]
    silent = [
        Finding(
            "warning", f"the page of node {nodes.get(page) or page}", f"does not answer here ({page}: {error})", _OPEN
        )
        for page, error in reasons.items()
    ]
    return [*silent, *_of_others(pages, nodes)]


def _of_others(pages: Mapping[str, ProberPage | TargetUnreachable], nodes: Mapping[str, str]) -> Iterator[Finding]:
    for page, told in pages.items():
        node = nodes.get(page, "")
        if isinstance(told, ProberPage) and told.node and node and told.node != node:
            says = f"shows the prober of node {told.node}, so nobody sees what workloads on {node} suffer"
            yield Finding("warning", f"the page of node {node}", says, apply_manifests())


def _of_pods(found: ProberObjects) -> Iterator[Finding]:
    for host in found.crowded[:_MOST_TOLD]:
        says = "has several probers, as those of a Deployment of an earlier version: its page shows each now and then"
        yield Finding("warning", f"node {host}", says, f"{_KUBECTL} delete deployment {PROBER_SERVICE}")
    if len(found.nodes) > MOST_PAGES:
        says = f"{len(found.nodes)} nodes have a prober, and a run reads {MOST_PAGES} of them: the others see nothing"
        fix = f"label {MOST_PAGES} nodes, and apply what chaos cp manifests --prober-nodes KEY=VALUE prints"
        yield Finding("warning", _DAEMON_SET, says, fix)
    unready = [pod for pod in found.pods if not is_ready(pod)]
    is_blind = len(unready) == len(found.pods)
    for pod in unready[:_MOST_TOLD]:
        name = str(pod["metadata"]["name"])
        why = next(complaints(pod), "its kubelet gives no reason")
        on, fix = f"Pod {LIBRARY_NAMESPACE}/{name}", f"{_KUBECTL} logs {name}"
        yield Finding("wrong" if is_blind else "warning", on, f"is not ready: {why}", fix)


def _all_ready(found: ProberObjects) -> Finding:
    image = found.facts.image or "unknown"
    if len(found.pods) == 1:
        return Finding(
            "ok", f"Pod {LIBRARY_NAMESPACE}/{found.pods[0]['metadata']['name']}", f"is ready, with image {image}"
        )
    return Finding("ok", _DAEMON_SET, f"{len(found.pods)} probers are ready, with image {image}")
