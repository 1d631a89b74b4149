"""The owner's mark on a cluster: "this is a test cluster, break it until then"."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.errors import TargetRefused

MARKER_NAME = "chaoslib-cp-test-cluster"
# Every cluster has it (source: Kubernetes documentation, "Namespaces"), and whoever plays runs may write nothing there.
MARKER_NAMESPACE = "kube-public"
MARKER_PATH = f"/api/v1/namespaces/{MARKER_NAMESPACE}/configmaps/{MARKER_NAME}"
# What may speak against breaking a cluster (``production.py`` looks for it) unless its owner accepts it.
NODE_COUNT = "node-count"
NAME = "name"
LABEL = "label"
PROVIDER = "provider"
MANAGED_DNS = "managed-dns"
SIGNS = (NODE_COUNT, NAME, LABEL, PROVIDER, MANAGED_DNS)


@dataclass(frozen=True)
class Marker:
    """What the owner declared.

    Attributes:
        cluster_uid: UID of kube-system of the cluster that was meant: a copied mark does not count elsewhere.
        owner: Who declared it.
        expires_epoch_s: When the declaration ends, seconds since 1970.
        accepted_signs: Signs of production (of ``SIGNS``) that the owner has seen and accepts here.
    """

    cluster_uid: str
    owner: str
    expires_epoch_s: float
    accepted_signs: frozenset[str] = frozenset()


def marker_manifest(
    cluster_uid: str, owner: str, expires_epoch_s: float, accepted_signs: Collection[str] = ()
) -> dict[str, Any]:
    """The ConfigMap an owner creates in kube-public to mark a test cluster.

    Args:
        cluster_uid: UID of the namespace kube-system.
        owner: Who answers for it, a name or an address.
        expires_epoch_s: When the mark stops counting, seconds since 1970.
        accepted_signs: Signs of production that the owner accepts.
    """
    data = {"cluster_uid": cluster_uid, "owner": owner, "expires_epoch_s": f"{expires_epoch_s:.0f}"}
    if accepted_signs:
        data["accepted_signs"] = ",".join(sorted(accepted_signs))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": MARKER_NAME,
            "namespace": MARKER_NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "chaoslib-cp"},
        },
        "data": data,
    }


def parse_marker(config_map: Mapping[str, Any]) -> Marker:
    """Read the mark.

    Raises:
        TargetRefused: It lacks something or is not what we write.
    """
    data = config_map.get("data") or {}
    try:
        accepted = frozenset(str(data.get("accepted_signs") or "").split(",")) - {""}
        owner, expires_epoch_s = str(data["owner"]).strip(), float(data["expires_epoch_s"])
        marker = Marker(str(data["cluster_uid"]), owner, expires_epoch_s, accepted)
    except (KeyError, TypeError, ValueError) as error:
        raise TargetRefused(
            f"the mark ConfigMap {MARKER_NAMESPACE}/{MARKER_NAME} is not readable ({error}); nothing was changed; "
            "delete it and mark the cluster again"
        ) from error
    if not marker.owner or not 0 < marker.expires_epoch_s < 1e11:
        raise TargetRefused(
            f"the mark ConfigMap {MARKER_NAMESPACE}/{MARKER_NAME} has no owner or no sane expiry; nothing was changed; "
            "delete it and mark the cluster again"
        )
    return marker
