"""Rights beside the roles of a run: who the administrator is, and ServiceAccounts in the place of users."""

from collections.abc import Sequence
from typing import Any, Final

from chaoslib_cp.cluster.credentials.who import MADE, NEVER_SIGNED, account_name
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE, OWNER_LABELS
from chaoslib_cp.errors import TargetRefused

KUBEADM_ADMINS: Final = "kubeadm:cluster-admins"
_RBAC = "rbac.authorization.k8s.io"
_BINDINGS = f"/apis/{_RBAC}/v1/clusterrolebindings"
_ROLE = "cluster-admin"


def admin_group(cluster: Cluster) -> str:
    """Find the group that an ordinary administrator should be in: kubeadm's, else that of a binding of ours.

    Args:
        cluster: As somebody who may list ClusterRoleBindings.

    Raises:
        TargetRefused: There is neither, or he may not look; nothing was changed.
        TargetUnreachable: No answer, or the server is unwell; nothing was changed.
    """
    found: list[str] = []
    ours: list[str] = []
    for binding in (cluster.get(_BINDINGS) or {}).get("items") or ():
        role = binding.get("roleRef") or {}
        if (role.get("kind"), role.get("name")) != ("ClusterRole", _ROLE):
            continue
        named = [str(one.get("name")) for one in binding.get("subjects") or () if one.get("kind") == "Group"]
        groups = [group for group in named if group != NEVER_SIGNED]
        found += groups
        ours += groups if binding["metadata"]["name"] == account_name("admin") else []
    if KUBEADM_ADMINS in found:
        return KUBEADM_ADMINS
    if ours:
        return ours[0]
    others = f" (groups that are {_ROLE}: {', '.join(dict.fromkeys(found))})" if found else ""
    raise TargetRefused(
        f"{cluster.server} makes neither group {KUBEADM_ADMINS} nor one of ours {_ROLE}{others}; nothing was changed; "
        "name a group with --admin-group; `chaos cp manifests --admin-group NAME` prints a binding that makes one"
    )


def with_accounts(manifests: Sequence[dict[str, Any]], service_accounts: bool, group: str) -> list[dict[str, Any]]:
    """Add to the manifests of a run what other ways to log in need.

    Args:
        manifests: Those of a run, bindings among them.
        service_accounts: Make a ServiceAccount for each of ``who.MADE``, and bind it wherever the user of that name is
            bound; the administrator's is cluster-admin.
        group: Group that is made cluster-admin; empty for none.
    """
    made = [_also_accounts(one) if service_accounts else one for one in manifests]
    subjects: list[dict[str, Any]] = [{"apiGroup": _RBAC, "kind": "Group", "name": group}] if group else []
    if service_accounts:
        made += [_service_account(identity) for identity in MADE]
        subjects.append(_account_subject(account_name("admin")))
    return [*made, _admin_binding(subjects)] if subjects else made


def _also_accounts(manifest: dict[str, Any]) -> dict[str, Any]:
    if "roleRef" not in manifest:
        return manifest
    users = [one["name"] for one in manifest["subjects"] if one["kind"] == "User"]
    return {**manifest, "subjects": [*manifest["subjects"], *map(_account_subject, users)]}


def _account_subject(name: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": LIBRARY_NAMESPACE}


def _service_account(identity: str) -> dict[str, Any]:
    metadata = {"name": account_name(identity), "namespace": LIBRARY_NAMESPACE, "labels": dict(OWNER_LABELS)}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def _admin_binding(subjects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": account_name("admin"), "labels": dict(OWNER_LABELS)},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _ROLE},
        "subjects": list(subjects),
    }
