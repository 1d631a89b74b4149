"""The objects a cluster installer would create, and the conditions under which the cluster counts as up."""

import json
import time
from datetime import datetime
from typing import Any

from chaoslib_cp.agent.manifests import prober_manifests
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE, OWNER_LABELS, SCALE_NAME
from chaoslib_cp.cluster.door.prober import PROBER_SERVICE
from chaoslib_cp.cluster.gate import marker, roles
from chaoslib_cp.engine.load.patterns.bodies import WRITES_NAMESPACE
from chaoslib_cp.faults import fault_kinds
from chaoslib_cp.testbed import addons, addresses, kwok
from chaoslib_cp.testbed.api import ApiClient, Manifest
from chaoslib_cp.testbed.cgroups import NOT_ENFORCED
from chaoslib_cp.testbed.farm import access as farm_access
from chaoslib_cp.testbed.fill import FILLER_NAMESPACE
from chaoslib_cp.testbed.pki import PEOPLE
from chaoslib_cp.testbed.spec import ClusterSpec
from chaoslib_cp.version import VERSION

LIBRARY_IMAGE = f"chaoslib-cp:{VERSION}"
MISSED_AFTER_S = 25.0
TOUCHED = "chaoslib-cp.testbed/touched"
# A testbed is for a day's work; its certificates live a week.
MARKER_VALID_S = 7 * 24 * 3600


def cluster_uid(api: ApiClient) -> str | None:
    """Return the UID of kube-system, which is what a cluster is known by, or None while it does not exist."""
    namespace = api.get("/api/v1/namespaces/kube-system")
    return None if namespace is None else str(namespace["metadata"]["uid"])


def create_objects(api: ApiClient, spec: ClusterSpec, uid: str, limits_enforced: bool) -> None:
    """Create roles, add-ons, the owner's marker, the scale factors and the prober.

    Args:
        api: as an identity that may create all of it.
        spec: what the cluster is to be.
        uid: of the cluster.
        limits_enforced: whether the spec's CPU and memory limits are more than words on this machine.

    Raises:
        TestbedFailed: the API server refused one.
    """
    expires_epoch_s = time.clock_gettime(time.CLOCK_REALTIME) + MARKER_VALID_S
    manifests: list[Manifest] = [
        _admin_binding(),
        *roles.role_manifests(),
        *roles.fault_roles(fault_kinds()),
        *_agent_bindings(),
        *kwok.manifests(),
        *farm_access.manifests(),
        *addons.render(
            dns_replicas=spec.dns_replicas,
            cluster_dns_ttl_s=spec.cluster_dns_ttl_s,
            node_cache_ttl_s=spec.node_cache_ttl_s,
            cluster_domain=addresses.CLUSTER_DOMAIN,
            kubelet_nodes=spec.kubelet_nodes,
        ),
        *prober_manifests(addresses.CLUSTER_DNS, LIBRARY_IMAGE, f"www.{addresses.OUTSIDE_ZONE}"),
        _scale(spec, limits_enforced),
        marker.marker_manifest(uid, "chaos cp up", expires_epoch_s),
    ]
    # namespaces first: a stable sort keeps everything else in order
    for manifest in sorted(manifests, key=lambda manifest: manifest["kind"] != "Namespace"):
        api.create(manifest)


def _admin_binding() -> Manifest:
    """Bind the administrators' group as kubeadm does (source: KEP-4214)."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "kubeadm:cluster-admins"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": PEOPLE["admin"].groups[0]},
        ],
    }


def _agent_bindings() -> list[Manifest]:
    """Let the agent, and whoever is stood for in its namespace, read and write what loads may be told to."""
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": PEOPLE["agent"].groups[1]}
    return [
        _bound(group, "ClusterRole", roles.AGENT_READS, {}),
        _bound(group, "Role", roles.AGENT_WRITES, {"namespace": WRITES_NAMESPACE}),
    ]


def _bound(subject: dict[str, str], kind: str, role: str, where: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{kind}Binding",
        "metadata": {"name": "chaoslib-cp-agent", "labels": dict(OWNER_LABELS), **where},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [subject],
    }


def _scale(spec: ClusterSpec, limits_enforced: bool) -> Manifest:
    """Put the spec's scale factors where a run's report finds them, on this and on any cluster."""
    wishes = {
        "api_server_cpu_cores": f"{spec.api_server_cpu_cores} core asked for, but {NOT_ENFORCED}",
        "api_server_memory_mib": f"{spec.api_server_memory_mib} MiB asked for, but {NOT_ENFORCED}",
    }
    scale = spec.scale if limits_enforced else {**spec.scale, **wishes}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": SCALE_NAME, "namespace": LIBRARY_NAMESPACE},
        "data": {"scale.json": json.dumps(scale)},
    }


def missing_accounts(api: ApiClient) -> str:
    """Return "" once the controllers made what every pod needs (an account, the authority), else what is missing."""
    wanted = ("serviceaccounts/default", "configmaps/kube-root-ca.crt")
    missing = [name for name in wanted if api.get(f"/api/v1/namespaces/default/{name}") is None]
    return ", ".join(missing)


def missing_kubelets(api: ApiClient, names: list[str]) -> str:
    """Return "" when pods can be scheduled to these nodes, else which of them are missing or still tainted."""
    found = [(name, api.get(f"/api/v1/nodes/{name}")) for name in names]
    return ", ".join(name for name, node in found if node is None or node["spec"].get("taints"))


def missing_nodes(api: ApiClient, wanted: int) -> str:
    """Return "" when that many nodes are Ready, else how many are."""
    nodes = api.get("/api/v1/nodes?resourceVersion=0") or {"items": []}
    ready = sum(_is_ready(item) for item in nodes["items"])
    return "" if ready == wanted else f"{ready} of {wanted} nodes are Ready"


def missing_filler(api: ApiClient) -> str:
    """Return "" when every filler pod is Running, else the names of some that are not.

    One that waits for long is touched, once: KWOK can miss a pod at the very moment when it takes its node over (seen
    once in fifty starts), and takes it up when its watch shows it again.
    """
    collection = f"/api/v1/namespaces/{FILLER_NAMESPACE}/pods"
    pods = api.get(f"{collection}?fieldSelector=status.phase%21%3DRunning&limit=20")
    if pods is None:
        return "the API server does not list them"
    for metadata in [pod["metadata"] for pod in pods["items"]]:
        age_s = time.clock_gettime(time.CLOCK_REALTIME) - _epoch_s(metadata["creationTimestamp"])
        if age_s > MISSED_AFTER_S and TOUCHED not in metadata.get("annotations", {}):
            api.request("PATCH", f"{collection}/{metadata['name']}", {"metadata": {"annotations": {TOUCHED: "yes"}}})
    return ", ".join(pod["metadata"]["name"] for pod in pods["items"])


def _epoch_s(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def missing_probers(api: ApiClient, nodes: int) -> str:
    """Return "" when so many nodes have a workload prober that is ready, else how many have one."""
    found = api.get(f"/apis/apps/v1/namespaces/{LIBRARY_NAMESPACE}/daemonsets/{PROBER_SERVICE}")
    ready = (found or {}).get("status", {}).get("numberReady", 0)
    return "" if ready == nodes else f"{ready} of {nodes} nodes have a workload prober that is ready"


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
